// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// smallVolume is a file system of its own. Without the right to mount one there is no such test here, and TestDiskFullUnforeseen
// and TestDiskFull on a file system that only says so remain.
func smallVolume(t *testing.T, size string) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Logf("no volume can be mounted, so none can be filled: %v", err)
		return "", false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir, true
}

func TestDiskFull(t *testing.T) {
	for size, rounds := range map[string]int{"64m": 2, "128m": 1} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			dir, ok := smallVolume(t, size)
			if !ok {
				return
			}
			s, err := Open(t.Context(), Options{Dir: filepath.Join(dir, "queue"), OnFatal: func(err error) { t.Errorf("fatal: %v", err) }})
			must(t, err)
			defer func() { must(t, s.Close()) }()
			n := 0
			for round := range rounds {
				var ids []ID
				for {
					n++
					r := sample(n, "x")
					r.Body = []byte(strings.Repeat("0123456789abcdef", 1<<12))
					res, err := s.Put(t.Context(), r)
					if errors.Is(err, ErrDiskFull) {
						break
					}
					must(t, err)
					ids = append(ids, res.ID)
				}
				if round == 0 && len(ids) < 100 {
					t.Fatalf("round %d: only %d notifications fit", round, len(ids))
				}
				// What others write may fill the volume altogether.
				filler := filepath.Join(dir, "filler")
				fill(t, filler)
				if _, err := s.Put(t.Context(), sample(n, "x")); err != nil && !errors.Is(err, ErrDiskFull) { // there may be room again
					t.Fatalf("Put gave %v on a full volume", err)
				}
				for _, id := range ids {
					if _, err := s.Get(id); err != nil {
						t.Fatalf("Get on a full volume: %v", err)
					}
					must(t, s.Finish(t.Context(), Outcome{ID: id, Target: "x", Kind: Delivered}))
				}
				must(t, os.Remove(filler))
				eventually(t, "Put works again after notifications were finished", func() bool {
					res, err := s.Put(t.Context(), sample(n, "x"))
					return err == nil && s.Finish(t.Context(), Outcome{ID: res.ID, Target: "x", Kind: Delivered}) == nil
				})
				t.Logf("round %d: %d notifications of 64 KiB", round, len(ids))
			}
		})
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	for size := 1 << 20; size > 512; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	must(t, f.Close())
}

func TestLittleRoom(t *testing.T) {
	fs := vfs.NewMem()
	room := func(avail uint64) { fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: avail, TotalBytes: 10 << 30}) }
	room(5 << 30)
	s := mustOpen(t, Options{Dir: "/q", FS: fs, MinFreeBytes: 1 << 30})
	res, err := s.Put(t.Context(), sample(1, "x"))
	must(t, err)
	room(1<<30 - 1)
	n := 10
	eventually(t, "Put is refused", func() bool {
		n++
		_, err := s.Put(t.Context(), sample(n, "x"))
		return errors.Is(err, ErrDiskFull)
	})
	if got, err := s.Put(t.Context(), sample(1, "x")); err != nil || !got.Duplicate {
		t.Errorf("a duplicate gave %+v, %v, though it takes no room", got, err)
	}
	must(t, s.Finish(t.Context(), Outcome{ID: res.ID, Target: "x", Kind: Delivered}))
	room(2 << 30)
	eventually(t, "Put works again", func() bool {
		_, err := s.Put(t.Context(), sample(3, "x"))
		return err == nil
	})
}
