// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// logOnly makes a store of n notifications that the engine could not write to a file, and returns what a crash leaves of it.
func logOnly(t *testing.T, n int) *vfs.MemFS {
	t.Helper()
	disk := vfs.NewCrashableMem()
	var over atomic.Bool
	noFiles := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !over.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.EIO
		}
		return nil
	}))
	s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: noFiles}))
	for i := range n {
		r := sample(i, "x")
		r.Body = make([]byte, 1000)
		_, err := s.Put(t.Context(), r)
		must(t, err)
	}
	found := disk.CrashClone(vfs.CrashCloneCfg{})
	over.Store(true)
	must(t, s.Close())
	return found
}

// A record that is large stays in the engine's hands until it is in a file, while others are read.
func TestLargeRecordsInTheLogAlone(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: disk}))
	want := map[ID]*Record{}
	for i := range 40 {
		r := sample(i, "x")
		r.Body = bytes.Repeat([]byte{byte(i)}, []int{100, 40_000, 70_000}[i%3])
		res, err := s.Put(t.Context(), r)
		must(t, err)
		want[res.ID] = r
	}
	disk = disk.CrashClone(vfs.CrashCloneCfg{})
	s = mustOpen(t, SmallFiles(Options{Dir: "/q", FS: disk}))
	for id, r := range want {
		if got, err := s.Get(id); err != nil || !bytes.Equal(got.Body, r.Body) {
			t.Errorf("notification %d: %v", id, err)
		}
	}
}

func TestWhatIsInTheLogAlone(t *testing.T) {
	const n = 200
	disk := logOnly(t, n)
	if segments := len(listFiles(t, disk, "/q/log")); segments < 4 {
		t.Fatalf("%d segments hold all of it", segments)
	}
	for range 2 {
		s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: disk}))
		if got := s.Stats(); got.Notifications != n || got.Damaged != 0 {
			t.Errorf("stats are %+v", got)
		}
		if damaged := readAll(t, s); damaged != 0 {
			t.Errorf("%d are damaged", damaged)
		}
		must(t, s.Close())
	}
}

// A crash may come at any point of a replay, and of the one after it.
func TestCrashesOfAReplay(t *testing.T) {
	const n = 150
	disk, crashes := logOnly(t, n), 0
	for after := 1; ; after += 5 {
		var found atomic.Pointer[vfs.MemFS]
		var writes atomic.Int64
		fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) == int64(after) {
				// All or nothing: the engine takes it that a directory's entries come to the disk in order.
				found.Store(disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: after % 2 * 100, RNG: newRand(1)}))
			}
			return nil
		}))
		s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: fs}))
		if got := s.Stats(); got.Notifications != n || got.Damaged != 0 {
			t.Fatalf("after %d crashes stats are %+v", crashes, got)
		}
		must(t, s.Close())
		if found.Load() == nil {
			break
		}
		crashes++
		disk = found.Load()
	}
	if crashes < 4 {
		t.Errorf("there were only %d crashes", crashes)
	}
}

// A segment in the middle of the log is gone.
func TestLostMiddle(t *testing.T) {
	const n = 200
	for name, damage := range map[string]func(b []byte){
		"its head":    func(b []byte) { b[3] ^= 1 },
		"its start":   func(b []byte) { clear(b[:512]) },
		"a record":    func(b []byte) { b[len(b)/2] ^= 1 },
		"all of it":   func(b []byte) { clear(b) },
		"its numbers": func(b []byte) { b[0] ^= 0xff },
	} {
		t.Run(name, func(t *testing.T) {
			disk := logOnly(t, n)
			b := mustRead(t, disk, "/q/log/2.log")
			damage(b)
			mustWrite(t, disk, "/q/log/2.log", b)
			for range 2 {
				_, err := Open(t.Context(), SmallFiles(Options{Dir: "/q", FS: disk}))
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "salvage") || !strings.Contains(err.Error(), "are gone") {
					t.Fatalf("error %v", err)
				}
			}
			told := ""
			log := funcr.New(func(_, args string) { told += args + "\n" }, funcr.Options{})
			s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: disk, Salvage: true, Logger: log}))
			if !strings.Contains(told, "some are gone") {
				t.Errorf("the log does not say what was lost: %s", told)
			}
			got := s.Stats()
			if got.Notifications >= n || got.Notifications < n/2 || got.Damaged != n-got.Notifications {
				t.Errorf("stats are %+v", got)
			}
			res, err := s.Put(t.Context(), sample(1000, "x"))
			must(t, err)
			if res.ID <= n {
				t.Errorf("ID %d was given again", res.ID)
			}
			must(t, s.Close())
			s = mustOpen(t, SmallFiles(Options{Dir: "/q", FS: disk}))
			if again := s.Stats(); again.Notifications != got.Notifications+1 || again.Damaged != 0 {
				t.Errorf("stats were %+v and are %+v", got, again)
			}
		})
	}
}

// loseLink damages the ends of a store's files, so that its link cannot be read.
func loseLink(t *testing.T, o Options, tables []string) {
	t.Helper()
	for _, file := range tables {
		b := mustRead(t, o.FS, file)
		b[lastBlock(t, o.FS, file)] ^= 1
		mustWrite(t, o.FS, file, b)
	}
	engine := engineOptions(o.FS, &engineLogger{log: logr.Discard()}, func(error) {}, func(error) {}, func() {})
	engine.ReadOnly = true
	db, err := pebble.Open(o.FS.PathJoin(o.Dir, engineDir), engine)
	must(t, err)
	if l, err := readLink(db); !pebble.IsCorruptionError(err) {
		t.Fatalf("link %+v, error %v", l, err)
	}
	must(t, db.Close())
}

// lastBlock tells where the last block of data in a file begins.
func lastBlock(t *testing.T, fs vfs.FS, file string) uint64 {
	t.Helper()
	f, err := fs.Open(file)
	must(t, err)
	readable, err := sstable.NewSimpleReadable(f)
	must(t, err)
	r, err := sstable.NewReader(t.Context(), readable, sstable.ReaderOptions{})
	must(t, err)
	layout, err := r.Layout()
	must(t, err)
	must(t, r.Close())
	return layout.Data[len(layout.Data)-1].Offset
}

// Where the engine's own count of writes cannot be read, the log is replayed as far as it is whole.
func TestReplayWithoutALink(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{Dir: "/q", FS: fs, tune: func(o *pebble.Options) {
		smallFiles(o)
		o.CacheSize = 1
	}}
	s := mustOpen(t, o)
	for n := range 100 {
		_, err := s.Put(t.Context(), sample(n, "x"))
		must(t, err)
	}
	must(t, s.db.Flush())
	for n := range 20 {
		_, err := s.Put(t.Context(), sample(100+n, "x"))
		must(t, err)
	}
	tables := filesInUse(t, s)
	must(t, s.Close())
	loseLink(t, o, tables)
	s = mustOpen(t, o)
	if got := s.Stats(); got.Notifications < 20 || got.Damaged == 0 && got.Notifications != 120 {
		t.Errorf("stats are %+v", got)
	}
	for id := ID(101); id <= 120; id++ {
		if _, err := s.Get(id); err != nil {
			t.Errorf("Get(%d): %v", id, err)
		}
	}
}

// What is left in the log from before a gap is not done again: it would bring back what was finished since.
func TestReplayWithoutALinkBeginsAfterAGap(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{Dir: "/q", FS: fs, tune: func(o *pebble.Options) {
		smallFiles(o)
		o.CacheSize = 1
	}}
	s := mustOpen(t, o)
	finish := func(id ID) { must(t, s.Finish(t.Context(), Outcome{ID: id, Target: "x", Kind: Delivered})) }
	for n := range 30 {
		_, err := s.Put(t.Context(), sample(n, "x"))
		must(t, err)
	}
	long := mustRead(t, fs, "/q/log/1.log")
	for id := range ID(20) {
		finish(id + 1)
	}
	must(t, s.Close())
	s = mustOpen(t, o) // which writes over the log from its start
	for id := range ID(5) {
		finish(id + 21)
	}
	tables := filesInUse(t, s)
	must(t, s.Close())
	mustWrite(t, fs, "/q/log/9.log", long)
	loseLink(t, o, tables)
	s = mustOpen(t, o)
	if s.Stats().Damaged == 0 {
		t.Error("nothing is damaged")
	}
	for i := range s.Items {
		if i.ID <= 25 {
			t.Errorf("notification %d is there again", i.ID)
		}
	}
}
