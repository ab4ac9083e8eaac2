// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

// A disk that fails is not one that is full: nothing is known any more, so nothing is answered with success.
func TestFailedDisk(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var broken atomic.Bool
	failing := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(op.Path, ".log") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.EIO
		}
		return nil
	}))
	fatal := make(chan error, 1)
	s, err := Open(t.Context(), Options{Dir: "/q", FS: failing, OnFatal: func(err error) { fatal <- err }})
	must(t, err)
	res, err := s.Put(t.Context(), sample(1, "x"))
	must(t, err)
	broken.Store(true)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			if _, err := s.Put(t.Context(), sample(10+n, "x")); !errors.Is(err, ErrFailed) {
				t.Errorf("Put gave %v on a disk that fails", err)
			}
		})
	}
	wg.Wait()
	if err := <-fatal; !errors.Is(err, ErrFailed) {
		t.Errorf("OnFatal was told %v", err)
	}
	broken.Store(false)
	if err := s.Finish(t.Context(), Outcome{ID: res.ID, Target: "x", Kind: Delivered}); !errors.Is(err, ErrFailed) {
		t.Errorf("Finish gave %v after a failure", err)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close gave %v after a failure", err)
	}
	after := mustOpen(t, Options{Dir: "/q", FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	if _, err := after.Get(res.ID); err != nil {
		t.Errorf("what was stored before: %v", err)
	}
}

// Others may fill the volume between two looks at it.
func TestDiskFullUnforeseen(t *testing.T) {
	fs := vfs.NewMem()
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 30})
	var full atomic.Bool
	limited := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !full.Load() || op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpRemove {
			return nil
		}
		if exists, _ := files.Exists(fs, "/q/BALLAST"); !exists {
			return nil
		}
		return syscall.ENOSPC
	}))
	s := mustOpen(t, Options{Dir: "/q", FS: limited})
	res, err := s.Put(t.Context(), sample(1, "x"))
	must(t, err)
	full.Store(true)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30})
	must(t, s.Finish(t.Context(), Outcome{ID: res.ID, Target: "x", Kind: Delivered}))
	if exists, _ := files.Exists(fs, "/q/BALLAST"); exists {
		t.Error("the ballast was not given up")
	}
	if _, err := s.Put(t.Context(), sample(2, "x")); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Put gave %v on a full disk", err)
	}
	full.Store(false)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 30})
	eventually(t, "Put works again", func() bool {
		_, err := s.Put(t.Context(), sample(2, "x"))
		return err == nil
	})
	if exists, _ := files.Exists(fs, "/q/BALLAST"); !exists {
		t.Error("the ballast was not made again")
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// Damage that is met while the store is in use costs what is damaged, and nothing else.
func TestDamageInUse(t *testing.T) {
	fs := vfs.NewMem()
	var damaged sync.Map
	o := Options{Dir: "/q", FS: fs, tune: func(o *pebble.Options) {
		smallFiles(o)
		o.CacheSize = 1
	}, OnDamaged: func(id ID, err error) { damaged.Store(id, err) }}
	s := mustOpen(t, o)
	for n := range 100 {
		r := sample(n, "x", "y")
		r.Body = make([]byte, 2000)
		res, err := s.Put(t.Context(), r)
		must(t, err)
		must(t, s.Finish(t.Context(), Outcome{ID: res.ID, Target: "y", Kind: Dead}))
	}
	must(t, s.compact(t.Context()))
	for _, file := range filesInUse(t, s) {
		f, err := fs.OpenReadWrite(file, vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = f.WriteAt([]byte("damage"), 10_000)
		must(t, err)
		must(t, f.Close())
	}
	lost := readAll(t, s)
	eventually(t, "the damage is reported", func() bool { return s.Stats().Damaged > 0 })
	if again := readAll(t, s); again < lost || again == 0 || again > 30 {
		t.Errorf("%d notifications damaged, then %d", lost, again)
	}
	if _, err := s.Put(t.Context(), sample(1000, "x")); err != nil {
		t.Errorf("Put after a repair: %v", err)
	}
	reported := 0
	damaged.Range(func(id, _ any) bool {
		if id != ID(0) {
			reported++
			must(t, s.Finish(t.Context(), Outcome{ID: id.(ID), Target: "x", Kind: Dead, Reason: "damaged"}, Outcome{ID: id.(ID), Target: "y", Kind: Discarded},
				Outcome{ID: id.(ID), Target: "x", Kind: Discarded}))
		}
		return true
	})
	left := s.Stats()
	if left.Notifications != 101-reported {
		t.Errorf("%d notifications are left after %d damaged ones", left.Notifications, reported)
	}
	must(t, s.compact(t.Context()))
	must(t, s.Close())
	s = mustOpen(t, o)
	if got := s.Stats(); got.Damaged != 0 || got.Notifications != left.Notifications || got.Pending != left.Pending || readAll(t, s) != 0 {
		t.Errorf("stats were %+v and are %+v", left, got)
	}
}

// filesInUse lists the engine's files of data.
func filesInUse(t *testing.T, s *Store) []string {
	t.Helper()
	levels, err := s.db.SSTables()
	must(t, err)
	var files []string
	for _, level := range levels {
		for _, table := range level {
			files = append(files, fmt.Sprintf("/q/db/%s.sst", table.BackingSSTNum))
		}
	}
	return files
}

// readAll reads every item and returns how many are damaged.
func readAll(t *testing.T, s *Store) int {
	t.Helper()
	lost := map[ID]bool{}
	for i := range s.Items {
		if _, err := s.Get(i.ID); errors.Is(err, ErrDamaged) {
			lost[i.ID] = true
		} else if err != nil {
			t.Errorf("Get(%d): %v", i.ID, err)
		}
	}
	return len(lost)
}

// An unreadable end of the log is taken for a write that was cut short. The mark tells whether it was.
func TestLostEnd(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := mustOpen(t, Options{Dir: "/q", FS: fs})
	for n := range 10 {
		_, err := s.Put(t.Context(), sample(n, "x"))
		must(t, err)
	}
	killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: newRand(1)})
	for _, file := range listFiles(t, killed, "/q/log") {
		if b := mustRead(t, killed, file); fileKind(file) == ".log" {
			for at := len(b) - 1; at >= 0; at-- {
				if b[at] != 0 {
					b[at] ^= 1
					break
				}
			}
			mustWrite(t, killed, file, b)
		}
	}
	for range 2 {
		_, err := Open(t.Context(), Options{Dir: "/q", FS: killed})
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "the last 1 are gone") || !strings.Contains(err.Error(), "salvage") {
			t.Fatalf("error %v", err)
		}
	}
	s = mustOpen(t, Options{Dir: "/q", FS: killed, Salvage: true})
	if got := s.Stats(); got.Notifications != 9 {
		t.Errorf("stats are %+v", got)
	}
	res, err := s.Put(t.Context(), sample(100, "x"))
	must(t, err)
	if res.ID <= 10 {
		t.Errorf("ID %d was given to what is lost", res.ID)
	}
	must(t, s.Close())
	s = mustOpen(t, Options{Dir: "/q", FS: killed})
	if got := s.Stats(); got.Notifications != 10 {
		t.Errorf("stats are %+v", got)
	}
}

// The engine drops what comes after something unreadable in its manifest, and removes the files that were named there.
func TestDamagedManifestKeepsFiles(t *testing.T) {
	fs := vfs.NewCrashableMem()
	fillStore(t, fs, true)
	s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: fs}))
	for n := range 400 { // until the log holds nothing of the beginning any more, from which all could be had again
		r := sample(1000+n, "x")
		r.Body = make([]byte, 1000)
		_, err := s.Put(t.Context(), r)
		must(t, err)
		if n%10 == 0 {
			must(t, s.db.Flush())
		}
	}
	must(t, s.Close())
	files := listFiles(t, fs, "/q/db")
	for _, file := range files {
		if fileKind(file) != "MANIFEST" {
			continue
		}
		b := mustRead(t, fs, file)
		b[len(b)/2] ^= 1
		mustWrite(t, fs, file, b)
	}
	_, err := Open(t.Context(), Options{Dir: "/q", FS: fs})
	if err == nil || !strings.Contains(err.Error(), "was left as it is") {
		t.Fatalf("error %v", err)
	}
	after := map[string]bool{}
	for _, file := range listFiles(t, fs, "/q/db") {
		after[file] = true
	}
	for _, file := range files {
		if !after[file] {
			t.Errorf("%s was removed", file)
		}
	}
}

// logHangs has the disk take as long as it is told to for a write to the log.
func logHangs(fs vfs.FS, hang func()) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			hang()
		}
		return nil
	}))
}

// While the disk hangs, whoever waits for it is told in time, and what is being written is stored when it goes on.
func TestADiskThatHangs(t *testing.T) {
	var hanging atomic.Bool
	reached, goOn := make(chan struct{}, 10), make(chan struct{})
	fs := logHangs(vfs.NewMem(), func() {
		if hanging.Load() {
			reached <- struct{}{}
			<-goOn
		}
	})
	s := mustOpen(t, Options{Dir: "/q", FS: fs})
	hanging.Store(true)
	alone := make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), sample(1, "x"))
		alone <- err
	}()
	<-reached
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := s.Put(ctx, sample(10+n, "x")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Put gave %v", err)
			}
		})
	}
	wg.Wait()
	if n := len(slices.Collect(s.Items)); n != 0 {
		t.Errorf("%d items of what is not on disk", n)
	}
	hanging.Store(false)
	close(goOn)
	must(t, <-alone)
	for n := range 5 {
		if res, err := s.Put(t.Context(), sample(10+n, "x")); err != nil || res.Duplicate {
			t.Errorf("record %d: %+v, %v", n, res, err)
		}
	}
	must(t, s.Close())
	s = mustOpen(t, Options{Dir: "/q", FS: fs})
	if n := s.Stats().Notifications; n != 6 {
		t.Errorf("%d notifications are stored", n)
	}
}

// Close waits for a caller that writes by itself.
func TestCloseWaitsForTheDisk(t *testing.T) {
	var hanging atomic.Bool
	reached, goOn := make(chan struct{}, 10), make(chan struct{})
	fs := vfs.NewMem()
	s := mustOpen(t, Options{Dir: "/q", FS: logHangs(fs, func() {
		if hanging.Load() {
			reached <- struct{}{}
			<-goOn
		}
	})})
	hanging.Store(true)
	put, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), sample(1, "x"))
		put <- err
	}()
	<-reached
	go func() { closed <- s.Close() }()
	eventually(t, "nothing more is taken", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := s.Put(ctx, sample(2, "x"))
		return errors.Is(err, ErrClosed)
	})
	select {
	case err := <-closed:
		t.Errorf("Close returned with %v while something was written", err)
	default:
	}
	close(goOn)
	must(t, <-put)
	must(t, <-closed)
	s = mustOpen(t, Options{Dir: "/q", FS: fs})
	if _, err := s.Get(1); err != nil {
		t.Error(err)
	}
}

// Whoever writes by itself makes way for the writer, which has something else to do: to look for damage.
func TestDamageIsLookedForBetweenTwoCallers(t *testing.T) {
	s := mustOpen(t, Options{Dir: "/q", FS: vfs.NewMem()})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Put(context.Background(), sample(n, "x")); err != nil {
				t.Error(err)
			}
		}
	})
	s.noteDamage()
	eventually(t, "it was looked for", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.repairs > 0
	})
	close(stop)
	wg.Wait()
}

// After a write that took long nobody waits for the disk who could not go away, until it is quick again.
func TestADiskThatWasSlow(t *testing.T) {
	var takes atomic.Int64
	s := mustOpen(t, Options{Dir: "/q", FS: logHangs(vfs.NewMem(), func() { time.Sleep(time.Duration(takes.Load())) })})
	put := func(n int) error {
		ctx, cancel := context.WithTimeout(t.Context(), slowWrite)
		defer cancel()
		_, err := s.Put(ctx, sample(n, "x"))
		return err
	}
	takes.Store(int64(3 * slowWrite))
	must(t, put(1))                                               // alone: nobody could know
	if err := put(2); !errors.Is(err, context.DeadlineExceeded) { // and does not succeed after thrice as long
		t.Errorf("Put gave %v", err)
	}
	takes.Store(0)
	n := 2
	eventually(t, "the disk is quick again", func() bool {
		n++
		if put(n) != nil {
			return false
		}
		s.inbox.mu.Lock()
		defer s.inbox.mu.Unlock()
		return !s.inbox.slow
	})
}
