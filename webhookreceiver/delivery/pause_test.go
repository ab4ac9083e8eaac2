// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

func TestBreaker(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(broken))
		w.start()
		for range 5 {
			w.put(0)
		}
		synctest.Wait()
		for range 5 {
			w.put(0)
		}
		after(time.Millisecond)
		if got := len(w.target.tried()); got != 5 {
			w.t.Fatalf("%d attempts, want 5 and then a pause", got)
		}
		if got := w.lane(); got.PausedUntil.IsZero() || got.LastFailure != "answered 500" || got.Waiting != 10 || got.Retrying != 5 {
			w.t.Errorf("the paused lane: %+v", got)
		}
		// One at a time after 1, 2, 4, 8 and 16 s, never the same twice in a row.
		after(32 * time.Second)
		probes := w.target.ids()[5:]
		if len(probes) != 5 {
			w.t.Fatalf("%d probes in 32 s, want 5: %v", len(probes), probes)
		}
		for i := 1; i < len(probes); i++ {
			if probes[i] == probes[i-1] {
				w.t.Errorf("the probes were %v, want another one each time", probes)
			}
		}
		if w.target.set(nil); w.lane().Waiting != 10 {
			w.t.Errorf("the lane lost something: %+v", w.lane())
		}
		after(5 * time.Minute)
		if got := len(w.queue.noted()); got != 10 {
			w.t.Errorf("%d of 10 were delivered after the target was back", got)
		}
	})
}

func TestPauseDoesNotCountAttempts(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(unavailable))
		w.start()
		for range 1000 {
			w.put(0)
		}
		after(30 * time.Minute)
		most := 0
		for _, a := range w.target.tried() {
			most = max(most, a.number)
		}
		if n := len(w.target.tried()); n > 50 || most > 20 {
			w.t.Errorf("%d attempts in half an hour, %d of one notification; want about one in two minutes", n, most)
		}
	})
}

func TestPoisonousNotificationDoesNotPauseTheLane(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.ID == 1 {
				return broken
			}
			return delivered
		})
		w.start()
		w.put(7)
		// Nothing else comes for a while: it fails many times in a row, and still says nothing of the target.
		after(10 * time.Minute)
		for range 100 {
			w.put(0)
			w.put(7)
		}
		synctest.Wait()
		if got := len(w.queue.noted()); got != 100 {
			w.t.Errorf("%d delivered, want the 100 that have nothing to do with the poisonous one", got)
		}
		after(time.Hour)
		if got := len(w.queue.noted()); got != 201 {
			w.t.Errorf("%d are done, want all 201 once the poisonous one is a dead letter", got)
		}
	})
}

func TestPoisonousOldestDoesNotKeepTheBreakerOpen(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(broken))
		w.start()
		for range 20 {
			w.put(0)
		}
		after(time.Minute)
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.ID <= 3 {
				return broken
			}
			return delivered
		})
		after(12 * time.Minute)
		if got := len(w.queue.noted()); got != 17 {
			w.t.Errorf("%d delivered, want all 17 but the poisonous ones", got)
		}
	})
}

func TestPoisonousNotificationsAloneDoNotKeepTheBreakerOpen(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.ID <= 8 {
				return broken
			}
			return delivered
		})
		w.start()
		for range 8 {
			w.put(0)
		}
		after(20 * time.Minute)
		if w.lane().PausedUntil.IsZero() {
			w.t.Fatal("the lane is not paused")
		}
		w.put(0)
		// A pause is two minutes at most, and the one after the next is for what has not failed.
		after(5 * time.Minute)
		wantNoted(w, "9 delivered")
	})
}

func TestRetryAfterPausesTheLane(t *testing.T) {
	cases := map[string]struct {
		result Result
		next   time.Duration // after the first attempt, that of another notification
		again  time.Duration // that of the same
	}{
		"429 pauses the lane at once":           {Result{StatusCode: 429, RetryAfter: 30 * time.Second}, 30 * time.Second, 30 * time.Second},
		"503 pauses the lane at once":           {Result{StatusCode: 503, RetryAfter: 30 * time.Second}, 30 * time.Second, 30 * time.Second},
		"500 puts off that notification alone":  {Result{StatusCode: 500, RetryAfter: 30 * time.Second}, 0, 30 * time.Second},
		"more than an hour is an hour":          {Result{StatusCode: 503, RetryAfter: 240 * time.Hour}, time.Hour, time.Hour},
		"less than the backoff is the backoff":  {Result{StatusCode: 500, RetryAfter: time.Millisecond}, 0, time.Second},
		"without it only the backoff counts":    {Result{StatusCode: 503}, 0, time.Second},
		"a negative one is none, and no crash!": {Result{StatusCode: 503, RetryAfter: -time.Hour}, 0, time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(w *world) {
				table := table("a")
				table.All(func(e *route.Endpoint) bool { e.RetryMaxAge = 100 * time.Hour; return true })
				w.routes.Store(table)
				w.target.set(func(_ context.Context, d *Delivery) Result {
					if d.ID == 1 && d.Attempt == 1 {
						return c.result
					}
					return delivered
				})
				w.start()
				begun := time.Now()
				w.put(0)
				synctest.Wait()
				w.put(0)
				after(100 * time.Hour)
				at := map[queue.ID]time.Duration{}
				for _, a := range w.target.tried() {
					at[a.id] = a.at.Sub(begun)
				}
				if at[2] < c.next || at[2] > c.next+5*time.Second || at[1] < c.again || at[1] > c.again+5*time.Second {
					w.t.Errorf("the other one was tried after %s, want %s; the same again after %s, want %s", at[2], c.next, at[1], c.again)
				}
			})
		})
	}
}

func TestPausedLaneGivesUpWhatIsTooOld(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(unavailable))
		w.start()
		for range 500 {
			w.put(0)
		}
		after(time.Hour + time.Second)
		if got := w.queue.noted(); len(got) < 450 {
			w.t.Errorf("%d of 500 were given up after their age", len(got))
		}
		after(5 * time.Minute)
		if got := w.queue.noted(); len(got) != 500 || !slices.Contains(got, "500 dead: given up after 1h: answered 503") {
			w.t.Errorf("%d of 500 were given up, the last as %q", len(got), got[len(got)-1])
		}
	})
}
