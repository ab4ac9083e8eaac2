// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func testPut(t *testing.T, f *fixture) {
	f.start(t)
	a := f.put(t, Record(1, "x"))
	b := f.put(t, Record(2, "x", "y"))
	if a >= b {
		t.Errorf("IDs %d and %d do not ascend", a, b)
	}
	f.want(t, fmt.Sprintf("%d x", a), fmt.Sprintf("%d x", b), fmt.Sprintf("%d y", b))
	got := f.Stats()
	if got.Pending != 3 || got.Notifications != 2 || got.Keys != 2 || got.Bytes < 120 || !got.OldestPending.Equal(Record(1).ReceivedAt) {
		t.Errorf("stats are %+v", got)
	}
}

func testRoundTrip(t *testing.T, f *fixture) {
	f.start(t)
	large := Record(2, "x")
	large.Body = make([]byte, 3<<20)
	large.Body[len(large.Body)-1] = 7
	want := map[queue.ID]*queue.Record{}
	for _, r := range []*queue.Record{Record(1, "x", "y"), {Targets: []string{"x"}}, large} {
		want[f.put(t, r)] = r
	}
	for range 2 {
		for id, r := range want {
			got, err := f.Get(id)
			must(t, err)
			if !reflect.DeepEqual(r, got) {
				got.Body, r.Body = nil, nil // which may be long
				t.Errorf("record %d came back changed:\n%+v\n%+v", id, r, got)
			}
		}
		f.restart(t)
	}
	_, err := f.Get(4711)
	wantError(t, err, queue.ErrNotFound)
}

func testItems(t *testing.T, f *fixture) {
	f.start(t)
	r := Record(1, "x")
	id := f.put(t, r)
	f.put(t, Record(2, "x"))
	items := slices.Collect(f.Items)
	want := queue.Item{ID: id, Endpoint: r.Endpoint, Target: "x", EventType: r.EventType, OrderKey: r.OrderKey, ReceivedAt: r.ReceivedAt, Size: items[0].Size}
	if diff := cmp.Diff(want, items[0]); diff != "" || want.Size < len(r.Body) {
		t.Errorf("item (-want +got):\n%s", diff)
	}
	for i := range f.Items {
		if i.ID != id {
			t.Error("Items went on after it was told to stop")
		}
		break
	}
	for i := range f.Items { // it may use the queue
		f.finish(t, queue.Outcome{ID: i.ID, Target: i.Target, Kind: queue.Delivered})
	}
	f.want(t)
}

func testAnnounced(t *testing.T, f *fixture) {
	f.start(t)
	var want []string
	for n := range 20 {
		id := f.put(t, Record(n, "x", "y"))
		want = append(want, fmt.Sprintf("%d x", id), fmt.Sprintf("%d y", id))
	}
	f.duplicate(t, Record(3, "x"), true)
	if diff := cmp.Diff(want, describe(f.announced.take())); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	f.restart(t)
	if again := f.announced.take(); len(again) > 0 {
		t.Errorf("announced after a restart, though Items tells: %v", again)
	}
}

func testDuplicates(t *testing.T, f *fixture) {
	f.start(t)
	r := Record(1, "x")
	id := f.put(t, r)
	f.duplicate(t, r, true)
	other := Record(2, "y")
	other.Key = r.Key
	f.duplicate(t, other, true)
	f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
	f.duplicate(t, r, true)
	f.clock.advance(2*time.Hour - time.Second)
	f.duplicate(t, r, true)
	f.restart(t)
	f.duplicate(t, r, true)
	f.clock.advance(time.Second)
	f.duplicate(t, r, false)
	never := Record(3, "x")
	never.KeyExpires = time.Time{}
	f.duplicate(t, never, false)
	f.duplicate(t, never, false)
}

func testConcurrentDuplicates(t *testing.T, f *fixture) {
	f.start(t)
	for n := range 50 {
		var fresh atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				res, err := f.Put(t.Context(), Record(n, "x"))
				if err != nil {
					t.Error(err)
				}
				if !res.Duplicate {
					fresh.Add(1)
				}
			})
		}
		wg.Wait()
		if fresh.Load() != 1 {
			t.Fatalf("of 8 equal records %d were new", fresh.Load())
		}
	}
}

func testNoTargets(t *testing.T, f *fixture) {
	f.start(t)
	id := f.put(t, Record(1))
	f.want(t)
	_, err := f.Get(id)
	wantError(t, err, queue.ErrNotFound)
	f.restart(t)
	f.duplicate(t, Record(1), true)
	if got := f.Stats(); got.Notifications != 0 || got.Bytes != 0 || got.Keys != 1 {
		t.Errorf("stats are %+v", got)
	}
}

func testFinish(t *testing.T, f *fixture) {
	f.start(t)
	id := f.put(t, Record(1, "x", "y", "z"))
	second := f.put(t, Record(2, "x"))
	f.finish(t, queue.Outcome{ID: id, Target: "y", Kind: queue.Delivered}, queue.Outcome{ID: id, Target: "x", Kind: queue.Dead, Reason: "404"})
	for range 2 {
		f.want(t, fmt.Sprintf("%d x dead: 404", id), fmt.Sprintf("%d z", id), fmt.Sprintf("%d x", second))
		if got := f.Stats(); got.Pending != 2 || got.Dead != 1 || got.Notifications != 2 {
			t.Errorf("stats are %+v", got)
		}
		f.restart(t)
	}
	_, err := f.Get(id)
	must(t, err)
	f.finish(t, queue.Outcome{ID: id, Target: "z", Kind: queue.Discarded})
	f.want(t, fmt.Sprintf("%d x dead: 404", id), fmt.Sprintf("%d x", second))
	f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Discarded})
	f.want(t, fmt.Sprintf("%d x", second))
	_, err = f.Get(id)
	wantError(t, err, queue.ErrNotFound)
	f.finish(t, queue.Outcome{ID: second, Target: "x", Kind: queue.Delivered})
	if got := f.Stats(); got.Pending != 0 || got.Dead != 0 || got.Notifications != 0 || got.Bytes != 0 || !got.OldestPending.IsZero() {
		t.Errorf("stats are %+v", got)
	}
}

func testFinishTwice(t *testing.T, f *fixture) {
	f.start(t)
	id := f.put(t, Record(1, "x", "y"))
	f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Dead, Reason: "first"})
	f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Dead, Reason: "second"}, queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered})
	f.want(t, fmt.Sprintf("%d x dead: first", id), fmt.Sprintf("%d y", id))
	for range 2 {
		f.finish(t, queue.Outcome{ID: id, Target: "y", Kind: queue.Delivered})
		f.finish(t, queue.Outcome{ID: id, Target: "y", Kind: queue.Dead})
		f.want(t, fmt.Sprintf("%d x dead: first", id))
	}
	f.finish(t)
	f.finish(t, queue.Outcome{ID: 4711, Target: "x", Kind: queue.Delivered}, queue.Outcome{ID: id, Target: "unknown", Kind: queue.Delivered})
	f.want(t, fmt.Sprintf("%d x dead: first", id))
}

func testRedrive(t *testing.T, f *fixture) {
	f.start(t)
	var ids []queue.ID
	for n := range 5 {
		r := Record(n, "x", "y")
		if n == 4 {
			r.Endpoint.Name = "other"
		}
		ids = append(ids, f.put(t, r))
	}
	for _, id := range slices.Backward(ids) {
		f.finish(t, queue.Outcome{ID: id, Target: "x", Kind: queue.Dead, Reason: "gone"}, queue.Outcome{ID: id, Target: "y", Kind: queue.Dead, Reason: "gone"})
	}
	f.finish(t, queue.Outcome{ID: ids[1], Target: "x", Kind: queue.Discarded}, queue.Outcome{ID: ids[1], Target: "y", Kind: queue.Discarded})
	f.announced.take()
	f.redrive(t, queue.Selection{Endpoint: Endpoint(), Target: "x"}, 3)
	want := []string{fmt.Sprintf("%d x redriven", ids[0]), fmt.Sprintf("%d x redriven", ids[2]), fmt.Sprintf("%d x redriven", ids[3])}
	if diff := cmp.Diff(want, describe(f.announced.take())); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	f.redrive(t, queue.Selection{Endpoint: Endpoint(), Target: "x"}, 0)
	f.restart(t)
	f.redrive(t, queue.Selection{Endpoint: Endpoint()}, 3)
	if got := f.Stats(); got.Pending != 6 || got.Dead != 2 || !got.OldestPending.Equal(Record(0).ReceivedAt) {
		t.Errorf("stats are %+v", got)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("%d x dead: gone", ids[4]), fmt.Sprintf("%d y dead: gone", ids[4])}, f.items()[6:]); diff != "" {
		t.Errorf("the other endpoint's items (-want +got):\n%s", diff)
	}
}

// wantStates wants the values under names that begin with a prefix as "name=value".
func (f *fixture) wantStates(t *testing.T, prefix string, want ...string) {
	t.Helper()
	is := []string{}
	must(t, f.States(prefix, func(name string, value []byte) bool {
		is = append(is, name+"="+string(value))
		return true
	}))
	if diff := cmp.Diff(append([]string{}, want...), is); diff != "" {
		t.Errorf("states under %q (-want +got):\n%s", prefix, diff)
	}
}

func testState(t *testing.T, f *fixture) {
	f.start(t)
	f.wantStates(t, "")
	value := []byte("one")
	must(t, f.SetStates(map[string][]byte{"totals/a": value, "totals/b": []byte("b"), "totals/c": []byte("c"), "totals": []byte("all"), "other": []byte("x")}))
	must(t, f.SetStates(nil))
	copy(value, "xyz") // which is the caller's
	f.wantStates(t, "totals/", "totals/a=one", "totals/b=b", "totals/c=c")
	must(t, f.SetStates(map[string][]byte{"totals/a": []byte("two"), "totals/b": nil, "totals/d": {}, "other": nil, "totals/\xff": []byte("last")}))
	for range 2 {
		f.wantStates(t, "", "totals=all", "totals/a=two", "totals/c=c", "totals/\xff=last")
		f.wantStates(t, "totals/", "totals/a=two", "totals/c=c", "totals/\xff=last")
		f.wantStates(t, "totals/\xff", "totals/\xff=last")
		f.wantStates(t, "totals/\xff\xff")
		f.wantStates(t, "nothing")
		f.restart(t)
	}
	n := 0
	must(t, f.States("totals", func(_ string, value []byte) bool {
		n++
		clear(value)
		return n < 2
	}))
	if n != 2 {
		t.Errorf("%d states, though no more than two were wanted", n)
	}
	f.wantStates(t, "totals/a", "totals/a=two")
}

func testClosed(t *testing.T, f *fixture) {
	f.start(t)
	id := f.put(t, Record(1, "x"))
	f.dead(t, f.put(t, Record(2, "x")), "x")
	must(t, f.Close())
	must(t, f.Close())
	_, err := f.Put(t.Context(), Record(3, "x"))
	wantError(t, err, queue.ErrClosed)
	_, err = f.Get(id)
	wantError(t, err, queue.ErrClosed)
	for _, change := range []func(context.Context, queue.Selection) (int, error){f.Redrive, f.discardQuietly} {
		_, err = change(t.Context(), queue.Selection{})
		wantError(t, err, queue.ErrClosed)
	}
	wantError(t, f.Finish(t.Context(), queue.Outcome{ID: id, Target: "x", Kind: queue.Delivered}), queue.ErrClosed)
	wantError(t, f.SetStates(nil), queue.ErrClosed)
	wantError(t, f.States("", func(string, []byte) bool { return true }), queue.ErrClosed)
}

func testContext(t *testing.T, f *fixture) {
	f.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Put(ctx, Record(1, "x")); err != nil {
		wantError(t, err, context.Canceled)
	}
	f.put(t, Record(2, "x"))
}
