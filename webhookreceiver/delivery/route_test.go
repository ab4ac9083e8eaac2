// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

func TestRoutes(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.routes.Store(nil)
		w.put(0) // 1
		w.start()
		after(1000 * time.Hour)
		if len(w.target.tried()) != 0 || len(w.queue.noted()) != 0 {
			w.t.Error("something was done before the routes were loaded")
		}
		w.routes.Store(table("a", "event"))
		w.RoutesChanged()
		after(time.Second)
		wantNoted(w, "1 delivered")
		w.queue.put(shop, 0, 100, time.Now(), "event") // 2
		synctest.Wait()
		if got := w.event.ids(); len(got) != 1 || got[0] != 2 {
			w.t.Errorf("the sender of Events was given %v, want 2", got)
		}
	})
}

func TestRemovedTarget(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(unavailable))
		w.start()
		for range 3000 {
			w.put(0)
		}
		after(time.Minute)
		w.routes.Store(table("b"))
		w.RoutesChanged()
		synctest.Wait()
		before := len(w.target.tried())
		after(DefaultRemovedAfter - time.Second)
		if len(w.queue.noted()) != 0 || len(w.target.tried()) != before || w.lane().Routed || w.lane().Waiting != 3000 {
			w.t.Errorf("before the grace was over: %d noted, %d attempts, %+v", len(w.queue.noted()), len(w.target.tried())-before, w.lane())
		}
		after(2 * time.Second)
		noted := w.queue.noted()
		if len(noted) != 3000 || noted[2999] == "" {
			w.t.Fatalf("%d were discarded, want 3000", len(noted))
		}
		for _, line := range noted {
			var id int
			if _, err := fmt.Sscanf(line, "%d discarded: the target was removed", &id); err != nil {
				w.t.Fatalf("noted %q", line)
			}
		}
	})
}

func TestRemovedEndpointMayComeBack(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.start()
		w.routes.Store(table())
		w.put(7)
		after(71 * time.Hour)
		wantNoted(w)
		w.put(7)
		w.routes.Store(table("a"))
		w.RoutesChanged()
		synctest.Wait()
		w.routes.Store(table())
		w.put(0)
		after(72*time.Hour + time.Second)
		wantNoted(w, "1 delivered", "2 delivered", "3 discarded: the endpoint was removed")
	})
}

func TestRemovedEndpointKeepsWhatWaitsHoweverOldItIs(t *testing.T) {
	for name, test := range map[string]struct {
		maxAge, kept time.Duration
		restart      bool
		why          string
	}{
		"a usual retry.maxAge": {72 * time.Hour, 72 * time.Hour, false, "it counts from when the endpoint went"},
		"a short one":          {time.Hour, 72 * time.Hour, false, ""},
		"a long one":           {720 * time.Hour, 720 * time.Hour, false, "who set it does not mind a month"},
		"a long one that a restart has made be forgotten": {720 * time.Hour, 72 * time.Hour, true, "it is not stored"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(w *world) {
				w.target.set(always(broken))
				w.routes.Store(patient(test.maxAge, "a"))
				w.start()
				w.put(7)
				after(test.maxAge - time.Hour/2)
				w.put(7)
				w.put(0)
				w.routes.Store(table())
				if test.restart {
					w.restart()
				}
				w.RoutesChanged()
				after(test.kept - time.Second)
				wantNoted(w)
				after(2 * time.Second)
				gone := " discarded: the endpoint was removed"
				noted := w.queue.noted()
				slices.Sort(noted)
				if diff := cmp.Diff([]string{"1" + gone, "2" + gone, "3" + gone}, noted); diff != "" {
					w.t.Errorf("after %s: %s (-want +got):\n%s", test.kept, test.why, diff)
				}
			})
		})
	}
}

func TestEndpointThatComesBackWithoutItsTargetKeepsItForAWhile(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.start()
		w.routes.Store(table())
		w.put(7)
		after(71 * time.Hour)
		w.routes.Store(table("b"))
		w.RoutesChanged()
		after(DefaultRemovedAfter - time.Second)
		wantNoted(w)
		after(2 * time.Second)
		wantNoted(w, "1 discarded: the target was removed")
	})
}

func TestWhatWasADeadLetterIsOneAgainWhenItsTargetIsRemoved(t *testing.T) {
	for name, removed := range map[string]struct {
		table *route.Table
		after time.Duration
		why   string
	}{
		"the target":   {table("b"), DefaultRemovedAfter, "the target was removed"},
		"the endpoint": {table(), 72 * time.Hour, "the endpoint was removed"},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %t", name, restart), func(t *testing.T) {
				bubble(t, nil, func(w *world) {
					w.target.set(always(refused))
					w.start()
					w.put(7)
					after(time.Second)
					w.target.set(always(broken))
					w.queue.redrive()
					after(time.Minute)
					w.put(7) // behind it, and never a dead letter
					w.put(0)
					if restart {
						w.restart()
					}
					w.routes.Store(removed.table)
					w.RoutesChanged()
					after(removed.after + time.Hour)
					noted := w.queue.noted()
					slices.Sort(noted)
					want := []string{"1 dead: " + removed.why, "1 dead: answered 404", "2 discarded: " + removed.why, "3 discarded: " + removed.why}
					slices.Sort(want)
					if diff := cmp.Diff(want, noted); diff != "" {
						w.t.Errorf("what the queue noted (-want +got):\n%s", diff)
					}
					w.routes.Store(table("a"))
					w.target.set(nil)
					w.queue.redrive()
					after(time.Second)
					if got := w.queue.noted(); got[len(got)-1] != "1 delivered" {
						w.t.Errorf("redriven once the target is back: %v", got)
					}
				})
			})
		}
	}
}

func TestChangedTargetIsTriedSoon(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.Target.Service.Port.IntVal != 8080 {
				return Result{Message: "Service shop/a has no TCP port 80"}
			}
			return delivered
		})
		w.start()
		for range 10 {
			w.put(7)
			w.put(0)
		}
		after(20 * time.Minute)
		fixed := table("a")
		fixed.All(func(e *route.Endpoint) bool { e.Targets[0].Service.Port = intstr.FromInt32(8080); return true })
		w.routes.Store(fixed)
		w.RoutesChanged()
		after(time.Second)
		if got := len(w.queue.noted()); got != 20 {
			w.t.Errorf("%d of 20 delivered at once after the target was put right", got)
		}
	})
}
