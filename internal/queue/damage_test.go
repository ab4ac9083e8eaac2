// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// content is what a test knows to be in a store.
type content struct {
	records map[ID]*Record
	items   []Item
	keys    [][32]byte // of all records ever put
}

func smallFiles(o *pebble.Options) {
	o.MemTableSize = 64 << 10
	o.TargetFileSizes[0] = 32 << 10
	for i := range o.Levels {
		o.Levels[i].BlockSize = 1 << 10 // the engine takes long over damage in a larger one
	}
}

// fillStore makes a store with every kind of file and entry in it, and closes it unless it is to be found as after a kill.
func fillStore(t *testing.T, fs vfs.FS, closed bool) content {
	t.Helper()
	s := mustOpen(t, Options{Dir: "/q", FS: fs, tune: smallFiles})
	c := content{records: map[ID]*Record{}}
	const n = 200
	ids := make([]ID, n)
	for i := range n {
		r := sample(i, "a", "b")
		r.Body = []byte(strings.Repeat(fmt.Sprintf("%d,", i), 200))
		res, err := s.Put(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		ids[i], c.records[res.ID] = res.ID, r
		c.keys = append(c.keys, r.Key)
		if i > 10 && i%3 == 0 {
			must(t, s.Finish(t.Context(), Outcome{ID: ids[i-7], Target: "a", Kind: Delivered}))
		}
		if i > 10 && i%5 == 0 {
			must(t, s.Finish(t.Context(), Outcome{ID: ids[i-7], Target: "a", Kind: Delivered}, Outcome{ID: ids[i-7], Target: "b", Kind: Delivered}))
			delete(c.records, ids[i-7])
		}
		if i%7 == 0 {
			must(t, s.Finish(t.Context(), Outcome{ID: ids[i], Target: "a", Kind: Dead, Reason: "404"}))
		}
		if i%50 == 0 {
			must(t, s.SetStates(map[string][]byte{"totals": fmt.Appendf(nil, "%d", i)}))
		}
	}
	c.items = slices.Collect(s.Items)
	if closed {
		must(t, s.Close())
	}
	return c
}

func mustOpen(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // tests that care have closed it
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever the disk does to a file, the store is then whole, says what it has lost, or refuses to be opened.
func TestDamagedFiles(t *testing.T) {
	for name, closed := range map[string]bool{"after Close": true, "after a kill": false} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			want := fillStore(t, fs, closed)
			found := fs
			if !closed {
				found = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: newRand(1)})
			}
			outcomes := map[string]map[string]int{}
			for _, file := range listFiles(t, found, "/q") {
				kind := fileKind(file)
				if outcomes[kind] == nil {
					outcomes[kind] = map[string]int{}
				}
				size := len(mustRead(t, found, file))
				for n, at := range offsets(t, size) {
					damage := damages()[n%len(damages())]
					outcome := tryDamaged(t, found, file, want, func(b []byte) []byte { return damage(b, at) })
					outcomes[kind][outcome]++
					if t.Failed() {
						t.Fatalf("with damage %d at %d of %s (%d bytes)", n%len(damages()), at, file, size)
					}
				}
			}
			for kind, o := range outcomes {
				t.Logf("%-8s %v", kind, o)
			}
		})
	}
}

// damages are what may happen to a file at an offset: a bit flips, a part reads as zeros, the rest is gone.
func damages() []func(b []byte, at int) []byte {
	flip := func(b []byte, at int) []byte {
		b[at] ^= 1 << (at % 8)
		return b
	}
	return []func([]byte, int) []byte{flip, func(b []byte, at int) []byte {
		clear(b[at:min(at+512, len(b))])
		return b
	}, flip, func(b []byte, at int) []byte { return b[:at] }}
}

// tryDamaged opens a copy of a store with a file damaged, and checks that it is whole, or tells what it is not.
func tryDamaged(t *testing.T, fs *vfs.MemFS, file string, want content, damage func([]byte) []byte) string {
	t.Helper()
	broken := vfs.NewMem()
	if ok, err := vfs.Clone(fs, broken, "/q", "/q"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mustWrite(t, broken, file, damage(mustRead(t, broken, file)))
	var reports sync.Map
	s, err := Open(t.Context(), Options{Dir: "/q", FS: broken, tune: smallFiles, OnDamaged: func(id ID, err error) { reports.Store(id, err) }})
	if err != nil {
		if !strings.Contains(err.Error(), "/q") {
			t.Errorf("the error does not say where: %v", err)
		}
		return "refused"
	}
	defer func() { must(t, s.Close()) }()
	outcome := "whole"
	reported := false
	reports.Range(func(any, any) bool { reported = true; return false })
	if reported {
		outcome = "reported"
	}
	checkContent(t, s, want, reported)
	return outcome
}

func checkContent(t *testing.T, s *Store, want content, reported bool) {
	t.Helper()
	items := slices.Collect(s.Items)
	if !reported && !reflect.DeepEqual(want.items, items) { // which is much faster where they are
		t.Errorf("items (-want +got):\n%s", cmp.Diff(want.items, items))
	}
	for _, i := range items {
		got, err := s.Get(i.ID)
		if errors.Is(err, ErrDamaged) && reported {
			continue
		}
		if err != nil {
			t.Errorf("Get(%d): %v", i.ID, err)
			continue
		}
		if want := want.records[i.ID]; want != nil && !reflect.DeepEqual(want, got) {
			t.Errorf("record %d (-want +got):\n%s", i.ID, cmp.Diff(want, got))
		}
	}
	if reported {
		return
	}
	for _, k := range want.keys {
		r := sample(0, "a")
		r.Key = k
		if res, err := s.Put(t.Context(), r); err != nil || !res.Duplicate {
			t.Errorf("a known key was taken: %v, %v", res, err)
			return
		}
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// offsets are some bytes of a file: its ends and n in between. QUEUE_TEST_OFFSETS=1000 has a closer look, which takes minutes.
func offsets(t *testing.T, size int) []int {
	t.Helper()
	n, ends := 5, 2
	if more := os.Getenv("QUEUE_TEST_OFFSETS"); more != "" {
		var err error
		n, err = strconv.Atoi(more)
		must(t, err)
		ends = 20
	}
	rng := newRand(uint64(size))
	var at []int
	for i := range min(ends, size/2) {
		at = append(at, i, size-1-i)
	}
	for range n {
		at = append(at, rng.IntN(size))
	}
	return at
}

func fileKind(file string) string {
	base := path.Base(file)
	if ext := path.Ext(base); ext == ".sst" || ext == ".log" {
		return ext
	}
	kind, _, _ := strings.Cut(base, "-")
	kind, _, _ = strings.Cut(kind, ".0")
	return kind
}

func listFiles(t *testing.T, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	must(t, err)
	slices.Sort(names)
	var files []string
	for _, name := range names {
		p := fs.PathJoin(dir, name)
		info, err := fs.Stat(p)
		must(t, err)
		if info.IsDir() {
			files = append(files, listFiles(t, fs, p)...)
		} else if info.Size() > 0 {
			files = append(files, p)
		}
	}
	return files
}

func mustRead(t *testing.T, fs vfs.FS, file string) []byte {
	t.Helper()
	f, err := fs.Open(file)
	must(t, err)
	b, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	return b
}

func mustWrite(t *testing.T, fs vfs.FS, file string, b []byte) {
	t.Helper()
	f, err := fs.Create(file, vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write(b)
	must(t, err)
	must(t, f.Close())
}
