// SPDX-License-Identifier: Apache-2.0

package queue_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/queuetest"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// history is what callers were told, and what they tried.
type history struct {
	mu       sync.Mutex
	stored   map[queue.ID]int  // number of the record
	tried    map[queue.ID]bool // to finish it
	finished map[queue.ID]bool
}

func newHistory() *history {
	return &history{stored: map[queue.ID]int{}, tried: map[queue.ID]bool{}, finished: map[queue.ID]bool{}}
}

// snapshot copies what holds for sure at one moment.
func (h *history) snapshot() *history {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &history{stored: maps.Clone(h.stored), finished: maps.Clone(h.finished)}
}

func (h *history) note(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// work puts records and finishes every other one, until something fails.
func (h *history) work(t *testing.T, s *queue.Store, next func() int) error {
	t.Helper()
	for {
		n := next()
		if n < 0 {
			return nil
		}
		res, err := s.Put(t.Context(), queuetest.Record(n, "x"))
		if err != nil {
			return err
		}
		if res.Duplicate {
			return fmt.Errorf("record %d is a duplicate", n)
		}
		h.note(func() { h.stored[res.ID] = n })
		if n%2 == 0 {
			continue
		}
		h.note(func() { h.tried[res.ID] = true })
		if err := end(t.Context(), s, res.ID, n); err != nil {
			return err
		}
		h.note(func() { h.finished[res.ID] = true })
	}
}

// end has the n-th record delivered, or given up and discarded.
func end(ctx context.Context, s *queue.Store, id queue.ID, n int) error {
	if n%4 == 1 {
		return s.Finish(ctx, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
	}
	if err := s.Finish(ctx, queue.Outcome{ID: id, Target: "x", Kind: queue.Dead, Reason: "gone"}); err != nil {
		return err
	}
	discarded, err := s.Discard(ctx, queue.Selection{IDs: []queue.ID{id}}, func(queue.Item) {})
	if err == nil && discarded != 1 {
		err = fmt.Errorf("notification %d: %d discarded", id, discarded)
	}
	return err
}

// check holds a store found after a crash against what was known for sure before (h), and what was tried by then.
func (h *history) check(t *testing.T, s *queue.Store, tried map[queue.ID]bool) {
	t.Helper()
	there := map[queue.ID]bool{}
	for i := range s.Items {
		there[i.ID] = true
	}
	for id, n := range h.stored {
		switch {
		case h.finished[id] && there[id]:
			t.Errorf("notification %d was finished and is there again", id)
		case !there[id] && !tried[id]:
			t.Errorf("notification %d was stored and is gone", id)
		case there[id]:
			if r, err := s.Get(id); err != nil || !reflect.DeepEqual(r, queuetest.Record(n, "x")) {
				t.Errorf("notification %d: %v, %+v", id, err, r)
			}
		}
	}
	for _, n := range h.stored {
		if res, err := s.Put(t.Context(), queuetest.Record(n, "x")); err != nil || !res.Duplicate {
			t.Errorf("record %d was not known any more: %+v, %v", n, res, err)
		}
	}
}

func TestCrashUnderLoad(t *testing.T) {
	fs := vfs.NewCrashableMem()
	now := queuetest.Start
	s, err := queue.Open(t.Context(), queue.SmallFiles(queue.Options{Dir: "/q", FS: fs, Now: now}))
	if err != nil {
		t.Fatal(err)
	}
	h, src := newHistory(), newSource()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := h.work(t, s, src.next); err != nil {
				t.Error(err)
			}
		})
	}
	rng := newRand(1)
	for crash := range 12 {
		src.allow(150)
		src.waitUntil(crash*150 + rng.IntN(150))
		sure := h.snapshot()
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 0, 30, 100}[crash%4], RNG: rng})
		tried := func() map[queue.ID]bool { h.mu.Lock(); defer h.mu.Unlock(); return maps.Clone(h.tried) }()
		found, err := queue.Open(t.Context(), queue.SmallFiles(queue.Options{Dir: "/q", FS: after, Now: now}))
		if err != nil {
			t.Fatalf("crash %d: %v", crash, err)
		}
		sure.check(t, found, tried)
		if err := found.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			break
		}
	}
	src.stop()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// source gives out numbers of records, no more than allowed.
type source struct {
	mu             sync.Mutex
	changed        *sync.Cond
	count, allowed int
	stopped        bool
}

func newSource() *source {
	s := &source{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *source) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count >= s.allowed && !s.stopped {
		s.changed.Wait()
	}
	if s.stopped {
		return -1
	}
	s.count++
	s.changed.Broadcast()
	return s.count
}

func (s *source) allow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed += n
	s.changed.Broadcast()
}

func (s *source) waitUntil(count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count < count {
		s.changed.Wait()
	}
}

func (s *source) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}
