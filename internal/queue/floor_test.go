// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
)

// told collects what a store tells of forgotten keys.
type told struct {
	mu     sync.Mutex
	counts map[Endpoint]int
	lines  []string
}

func (c *told) options(o Options) Options {
	o.OnForgotten = func(e Endpoint, n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[e] += n
	}
	o.Logger = funcr.New(func(_, args string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if strings.Contains(args, "forgot deduplication keys") {
			c.lines = append(c.lines, args)
		}
	}, funcr.Options{})
	return o
}

func (c *told) is() (map[Endpoint]int, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts), slices.Clone(c.lines)
}

// flooded puts for one endpoint as often as it says, each beside one for another.
func flooded(t *testing.T, s *Store, times int, expires time.Time) (few []*Record) {
	t.Helper()
	for n := range times {
		r := sample(n)
		r.Targets, r.Endpoint, r.KeyExpires = nil, Endpoint{"flood", "media"}, expires
		_, err := s.Put(t.Context(), r)
		must(t, err)
		if n%(times/10) == 0 {
			r := sample(1_000_000 + n)
			r.Targets, r.Endpoint, r.KeyExpires = nil, Endpoint{"shop", "media"}, expires
			_, err := s.Put(t.Context(), r)
			must(t, err)
			few = append(few, r)
		}
	}
	return few
}

// Of keys that were forgotten nothing stays on disk, however long they would have lasted; those of others beside them do.
func TestStubsOfForgottenKeysGoAway(t *testing.T) {
	fs := vfs.NewMem()
	now := time.Now()
	var clock sync.Mutex
	tell := func() time.Time {
		clock.Lock()
		defer clock.Unlock()
		return now
	}
	c := &told{counts: map[Endpoint]int{}}
	const limit, times = 500, 6000
	o := c.options(Options{Dir: "/q", FS: fs, MaxKeys: limit, Now: tell})
	s := mustOpen(t, o)
	few := flooded(t, s, times, now.Add(24*time.Hour))
	entries := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return int(s.ledger.entries)
	}
	eventually(t, "the stubs are removed", func() bool { return entries() < 2*stubBlock })
	must(t, s.Close())
	s = mustOpen(t, o)
	for _, r := range few {
		if known, _ := s.Known(r.Key); !known {
			t.Error("a key of the endpoint that has few is not known any more")
		}
	}
	if got := s.Stats(); got.Keys != limit {
		t.Errorf("%d keys are known after a restart, want %d", got.Keys, limit)
	}
	if n := floors(t, s); n != 1 {
		t.Errorf("%d endpoints have a floor, want the one that floods", n)
	}
	clock.Lock()
	now = now.Add(25 * time.Hour)
	clock.Unlock()
	eventually(t, "nothing is left of the flood", func() bool { return entries() == 0 && floors(t, s) == 0 })
	eventually(t, "nor in memory", func() bool {
		s.keys.expire(tell().Unix(), s.keys.size()) // the sweeps take half a minute for it
		s.keys.mu.Lock()
		defer s.keys.mu.Unlock()
		return len(s.keys.shares.owners) == 0
	})
}

// floors counts those on disk.
func floors(t *testing.T, s *Store) (n int) {
	t.Helper()
	iter, err := s.db.NewIter(&pebble.IterOptions{LowerBound: topKey(topFloor, ""), UpperBound: topKey(topFloor+1, "")})
	must(t, err)
	for valid := iter.First(); valid; valid = iter.Next() {
		n++
	}
	must(t, errors.Join(iter.Error(), iter.Close()))
	return n
}

func TestItIsToldWhoseKeysWereForgotten(t *testing.T) {
	now := time.Now()
	var clock sync.Mutex
	c := &told{counts: map[Endpoint]int{}}
	const limit, times = 100, 1000
	s := mustOpen(t, c.options(Options{Dir: "/q", FS: vfs.NewMem(), MaxKeys: limit, Now: func() time.Time {
		clock.Lock()
		defer clock.Unlock()
		return now
	}}))
	few := flooded(t, s, times, now.Add(time.Hour))
	want := map[Endpoint]int{{"flood", "media"}: times + len(few) - limit}
	eventually(t, "who counts is told", func() bool {
		got, _ := c.is()
		return cmp.Equal(want, got)
	})
	_, lines := c.is()
	if len(lines) != 1 || !strings.Contains(lines[0], `"endpoint"="flood/media"`) {
		t.Errorf("the log says %q, want one line that names the endpoint", lines)
	}
	clock.Lock()
	now = now.Add(2 * forgottenEvery)
	clock.Unlock()
	for n := range 50 {
		for i := range 20 {
			r := sample(2_000_000 + n*100 + i)
			r.Targets, r.Endpoint, r.KeyExpires = nil, Endpoint{fmt.Sprint("team-", i), "media"}, now.Add(time.Hour)
			_, err := s.Put(t.Context(), r)
			must(t, err)
		}
	}
	eventually(t, "the log tells of the rest", func() bool { _, lines := c.is(); return len(lines) > 1 })
	if _, lines := c.is(); len(lines) > 1+2*forgottenNamed {
		t.Errorf("%d lines in the log", len(lines))
	}
}

// A limit that is lower than before is kept to after the start.
func TestKeysAreForgottenWhenTheLimitIsLowered(t *testing.T) {
	o := Options{Dir: "/q", FS: vfs.NewMem(), MaxKeys: 1000}
	s := mustOpen(t, o)
	few := flooded(t, s, 900, time.Now().Add(time.Hour))
	must(t, s.Close())
	o.MaxKeys = 100
	for range 2 {
		s = mustOpen(t, o)
		if got := s.Stats(); got.Keys != 100 {
			t.Errorf("stats are %+v", got)
		}
		for _, r := range few {
			if known, _ := s.Known(r.Key); !known {
				t.Error("a key of the endpoint that has few is not known any more")
			}
		}
		eventually(t, "what was forgotten is noted on disk", func() bool { return floors(t, s) == 1 })
		must(t, s.Close())
	}
}

// Whoever is told that a key is durably known may answer 200.
func TestAKeyIsDurablyKnownOnlyWhenItIsOnDisk(t *testing.T) {
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := mustOpen(t, Options{Dir: "/q", FS: vfs.NewMem(), Failpoint: func(name string) {
		if name == FailBeforeCommit {
			once.Do(func() { close(reached); <-goOn })
		}
	}})
	r := sample(1)
	r.KeyExpires = time.Now().Add(time.Hour)
	done := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), r)
		done <- err
	}()
	<-reached
	if known, durable := s.Known(r.Key); !known || durable {
		t.Errorf("while it is written: known %t, durable %t", known, durable)
	}
	close(goOn)
	must(t, <-done)
	if known, durable := s.Known(r.Key); !known || !durable {
		t.Errorf("when it is written: known %t, durable %t", known, durable)
	}
}

// What was forgotten of a notification that still waits leaves no stub when it is done with.
func TestAForgottenKeyLeavesNoStub(t *testing.T) {
	s := mustOpen(t, Options{Dir: "/q", FS: vfs.NewMem(), MaxKeys: 10})
	expires := time.Now().Add(time.Hour)
	var outcomes []Outcome
	for n := range 30 {
		r := sample(n, "x", "y")
		r.KeyExpires = expires
		put, err := s.Put(t.Context(), r)
		must(t, err)
		for _, target := range r.Targets {
			outcomes = append(outcomes, Outcome{ID: put.ID, Target: target, Kind: Delivered})
		}
	}
	must(t, s.Finish(t.Context(), outcomes...))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger.entries != 10 {
		t.Errorf("%d stubs are left of 30 notifications, want those of the 10 keys that are remembered", s.ledger.entries)
	}
}

func TestAFloorThatCannotBeReadIsNone(t *testing.T) {
	o := Options{Dir: "/q", FS: vfs.NewMem(), MaxKeys: 100}
	s := mustOpen(t, o)
	flooded(t, s, 300, time.Now().Add(time.Hour))
	must(t, s.db.Set(topKey(topFloor, string(appendOwner(nil, Endpoint{"flood", "media"}))), []byte("junk"), pebble.NoSync))
	must(t, s.db.Flush())
	must(t, s.Close())
	s = mustOpen(t, o)
	if got := s.Stats(); got.Keys != 100 || got.Damaged != 0 {
		t.Errorf("stats are %+v", got)
	}
}
