// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func testLimits(t *testing.T, f *fixture) {
	f.start(t, func(o *queue.Options) { o.MaxNotifications = 4 })
	var ids []queue.ID
	for n := range 4 {
		ids = append(ids, f.put(t, Record(n, "x")))
	}
	_, err := f.Put(t.Context(), Record(4, "x"))
	wantError(t, err, queue.ErrFull)
	f.duplicate(t, Record(3, "x"), true)
	f.finish(t, queue.Outcome{ID: ids[0], Target: "x", Kind: queue.Delivered})
	f.put(t, Record(4, "x"))

	size := f.Stats().Bytes / 4
	must(t, f.Close())
	f.start(t, func(o *queue.Options) { o.MaxNotifications, o.MaxBytes = 0, 5*size+size/2 })
	f.put(t, Record(5, "x"))
	_, err = f.Put(t.Context(), Record(6, "x"))
	wantError(t, err, queue.ErrFull)
	f.finish(t, queue.Outcome{ID: ids[1], Target: "x", Kind: queue.Delivered})
	f.put(t, Record(6, "x"))
}

// What a notification takes of memory grows with its targets.
func testManyTargets(t *testing.T, f *fixture) {
	const limit = 8 + 9 + 1 + 2
	f.start(t, func(o *queue.Options) { o.MaxNotifications = limit })
	n := 0
	record := func(targets int) *queue.Record { // each of an endpoint of its own
		n++
		var names []string
		for i := range targets {
			names = append(names, fmt.Sprint("t", i))
		}
		r := Record(n, names...)
		r.Endpoint.Name = fmt.Sprint("e", n)
		return r
	}
	for _, targets := range []int{16, 17, 2} {
		f.put(t, record(targets))
	}
	last := record(3)
	id := f.put(t, last)
	if s := f.Stats(); s.Notifications != 4 || s.Counted != limit {
		t.Errorf("%d notifications, counted as %d, want 4 and %d", s.Notifications, s.Counted, limit)
	}
	_, err := f.Put(t.Context(), record(1))
	wantError(t, err, queue.ErrFull)
	for _, target := range last.Targets {
		f.finish(t, queue.Outcome{ID: id, Target: target, Kind: queue.Delivered})
	}
	f.put(t, record(4))
	_, err = f.Put(t.Context(), record(1))
	wantError(t, err, queue.ErrFull)
}

// filler puts notifications of one size for endpoints of any name.
type filler struct {
	*fixture

	n    int
	size int
}

func (f *filler) put(t *testing.T, name string) (queue.ID, error) {
	t.Helper()
	f.n++
	r := Record(f.n, "x", "y")
	r.Endpoint.Name = name
	if f.size > 0 {
		r.Body = make([]byte, f.size)
	}
	res, err := f.Put(t.Context(), r)
	if err != nil {
		wantError(t, err, queue.ErrFull)
	}
	return res.ID, err
}

// fill puts for an endpoint until that is refused.
func (f *filler) fill(t *testing.T, name string) (ids []queue.ID, err error) {
	t.Helper()
	for {
		id, err := f.put(t, name)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
}

func (f *filler) wantFilled(t *testing.T, name string, want int) []queue.ID {
	t.Helper()
	ids, err := f.fill(t, name)
	wantError(t, err, queue.ErrEndpointFull)
	if len(ids) != want {
		t.Errorf("%d got in for %s before it was refused, want %d", len(ids), name, want)
	}
	return ids
}

func testShares(t *testing.T, f *fixture) {
	f.start(t, func(o *queue.Options) { o.MaxNotifications = 900 })
	many := &filler{fixture: f}
	first := many.wantFilled(t, "first", 720) // four times the 180 that are left
	many.wantFilled(t, "second", 144)         // 36
	third := many.wantFilled(t, "third", 28)  // 8
	f.restart(t)
	for _, name := range []string{"first", "second", "third"} {
		many.wantFilled(t, name, 0)
	}
	_, err := many.put(t, "fourth")
	must(t, err)

	// One target of two is not the end of a notification.
	f.finish(t, queue.Outcome{ID: third[0], Target: "x", Kind: queue.Delivered})
	many.wantFilled(t, "third", 0)
	f.finish(t, queue.Outcome{ID: third[0], Target: "y", Kind: queue.Delivered})
	_, err = many.put(t, "third")
	must(t, err)

	// What an endpoint has released is there for all again, for itself too.
	var outcomes []queue.Outcome
	for _, id := range first {
		outcomes = append(outcomes, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered}, queue.Outcome{ID: id, Target: "y", Kind: queue.Discarded})
	}
	f.finish(t, outcomes...)
	many.wantFilled(t, "second", 552) // 696 in all, beside 29 of others
	many.wantFilled(t, "first", 140)  // 35
}

func testSharesOfBytes(t *testing.T, f *fixture) {
	f.start(t, func(o *queue.Options) { o.MaxBytes = 40 << 20 })
	large := &filler{fixture: f, size: 1 << 20}
	large.wantFilled(t, "first", 31)
	f.restart(t)
	large.wantFilled(t, "first", 0)
	small := &filler{fixture: f, n: 1000}
	for range 1000 {
		_, err := small.put(t, "second")
		must(t, err)
	}
}

// The dead letters of an endpoint do not keep out what comes for it.
func testSharesOfDead(t *testing.T, f *fixture) {
	f.start(t, func(o *queue.Options) { o.MaxNotifications = 100 })
	many := &filler{fixture: f}
	ids := many.wantFilled(t, "first", 80)
	for _, id := range ids[:30] {
		f.dead(t, id, "x", "y")
	}
	f.dead(t, ids[30], "x")        // still pending for the other
	many.wantFilled(t, "first", 6) // 56 are four times the 14 that are left beside 30 dead ones
	f.restart(t)
	many.wantFilled(t, "first", 0)
	f.redrive(t, queue.Selection{Endpoint: queue.Endpoint{Namespace: Endpoint().Namespace, Name: "first"}}, 61)
	many.wantFilled(t, "first", 0)

	// A few get in whatever others hold, as long as there is room at all.
	if ids, err := many.fill(t, "second"); len(ids) != 14 || errors.Is(err, queue.ErrEndpointFull) {
		t.Errorf("%d got in for another before it was refused with %q, want all 14 that were left", len(ids), err)
	}
}

func testDeadLimits(t *testing.T, f *fixture) {
	f.start(t, func(o *queue.Options) { o.MaxNotifications = 8 })
	var ids []queue.ID
	for n := range 6 {
		id := f.put(t, Record(n, "x"))
		ids = append(ids, id)
		f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Dead, Reason: "gone"})
	}
	f.want(t, fmt.Sprintf("%d x dead: gone", ids[2]), fmt.Sprintf("%d x dead: gone", ids[3]), fmt.Sprintf("%d x dead: gone", ids[4]), fmt.Sprintf("%d x dead: gone", ids[5]))
	if got := f.Stats(); got.Dead != 4 || got.EvictedDead != 2 {
		t.Errorf("stats are %+v", got)
	}
	f.duplicate(t, Record(0, "x"), true)
	for n := range 4 {
		f.put(t, Record(10+n, "x"))
	}
	_, err := f.Put(t.Context(), Record(20, "x"))
	wantError(t, err, queue.ErrFull)
}

func testMaxKeys(t *testing.T, f *fixture) {
	const limit, more = 1000, 100
	f.start(t, func(o *queue.Options) { o.MaxKeys = limit })
	for n := range limit + more {
		f.put(t, Record(n))
	}
	if got := f.Stats(); got.Keys != limit || got.ForgottenKeys != more {
		t.Errorf("stats are %+v", got)
	}
	for n := range limit + more {
		if known, _ := f.Known(Record(n).Key); known != (n >= more) {
			t.Errorf("key %d is known: %t; the first %d should have been forgotten", n, known, more)
		}
	}
}

// What an endpoint remembers is not for others to take: neither with keys that last longer, nor with many endpoints.
func testSharesOfKeys(t *testing.T, f *fixture) {
	const limit, few = 600, 20
	f.start(t, func(o *queue.Options) { o.MaxKeys = limit })
	record := func(n int, namespace, name string, lifetime time.Duration) *queue.Record {
		r := Record(n, "x")
		r.Endpoint, r.KeyExpires = queue.Endpoint{Namespace: namespace, Name: name}, f.clock.Now().Add(lifetime)
		return r
	}
	n := 0
	flood := func(count int) {
		for range count {
			n++
			id := f.put(t, record(n, "flood", fmt.Sprintf("endpoint-%d", n%50), 24*time.Hour))
			f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
		}
	}
	flood(limit)
	var victims []*queue.Record
	for i := range few {
		victims = append(victims, record(100_000+i, "shop", "media", 2*time.Hour))
		f.put(t, victims[i])
		flood(limit / 10)
		for _, r := range victims {
			f.duplicate(t, r, true)
		}
	}
	f.restart(t)
	flood(limit)
	for _, r := range victims {
		f.duplicate(t, r, true)
	}
	if got := f.Stats(); got.Keys != limit {
		t.Errorf("%d keys are remembered, want as many as the limit", got.Keys)
	}
}

func testMaxKeysRestart(t *testing.T, f *fixture) {
	const limit, of = 300, 1500
	f.start(t, func(o *queue.Options) { o.MaxKeys = limit })
	known := func() (all []int) {
		for n := range of {
			if is, _ := f.Known(Record(n).Key); is {
				all = append(all, n)
			}
		}
		return all
	}
	for n := range of {
		r := Record(n, "x")
		r.Endpoint.Namespace, r.Endpoint.Name = fmt.Sprint("team-", n%7%3), fmt.Sprint(n%5)
		r.KeyExpires = f.clock.Now().Add(time.Duration(1+n%11) * time.Minute)
		id := f.put(t, r)
		if n%3 > 0 {
			f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
		}
		if n%100 == 0 {
			f.clock.advance(time.Minute)
		}
		if n%250 != 0 {
			continue
		}
		before := known()
		f.restart(t)
		if diff := cmp.Diff(before, known()); diff != "" {
			t.Fatalf("keys known before a restart and after it (-before +after):\n%s", diff)
		}
	}
}

func testKnown(t *testing.T, f *fixture) {
	f.start(t)
	r := Record(1, "x")
	if known, durable := f.Known(r.Key); known || durable {
		t.Errorf("a key is known (durable: %t) that nobody has put", durable)
	}
	id := f.put(t, r)
	for _, until := range []func(){
		func() {},
		func() { f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered}) },
		func() { f.restart(t) },
		func() { f.clock.advance(2*time.Hour - time.Second) },
	} {
		until()
		if known, durable := f.Known(r.Key); !known || !durable {
			t.Errorf("known: %t, durable: %t", known, durable)
		}
	}
	f.clock.advance(time.Second)
	if known, _ := f.Known(r.Key); known {
		t.Error("a key is known that has expired")
	}
	f.put(t, r)
	must(t, f.Close())
	if known, _ := f.Known(r.Key); known {
		t.Error("a queue that is closed says what it knows")
	}
}

func testTooLarge(t *testing.T, f *fixture) {
	f.start(t, func(o *queue.Options) { o.MaxBytes = 10_000 })
	r := Record(1, "x")
	r.Body = make([]byte, 10_000)
	_, err := f.Put(t.Context(), r)
	wantError(t, err, queue.ErrTooLarge)
	r.Body = r.Body[:9_000]
	f.put(t, r)

	half := make([]byte, queue.MaxStateBytes/2)
	err = f.SetStates(map[string][]byte{"large": make([]byte, queue.MaxStateBytes)})
	wantError(t, err, queue.ErrTooLarge)
	if strings.Contains(err.Error(), "notification") {
		t.Errorf("%q speaks of a notification", err)
	}
	wantError(t, f.SetStates(map[string][]byte{"one": half, "other": half}), queue.ErrTooLarge)
	f.wantStates(t, "")
	must(t, f.SetStates(map[string][]byte{"one": half}))
	must(t, f.SetStates(map[string][]byte{"other": half}))
}

func testRestart(t *testing.T, f *fixture) {
	f.start(t)
	var want []string
	for n := range 500 {
		id := f.put(t, Record(n, "x", "y"))
		switch n % 4 {
		case 0:
			want = append(want, fmt.Sprintf("%d x", id), fmt.Sprintf("%d y", id))
		case 1:
			f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
			want = append(want, fmt.Sprintf("%d y", id))
		case 2:
			f.finish(t, queue.Outcome{ID: id, Target: "y", Kind: queue.Dead, Reason: "410"})
			want = append(want, fmt.Sprintf("%d x", id), fmt.Sprintf("%d y dead: 410", id))
		case 3:
			f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered}, queue.Outcome{ID: id, Target: "y", Kind: queue.Delivered})
		}
	}
	before := f.Stats()
	for range 2 {
		f.restart(t)
		f.want(t, want...)
		after := f.Stats()
		after.DiskBytes = before.DiskBytes
		if before != after {
			t.Errorf("stats were %+v and are %+v", before, after)
		}
	}
	for n := range 500 {
		f.duplicate(t, Record(n, "x"), true)
	}
}

func testIDs(t *testing.T, f *fixture) {
	f.start(t)
	last := queue.ID(0)
	for n := range 20 {
		id := f.put(t, Record(n, "x"))
		if id <= last {
			t.Fatalf("ID %d after %d", id, last)
		}
		last = id
		f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
		f.restart(t)
	}
}

func testConcurrent(t *testing.T, f *fixture) {
	f.start(t)
	const writers, each = 16, 50
	var mu sync.Mutex
	ids := map[queue.ID]int{}
	var wg sync.WaitGroup
	putAndFinish := func(n int) error {
		res, err := f.Put(t.Context(), Record(n, "x"))
		if err == nil && n%2 == 0 {
			err = f.Finish(t.Context(), queue.Outcome{ID: res.ID, Target: "x", Kind: queue.Delivered})
		}
		mu.Lock()
		defer mu.Unlock()
		ids[res.ID]++
		return err
	}
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if err := putAndFinish(w*each + n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := f.Stats(); len(ids) != writers*each || got.Pending != writers*each/2 {
		t.Errorf("%d IDs, and stats are %+v", len(ids), got)
	}
	announced := f.announced.take()
	if !slices.IsSortedFunc(announced, func(a, b queue.Item) int { return int(a.ID) - int(b.ID) }) { //nolint:gosec // small
		t.Error("announced out of order")
	}
	if len(announced) != writers*each {
		t.Errorf("announced %d items", len(announced))
	}
	checkReadable(t, f)
}

// checkReadable reads all that is unfinished.
func checkReadable(t *testing.T, f *fixture) {
	for _, item := range slices.Collect(f.Items) {
		if _, err := f.Get(item.ID); err != nil {
			t.Error(err)
		}
	}
}
