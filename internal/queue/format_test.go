// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestOpenDirectory(t *testing.T) {
	put := func(name, content string) func(*testing.T, vfs.FS) {
		return func(t *testing.T, fs vfs.FS) {
			t.Helper()
			must(t, fs.MkdirAll(fs.PathDir("/q/"+name), 0o755))
			mustWrite(t, fs, "/q/"+name, []byte(content))
		}
	}
	made := func(change func(*testing.T, vfs.FS)) func(*testing.T, vfs.FS) {
		return func(t *testing.T, fs vfs.FS) {
			t.Helper()
			s := mustOpen(t, Options{Dir: "/q", FS: fs})
			if _, err := s.Put(t.Context(), sample(1, "x")); err != nil {
				t.Fatal(err)
			}
			must(t, s.Close())
			change(t, fs)
		}
	}
	tests := map[string]struct {
		why  string
		have func(*testing.T, vfs.FS)
		want string // part of the error; none: it opens
	}{
		"nothing": {
			why: "a new store", have: func(*testing.T, vfs.FS) {},
		},
		"an empty file system": {
			why: "ext4 makes lost+found", have: func(_ *testing.T, fs vfs.FS) { _ = fs.MkdirAll("/q/lost+found", 0o755) },
		},
		"the receiver's routes": {
			why: "they are kept beside the queue", have: put("routes.json", "{}"),
		},
		"routes that were not saved whole": {
			why: "the process was killed meanwhile", have: func(t *testing.T, fs vfs.FS) {
				t.Helper()
				put("routes.json.123.tmp", "{")(t, fs)
				put(".routes.json.123", "{")(t, fs)
			},
		},
		"an interrupted attempt": {
			why: "the process was killed before FORMAT was whole", have: put("FORMAT.tmp", "{"),
		},
		"a format and nothing else": {
			why: "the process was killed right after", have: put("FORMAT", `{"name":"cloudinary-operator-queue","version":1}`),
		},
		"somebody else's files": {
			why: "they are not ours to write among", have: put("photos/cat.jpg", "meow"), want: "is not empty and has no FORMAT file",
		},
		"a newer version": {
			why: "its entries may mean something else", have: put("FORMAT", `{"name":"cloudinary-operator-queue","version":2}`), want: "upgrade the receiver",
		},
		"another program's format": {
			why: "the name differs", have: put("FORMAT", `{"name":"etcd","version":1}`), want: "is not that of a queue",
		},
		"a store": {
			why: "that is what it is for", have: made(func(*testing.T, vfs.FS) {}),
		},
		"a store without its format": {
			why: "it may be of any version", have: made(func(t *testing.T, fs vfs.FS) { t.Helper(); must(t, fs.Remove("/q/FORMAT")) }),
			want: "has no FORMAT file",
		},
		"a store without its database": {
			why: "something was lost, which must not look like a new store", have: made(func(t *testing.T, fs vfs.FS) { t.Helper(); must(t, fs.RemoveAll("/q/db")) }),
			want: "left as it is",
		},
		"a store without its mark": {
			why: "it only weakens a check", have: made(func(t *testing.T, fs vfs.FS) { t.Helper(); must(t, fs.Remove("/q/MARK")) }),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			tt.have(t, fs)
			for range 2 { // a refusal changes nothing
				s, err := Open(t.Context(), Options{Dir: "/q", FS: fs})
				switch {
				case tt.want == "" && err != nil:
					t.Fatalf("%v, want it to open: %s", err, tt.why)
				case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Fatalf("error %v, want %q in it: %s", err, tt.want, tt.why)
				case err == nil:
					must(t, s.Close())
				}
			}
		})
	}
}

func TestSecondWaits(t *testing.T) {
	dir := t.TempDir()
	first := mustOpen(t, Options{Dir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error)
	go func() {
		_, err := Open(ctx, Options{Dir: dir})
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("opened what is open: %v", err)
	case <-time.After(3 * lockEvery):
	}
	cancel()
	if err := <-opened; !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that the context ended", err)
	}
	go func() {
		s, err := Open(t.Context(), Options{Dir: dir})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	must(t, first.Close())
	must(t, <-opened)
}
