// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func TestHangingTargetCostsOthersNothing(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(ctx context.Context, d *Delivery) Result {
			if d.Target.Name == "a" {
				return hang(ctx, d)
			}
			return delivered
		})
		w.start()
		for range 2000 {
			w.queue.put(shop, 0, 1000, time.Now(), "a", "b")
		}
		synctest.Wait()
		if got := len(w.queue.noted()); got != 2000 {
			w.t.Errorf("the other target has %d of 2000 while the hanging one has not answered once", got)
		}
		if got := w.lane(); got.InFlight != DefaultLaneInFlight || got.Waiting != 2000 {
			w.t.Errorf("the hanging lane: %+v", got)
		}
	})
}

func TestBudgets(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		size   int
		most   int
	}{
		"as many as a lane's workers":        {func(o *Options) { o.LaneInFlight = 3 }, 100, 3},
		"as many bytes as a lane may have":   {func(o *Options) { o.LaneBytes = 1000 }, 250, 4},
		"one, though it is too large":        {func(o *Options) { o.LaneBytes = 1000 }, 5000, 1},
		"one beyond half of those of all":    {func(o *Options) { o.SharedInFlight = 10 }, 100, 6},
		"the same for the bytes of all":      {func(o *Options) { o.SharedBytes = 1000 }, 100, 6},
		"one of each, though they are large": {func(o *Options) { o.FirstBytes, o.SharedBytes = 10, 10 }, 100, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.change, func(w *world) {
				w.target.set(func(context.Context, *Delivery) Result {
					time.Sleep(time.Second)
					return delivered
				})
				w.start()
				for range 100 {
					w.queue.put(shop, 0, c.size, time.Now(), "a")
				}
				after(100*time.Second + time.Millisecond)
				if w.target.mostInFlight() != c.most || len(w.queue.noted()) != 100 {
					w.t.Errorf("%d were in flight at once, want %d; %d of 100 delivered", w.target.mostInFlight(), c.most, len(w.queue.noted()))
				}
			})
		})
	}
}

func TestSharedBudgetGoesRound(t *testing.T) {
	bubble(t, func(o *Options) { o.SharedInFlight = 40 }, func(w *world) {
		names := []string{}
		for i := range 50 {
			names = append(names, fmt.Sprintf("t%d", i))
		}
		w.routes.Store(table(names...))
		w.target.set(func(context.Context, *Delivery) Result {
			time.Sleep(time.Second)
			return delivered
		})
		w.start()
		for range 100 {
			w.queue.put(shop, 0, 100, time.Now(), names...)
		}
		after(30 * time.Second)
		count := map[string]int{}
		for _, a := range w.target.tried() {
			count[a.target]++
		}
		for _, name := range names {
			// 50, one each, and 20 of those that are shared make 42 for each.
			if count[name] < 38 {
				w.t.Errorf("%s got %d attempts in 30 s, want its share", name, count[name])
			}
		}
		if w.target.mostInFlight() > 70 {
			w.t.Errorf("%d in flight at once, want 50 + 20 at most", w.target.mostInFlight())
		}
		after(3 * time.Minute)
		if got := len(w.queue.noted()); got != 5000 {
			w.t.Errorf("%d of 5000 delivered", got)
		}
	})
}

func TestNothingRunsAtRest(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.start()
		before := runtime.NumGoroutine()
		w.target.set(always(broken))
		for i := range 1000 {
			w.queue.put(queue.Endpoint{Namespace: "shop", Name: fmt.Sprint(i)}, 0, 100, time.Now(), "a")
		}
		w.put(0)
		synctest.Wait()
		if n := len(w.snapshot()); n != 1001 {
			w.t.Errorf("%d lanes, want 1001", n)
		}
		// A few are the runtime's.
		if now := runtime.NumGoroutine(); now > before+20 {
			w.t.Errorf("%d goroutines more while 1001 lanes wait", now-before)
		}
	})
}

// Whatever fails, and however many put at once: everything gets there, in order where that matters.
func TestManyAtOnce(t *testing.T) {
	bubble(t, func(o *Options) { o.SharedInFlight, o.Random = 10, nil }, func(w *world) {
		w.routes.Store(table("a", "b", "c"))
		type stream struct {
			target string
			order  uint64
		}
		var mu sync.Mutex
		inOrder := map[stream][]queue.ID{}
		w.target.set(func(_ context.Context, d *Delivery) Result {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			if rand.IntN(5) == 0 {
				return []Result{broken, {StatusCode: 429, RetryAfter: time.Second}, {Message: "no answer"}}[rand.IntN(3)]
			}
			mu.Lock()
			defer mu.Unlock()
			s := stream{d.Target.Name, d.Record.OrderKey}
			inOrder[s] = append(inOrder[s], d.ID)
			return delivered
		})
		w.start()
		var wg sync.WaitGroup
		for producer := range 8 {
			wg.Go(func() {
				for range 50 {
					// A queue tells of items in order of ID; that of the same asset has one producer here.
					w.queue.put(shop, uint64(producer), 100, time.Now(), "a", "b", "c")
					w.RoutesChanged()
					time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		after(20 * time.Minute)
		if got := len(w.queue.noted()); got != 3*8*50 {
			t.Errorf("%d of %d got there: %+v", got, 3*8*50, w.lane())
		}
		mu.Lock()
		defer mu.Unlock()
		for s, ids := range inOrder {
			if s.order != 0 && !slices.IsSorted(ids) {
				t.Errorf("%+v got %v", s, ids)
			}
		}
	})
}

// Targets that hang, as many as there may be, neither take more than the pools have nor keep those of other namespaces waiting.
func TestFirstsAreBounded(t *testing.T) {
	const size, targets = 3 << 20, 150
	others := queue.Endpoint{Namespace: "bakery", Name: "media"}
	bubble(t, nil, func(w *world) {
		names := []string{}
		for i := range targets {
			names = append(names, fmt.Sprintf("t%d", i))
		}
		w.routes.Store(tableOf(map[queue.Endpoint][]string{shop: names, others: {"a"}}))
		w.target.set(func(ctx context.Context, d *Delivery) Result {
			if d.Endpoint.Key.Namespace == shop.Namespace {
				return hang(ctx, d)
			}
			return delivered
		})
		w.start()
		for range 3 {
			w.queue.put(shop, 0, size, time.Now(), names...)
		}
		synctest.Wait()
		inFlight := 0
		w.Lanes(func(s LaneStats) { inFlight += s.InFlight })
		if most := DefaultFirstBytes / 2 / size; inFlight != most { // no second one fits into a lane
			t.Errorf("%d of 3 MiB are in flight, want %d", inFlight, most)
		}
		for range 100 {
			w.queue.put(others, 0, size, time.Now(), "a")
		}
		synctest.Wait()
		if got := len(w.queue.noted()); got != 100 {
			t.Errorf("the other namespace got %d of 100 delivered beside them", got)
		}
	})
}

// What waits for room gets it, each in its turn, however many namespaces there are.
func TestFirstsGoRound(t *testing.T) {
	const namespaces, targets, each = 20, 5, 4
	bubble(t, func(o *Options) { o.FirstInFlight, o.SharedInFlight = 10, 1 }, func(w *world) {
		routes := map[queue.Endpoint][]string{}
		names := []string{"a", "b", "c", "d", "e"}
		for i := range namespaces {
			routes[queue.Endpoint{Namespace: fmt.Sprint("n", i), Name: "media"}] = names
		}
		w.routes.Store(tableOf(routes))
		w.target.set(func(context.Context, *Delivery) Result {
			time.Sleep(time.Second)
			return delivered
		})
		w.start()
		for e := range routes {
			for range each {
				w.queue.put(e, 0, 100, time.Now(), names...)
			}
		}
		after(20*time.Second + time.Millisecond)
		count := map[string]int{}
		for _, a := range w.target.tried() {
			count[a.namespace]++
		}
		for i := range namespaces {
			if n := count[fmt.Sprint("n", i)]; n < 8 { // ten at once make ten for each
				t.Errorf("namespace %d got %d attempts in 20 s, want its share", i, n)
			}
		}
		if most := w.target.mostInFlight(); most > 11 {
			t.Errorf("%d were in flight at once, want 11 at most", most)
		}
		after(time.Minute)
		if got := len(w.queue.noted()); got != namespaces*targets*each {
			t.Errorf("%d of %d delivered", got, namespaces*targets*each)
		}
	})
}
