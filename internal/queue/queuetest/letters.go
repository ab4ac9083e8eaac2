// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// dead has a notification given up for targets.
func (f *fixture) dead(t *testing.T, id queue.ID, targets ...string) {
	t.Helper()
	for _, target := range targets {
		f.finish(t, queue.Outcome{ID: id, Target: target, Kind: queue.Dead, Reason: "gone"})
	}
}

func (f *fixture) redrive(t *testing.T, which queue.Selection, want int) {
	t.Helper()
	n, err := f.Redrive(t.Context(), which)
	must(t, err)
	if n != want {
		t.Errorf("Redrive of %+v gave %d, want %d", which, n, want)
	}
}

// discard wants the dead letters that are discarded as items says them.
func (f *fixture) discard(t *testing.T, which queue.Selection, want ...string) {
	t.Helper()
	var told []queue.Item
	n, err := f.Discard(t.Context(), which, func(i queue.Item) { told = append(told, i) })
	must(t, err)
	if diff := cmp.Diff(append([]string{}, want...), describe(told)); diff != "" || n != len(want) {
		t.Errorf("Discard of %+v gave %d, and told (-want +got):\n%s", which, n, diff)
	}
}

func (f *fixture) discardQuietly(ctx context.Context, which queue.Selection) (int, error) {
	return f.Discard(ctx, which, func(queue.Item) {})
}

func testRedriveSome(t *testing.T, f *fixture) {
	f.start(t)
	a, b, c := f.put(t, Record(1, "x", "y")), f.put(t, Record(2, "x", "y")), f.put(t, Record(3, "x"))
	f.dead(t, a, "x", "y")
	f.dead(t, b, "x", "y")
	f.announced.take()
	f.redrive(t, queue.Selection{IDs: []queue.ID{}}, 0)
	f.redrive(t, queue.Selection{IDs: []queue.ID{4711, c}}, 0)
	f.redrive(t, queue.Selection{Endpoint: queue.Endpoint{Namespace: "other", Name: "media"}}, 0)
	f.redrive(t, queue.Selection{Endpoint: queue.Endpoint{Namespace: "shop", Name: "other"}, IDs: []queue.ID{a}}, 0)
	f.redrive(t, queue.Selection{Endpoint: Endpoint(), Target: "y", IDs: []queue.ID{b, b, c}}, 1)
	f.redrive(t, queue.Selection{IDs: []queue.ID{b, a, b}, Target: "x"}, 2)
	if diff := cmp.Diff([]string{fmt.Sprintf("%d y redriven", b), fmt.Sprintf("%d x redriven", a), fmt.Sprintf("%d x redriven", b)}, describe(f.announced.take())); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	for range 2 {
		f.want(t, fmt.Sprintf("%d x redriven", a), fmt.Sprintf("%d y dead: gone", a), fmt.Sprintf("%d x redriven", b), fmt.Sprintf("%d y redriven", b),
			fmt.Sprintf("%d x", c))
		f.restart(t)
	}
	f.dead(t, a, "x")
	f.finish(t, queue.Outcome{ID: b, Target: "x", Kind: queue.Discarded})
	for range 2 {
		f.want(t, fmt.Sprintf("%d x dead: gone", a), fmt.Sprintf("%d y dead: gone", a), fmt.Sprintf("%d y redriven", b), fmt.Sprintf("%d x", c))
		f.restart(t)
	}
}

func testDiscard(t *testing.T, f *fixture) {
	f.start(t)
	a, b, c := f.put(t, Record(1, "x", "y", "z")), f.put(t, Record(2, "x", "y")), f.put(t, Record(3, "x"))
	f.dead(t, a, "x", "y")
	f.dead(t, b, "x", "y")
	f.announced.take()
	f.discard(t, queue.Selection{IDs: []queue.ID{}})
	f.discard(t, queue.Selection{IDs: []queue.ID{4711, c}})
	f.discard(t, queue.Selection{Endpoint: queue.Endpoint{Namespace: "shop", Name: "other"}, IDs: []queue.ID{a}})
	f.discard(t, queue.Selection{Endpoint: Endpoint(), Target: "y", IDs: []queue.ID{a, a}}, fmt.Sprintf("%d y dead: gone", a))
	f.discard(t, queue.Selection{Endpoint: Endpoint(), IDs: []queue.ID{b}}, fmt.Sprintf("%d x dead: gone", b), fmt.Sprintf("%d y dead: gone", b))
	_, err := f.Get(b)
	wantError(t, err, queue.ErrNotFound)
	if items := f.ItemsOf(b); len(items) > 0 {
		t.Errorf("a notification that is done with has items: %v", items)
	}
	for range 2 {
		f.want(t, fmt.Sprintf("%d x dead: gone", a), fmt.Sprintf("%d z", a), fmt.Sprintf("%d x", c))
		if diff := cmp.Diff([]string{fmt.Sprintf("%d x dead: gone", a), fmt.Sprintf("%d z", a)}, describe(f.ItemsOf(a))); diff != "" {
			t.Errorf("items of one notification (-want +got):\n%s", diff)
		}
		if got := f.Stats(); got.Dead != 1 || got.Pending != 2 || got.Notifications != 2 || got.EvictedDead != 0 {
			t.Errorf("stats are %+v", got)
		}
		f.restart(t)
	}
	f.duplicate(t, Record(2, "x"), true) // its key is still known
	f.discard(t, queue.Selection{}, fmt.Sprintf("%d x dead: gone", a))
	f.discard(t, queue.Selection{})
	f.redrive(t, queue.Selection{}, 0)
	if got := f.announced.take(); len(got) > 0 {
		t.Errorf("announced %v, though nothing is to be delivered", got)
	}
}

func testDiscardMany(t *testing.T, f *fixture) {
	f.start(t)
	const records, many = 10, 2500 // more than is written together
	var targets []string
	for n := range many / records {
		targets = append(targets, fmt.Sprintf("t%d", n))
	}
	for n := range records {
		id := f.put(t, Record(n, targets...))
		var outcomes []queue.Outcome
		for _, target := range targets {
			outcomes = append(outcomes, queue.Outcome{ID: id, Target: target, Kind: queue.Dead})
		}
		f.finish(t, outcomes...)
	}
	n, err := f.discardQuietly(t.Context(), queue.Selection{Endpoint: Endpoint()})
	must(t, err)
	if n != many {
		t.Errorf("%d were discarded, want %d", n, many)
	}
	f.restart(t)
	f.want(t)
	if got := f.Stats(); got.Notifications != 0 || got.Bytes != 0 || got.Keys != records {
		t.Errorf("stats are %+v", got)
	}
}

// allDead gives notifications up, each for two of its three targets and every fifth at another endpoint for none, and tells the IDs and
// the dead letters in order.
func (f *fixture) allDead(t *testing.T, n int) (ids []queue.ID, letters []string) {
	t.Helper()
	for n := range n {
		r := Record(n, "z", "x", "y") // the order of targets is the notification's own
		if n%5 == 0 {
			r.Endpoint.Name = "other"
		}
		ids = append(ids, f.put(t, r))
	}
	for n, id := range slices.Backward(ids) { // they die in another order
		if n%5 != 0 {
			f.dead(t, id, "y", "z")
		}
	}
	for n, id := range ids {
		if n%5 != 0 {
			letters = append(letters, fmt.Sprintf("%d z dead: gone", id), fmt.Sprintf("%d y dead: gone", id))
		}
	}
	return ids, letters
}

// pages lists dead letters in pages.
func (f *fixture) pages(which queue.Selection, limit int) (letters []string) {
	after := queue.Letter{}
	for {
		page := f.DeadLetters(which, after, limit)
		letters = append(letters, describe(page)...)
		if len(page) < limit {
			return letters
		}
		after = queue.Letter{ID: page[limit-1].ID, Target: page[limit-1].Target}
	}
}

func testDeadLetters(t *testing.T, f *fixture) {
	f.start(t)
	ids, want := f.allDead(t, 50)
	f.dead(t, ids[0], "x")
	for _, limit := range []int{1, 2, 3, 7, 79, 80, 81} {
		if diff := cmp.Diff(want, f.pages(queue.Selection{Endpoint: Endpoint()}, limit)); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	for name, tc := range map[string]struct {
		which queue.Selection
		after queue.Letter
		limit int
		want  []string
	}{
		"none are asked for":                  {},
		"of every endpoint":                   {limit: 2, want: []string{fmt.Sprintf("%d x dead: gone", ids[0]), want[0]}},
		"of a namespace":                      {which: queue.Selection{Endpoint: queue.Endpoint{Namespace: "shop"}}, limit: 1, want: []string{fmt.Sprintf("%d x dead: gone", ids[0])}},
		"of a target":                         {which: queue.Selection{Target: "y"}, limit: 2, want: []string{want[1], want[3]}},
		"of IDs, in their order":              {which: queue.Selection{IDs: []queue.ID{ids[2], ids[1], ids[2]}}, limit: 9, want: want[:4]},
		"after one of another target":         {which: queue.Selection{Target: "y"}, after: queue.Letter{ID: ids[1], Target: "z"}, limit: 1, want: want[1:2]},
		"after one that is not there":         {after: queue.Letter{ID: ids[5], Target: "x"}, limit: 1, want: want[8:9]},
		"after a target that never was there": {after: queue.Letter{ID: ids[1], Target: "w"}, limit: 1, want: want[:1]},
		"after the last one":                  {after: queue.Letter{ID: ids[49], Target: "y"}, limit: 1},
	} {
		if diff := cmp.Diff(append([]string{}, tc.want...), describe(f.DeadLetters(tc.which, tc.after, tc.limit))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func testDeadContext(t *testing.T, f *fixture) {
	f.start(t)
	id := f.put(t, Record(1, "x"))
	f.dead(t, id, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, change := range []func(context.Context, queue.Selection) (int, error){f.Redrive, f.discardQuietly} {
		n, err := change(ctx, queue.Selection{})
		wantError(t, err, context.Canceled)
		if n != 0 {
			t.Errorf("%d were changed after the end", n)
		}
	}
	f.want(t, fmt.Sprintf("%d x dead: gone", id))
}
