// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/go-logr/logr/funcr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

// hangingLog is a store whose log hangs, with one caller in the middle of a write.
func hangingLog(t *testing.T, fs vfs.FS, before func(*Store)) (s *Store, first <-chan error, goOn func()) {
	t.Helper()
	var hanging atomic.Bool
	reached, release := make(chan struct{}, 1), make(chan struct{})
	s = mustOpen(t, Options{Dir: "/q", FS: logHangs(fs, func() {
		if hanging.Load() {
			select {
			case reached <- struct{}{}:
			default:
			}
			<-release
		}
	})})
	before(s)
	hanging.Store(true)
	put := make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), sample(1, "x"))
		put <- err
	}()
	<-reached
	goOn = sync.OnceFunc(func() {
		hanging.Store(false)
		close(release)
	})
	t.Cleanup(goOn)
	return s, put, goOn
}

func waitingOps(s *Store) int {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	return len(s.inbox.ops)
}

// What waits for a disk that hangs goes away with its caller: whoever bounds the callers bounds the memory.
func TestWhatIsGivenUpDoesNotWait(t *testing.T) {
	s, first, goOn := hangingLog(t, vfs.NewMem(), func(*Store) {})
	ops := map[string]func(context.Context, int) error{
		"Put": func(ctx context.Context, n int) error {
			_, err := s.Put(ctx, sample(100+n, "x"))
			return err
		},
		"Finish": func(ctx context.Context, n int) error {
			return s.Finish(ctx, Outcome{ID: ID(n), Target: "x", Kind: Delivered})
		},
	}
	var wg sync.WaitGroup
	for name, op := range ops {
		for n := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if err := op(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s gave %v", name, err)
				}
			})
		}
	}
	wg.Wait()
	if n := waitingOps(s); n != 0 {
		t.Errorf("%d operations wait whose callers have gone", n)
	}
	goOn()
	must(t, <-first)
	if got := s.Stats().Notifications; got != 1 {
		t.Errorf("%d notifications are stored, of which one has a caller", got)
	}
	if res, err := s.Put(t.Context(), sample(100, "x")); err != nil || res.Duplicate {
		t.Errorf("what was given up is offered again: %+v, %v", res, err)
	}
}

// A redrive that still waits is given up with its caller.
func TestARedriveIsGivenUpWhileItWaits(t *testing.T) {
	s, first, goOn := hangingLog(t, vfs.NewMem(), func(s *Store) {
		res, err := s.Put(t.Context(), sample(2, "x"))
		must(t, err)
		must(t, s.Finish(t.Context(), Outcome{ID: res.ID, Target: "x", Kind: Dead}))
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Redrive(ctx, Selection{})
		ended <- err
	}()
	eventually(t, "the redrive waits", func() bool { return waitingOps(s) == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Redrive gave %v", err)
	}
	goOn()
	must(t, <-first)
	_, err := s.Put(t.Context(), sample(3, "x"))
	must(t, err)
	if got := s.Stats(); got.Dead != 1 {
		t.Errorf("what was given up was done all the same: %+v", got)
	}
}

// A duplicate of what did not come to the disk is not one. The steps are those of Store.do in an order that is possible: the second caller has
// asked for a failure before there was one.
func TestADuplicateAfterAFailure(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var armed atomic.Bool
	reached, fails := make(chan struct{}, 1), make(chan struct{})
	failing := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			reached <- struct{}{}
			<-fails
			return syscall.EIO
		}
		return nil
	}))
	s := mustOpen(t, Options{Dir: "/q", FS: failing})
	armed.Store(true)
	first := make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), sample(1, "x"))
		first <- err
	}()
	<-reached
	second := &op{apply: applyPut, record: appendRecord(nil, sample(1, "x")), done: make(chan struct{}, 1)}
	must(t, s.failure())
	close(fails)
	if err := <-first; !errors.Is(err, ErrFailed) {
		t.Errorf("the first Put gave %v", err)
	}
	if alone, err := s.inbox.put(second); err != nil || !alone {
		t.Fatalf("alone %t, error %v", alone, err)
	}
	if s.writeAlone(second) {
		t.Errorf("what failed is a duplicate: %+v", second.result)
	}
	select {
	case <-second.done:
		t.Error("it was answered")
	default:
	}
}

// unwritable is a file system whose files of the engine's data cannot be written.
func unwritable(fs vfs.FS, broken *atomic.Bool) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && path.Ext(op.Path) == tableSuffix && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.EIO
		}
		return nil
	}))
}

// fillEngine puts what the engine has to write a file for.
func fillEngine(t *testing.T, s *Store, fail func(error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			r := sample(1000+n, "x")
			r.Body = make([]byte, 1000)
			if _, err := s.Put(ctx, r); err != nil && ctx.Err() == nil {
				fail(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// An engine that cannot write its files is a store that has failed, after a while: it says so once, and is closed.
func TestAnEngineThatCannotWrite(t *testing.T) {
	var broken atomic.Bool
	var lines atomic.Int64
	var late atomic.Int64 // added to the time
	fatal := make(chan error, 1)
	s, err := Open(t.Context(), SmallFiles(Options{
		Dir: "/q", FS: unwritable(vfs.NewMem(), &broken), OnFatal: func(err error) { fatal <- err },
		Logger: funcr.New(func(string, string) { lines.Add(1) }, funcr.Options{}),
		Now:    func() time.Time { return time.Now().Add(time.Duration(late.Load())) },
	}))
	must(t, err)
	broken.Store(true)
	failed := make(chan error, 1)
	defer fillEngine(t, s, func(err error) { failed <- err })()
	eventually(t, "the engine has tried", func() bool { return s.health.pause(false) > minEnginePause<<engineFailures })
	select {
	case err := <-fatal:
		t.Fatalf("the store failed at once, with %v", err)
	default:
	}
	late.Store(int64(engineFailsFor))
	if err := <-fatal; !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "the engine cannot write its files") {
		t.Errorf("OnFatal was told %v", err)
	}
	if err := <-failed; !errors.Is(err, ErrFailed) {
		t.Errorf("Put gave %v", err)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close gave %v", err)
	}
	if n := lines.Load(); n > 10 {
		t.Errorf("the log has %d lines", n)
	}
}

// What is over before that fails nothing.
func TestAnEngineThatCanWriteAgain(t *testing.T) {
	var broken atomic.Bool
	s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: unwritable(vfs.NewMem(), &broken), OnFatal: func(err error) { t.Error(err) }}))
	stop := fillEngine(t, s, func(err error) { t.Error(err) })
	broken.Store(true)
	eventually(t, "the engine has tried", func() bool { return s.health.pause(false) > minEnginePause<<engineFailures })
	broken.Store(false)
	eventually(t, "the engine goes on", func() bool { return s.health.pause(false) == 0 })
	stop()
	must(t, s.Close())
}

// A store that cannot write what it finds in its log says so, instead of trying for ever.
func TestAnEngineThatCannotWriteAtTheStart(t *testing.T) {
	var broken atomic.Bool
	disk := logOnly(t, 200)
	broken.Store(true)
	var asked atomic.Int64 // each look at the clock is a second later
	_, err := Open(t.Context(), SmallFiles(Options{
		Dir: "/q", FS: unwritable(disk, &broken), Now: func() time.Time { return time.Unix(1_700_000_000+asked.Add(1), 0) },
	}))
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("Open gave %v", err)
	}
	broken.Store(false)
	s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: disk.CrashClone(vfs.CrashCloneCfg{})}))
	if got := s.Stats(); got.Notifications != 200 {
		t.Errorf("stats are %+v", got)
	}
}

func TestEngineHealth(t *testing.T) {
	now := time.Unix(0, 0)
	h := &engineHealth{now: func() time.Time { return now }}
	for n, step := range []struct {
		after time.Duration
		err   error
		fails bool
	}{
		{0, syscall.EIO, false},
		{time.Hour, syscall.EIO, false}, // a clock that was set is no failure
		{0, nil, false},
		{0, syscall.EIO, false},
		{time.Second, syscall.EIO, false},
		{time.Second, syscall.EIO, false},
		{engineFailsFor - 2*time.Second - 1, syscall.EIO, false},
		{1, syscall.EIO, true},
	} {
		now = now.Add(step.after)
		if err := h.flushed(step.err); (err != nil) != step.fails {
			t.Errorf("step %d: %v", n, err)
		}
	}
	for range 100 {
		_ = h.flushed(syscall.EIO)
	}
	if got := h.pause(false); got != maxEnginePause {
		t.Errorf("it pauses for %s", got)
	}
}

// setClock is a time whose clock was set ahead since: it shows another one, and has measured the same.
func setClock(t time.Time, ahead time.Duration) time.Time {
	const secondsShift = 30
	wall := (*uint64)(unsafe.Pointer(&t)) // the first word, of which the upper half has the seconds where there is a monotonic reading
	*wall += uint64(ahead/time.Second) << secondsShift
	return t
}

// A clock that is set ahead, and right again a moment later, has nothing forgotten that could still be sent again.
func TestAClockThatIsSetForgetsNoKeys(t *testing.T) {
	begun := time.Now()
	var ahead atomic.Int64
	s := mustOpen(t, Options{Dir: "/q", FS: vfs.NewMem(), Now: func() time.Time { return setClock(time.Now(), time.Duration(ahead.Load())) }})
	r := sample(1, "x")
	r.KeyExpires = begun.Add(2 * time.Hour)
	res, err := s.Put(t.Context(), r)
	must(t, err)
	must(t, s.Finish(t.Context(), Outcome{ID: res.ID, Target: "x", Kind: Delivered}))
	ahead.Store(int64(30 * time.Hour))
	if shown := s.o.Now().Sub(begun.Round(0)); shown < 29*time.Hour {
		t.Fatalf("the clock is %s ahead", shown)
	}
	s.expireKeys()
	must(t, s.sweepStubs(t.Context()))
	ahead.Store(0)
	if res, err := s.Put(t.Context(), r); err != nil || !res.Duplicate {
		t.Errorf("a notification that is sent again: %+v, %v", res, err)
	}
}

// An engine that cannot tidy its files up, while it can still write what is new, tries again and again, and at longer and longer intervals.
func TestCompactionsThatFailArePaced(t *testing.T) {
	var begun sync.Map // how much was written to a file
	var broken atomic.Bool
	var failed atomic.Int64
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileWrite || !strings.HasSuffix(op.Path, tableSuffix) {
			return nil
		}
		writes, _ := begun.LoadOrStore(op.Path, new(atomic.Int64))
		if broken.Load() && writes.(*atomic.Int64).Add(1) > 1 { // what a flush writes here is a single block
			failed.Add(1)
			return syscall.EIO
		}
		return nil
	}))
	s := mustOpen(t, SmallFiles(Options{Dir: "/q", FS: fs}))
	for n := range 40 {
		_, err := s.Put(t.Context(), sample(n, "x"))
		must(t, err)
		if n%4 == 0 {
			must(t, s.db.Flush())
		}
	}
	broken.Store(true)
	compacting, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for compacting.Err() == nil {
		_ = s.db.Compact(compacting, []byte{0}, topStart(), false)
	}
	if n := failed.Load(); n == 0 || n > 100 {
		t.Errorf("it tried %d times in a second", n)
	}
}

// A process may end between making a file or directory and having its name on disk, at each of the times that it makes one. What a later one
// accepts is there after a power failure all the same.
func TestNamesAreOnDisk(t *testing.T) {
	const notifications = 10 // more than one file of the log has room for, and no more than two
	for ends := int64(1); ; ends++ {
		disk := vfs.NewCrashableMem()
		var opens atomic.Int64
		var over atomic.Bool
		dies := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !over.Load() && op.Kind == errorfs.OpOpenDir && !strings.HasPrefix(op.Path, "/q/db") && opens.Add(1) == ends {
				return syscall.EIO // it ends here
			}
			return nil
		}))
		s, err := Open(t.Context(), SmallFiles(Options{Dir: "/v/q", FS: dies}))
		if err == nil {
			must(t, s.Close())
			if ends < 4 {
				t.Fatalf("only %d names were brought to the disk", ends-1)
			}
			return
		}
		over.Store(true)
		s = mustOpen(t, SmallFiles(Options{Dir: "/v/q", FS: dies}))
		for n := range notifications {
			r := sample(n, "x")
			r.Body = make([]byte, 8<<10)
			_, err := s.Put(t.Context(), r)
			must(t, err)
		}
		after, err := Open(t.Context(), SmallFiles(Options{Dir: "/v/q", FS: disk.CrashClone(vfs.CrashCloneCfg{})}))
		if err != nil {
			t.Errorf("ended at name %d: %v", ends, err)
			continue
		}
		if got := after.Stats().Notifications; got != notifications {
			t.Errorf("ended at name %d: of %d accepted %d are there", ends, notifications, got)
		}
		must(t, after.Close())
	}
}

// Without the mark the loss of the end of the log is taken for a write that was cut short.
func TestTheMarkIsOnDisk(t *testing.T) {
	disk := vfs.NewCrashableMem()
	mustOpen(t, Options{Dir: "/q", FS: disk})
	exists, err := files.Exists(disk.CrashClone(vfs.CrashCloneCfg{}), "/q/"+markFile)
	if must(t, err); !exists {
		t.Error("a power failure takes it away")
	}
}

// What happens again and again is said once, and then once a minute with how often.
func TestPacedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		p := newPacedLog(funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}), time.Now)
		for range 1000 {
			p.Error(syscall.EIO, "it fails")
		}
		p.Error(syscall.EIO, "something else")
		time.Sleep(sayAgainAfter)
		p.Error(syscall.EIO, "it fails")
		for i, want := range []string{`"it fails"`, `"something else"`, `"times"=1000`} {
			if len(lines) != 3 || !strings.Contains(lines[i], want) {
				t.Errorf("the log has %q", lines)
			}
		}
	})
}
