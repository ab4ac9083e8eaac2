// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

// setClock is a clock that is set. As with the system's, timers and what has passed since a time do not go by what it shows.
type setClock struct {
	clock.RealClock

	ahead atomic.Int64
}

func (c *setClock) Now() time.Time { return time.Now().Round(0).Add(time.Duration(c.ahead.Load())) }

// bubbleWithClock is bubble with a clock that is set by what it is moved by.
func bubbleWithClock(t *testing.T, test func(w *world, move func(time.Duration))) {
	t.Helper()
	c := &setClock{}
	bubble(t, func(o *Options) { o.Clock = c }, func(w *world) {
		test(w, func(by time.Duration) { c.ahead.Add(int64(by)) })
	})
}

func TestClockThatIsSetHoldsNothingUp(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"not at all": 0, "back": -2 * time.Hour, "back by years": -100_000 * time.Hour, "ahead": 2 * time.Hour, "ahead by years": 100_000 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWithClock(t, func(w *world, move func(time.Duration)) {
				w.target.set(always(broken))
				w.start()
				w.queue.put(shop, 0, 100, time.Now(), "b") // one that is retried
				for range 6 {
					w.put(0) // a target that is paused
				}
				synctest.Wait()
				if w.lane().PausedUntil.IsZero() {
					t.Fatal("the target is not paused")
				}
				move(by)
				w.target.set(nil)
				w.put(0)
				lane := w.lane()
				if pause := lane.PausedUntil.Sub(w.o.Clock.Now()); pause <= 0 || pause > time.Second {
					t.Errorf("the target is said to be paused for %s, want a second at most", pause)
				}
				if age := w.o.Clock.Now().Sub(lane.Oldest); age < 0 || age > time.Second {
					t.Errorf("the oldest is said to wait for %s", age)
				}
				after(5 * time.Second)
				if got := len(w.queue.noted()); got != 8 || slices.ContainsFunc(w.queue.noted(), isDead) {
					t.Errorf("5 s after the target is well, noted is %q, want 8 deliveries", w.queue.noted())
				}
				for _, a := range w.observed.all() {
					if wait := a.RetryAt.Sub(a.EndedAt); a.Duration != 0 || a.Outcome == OutcomeRetried && wait != time.Second {
						t.Errorf("an attempt took %s and is made again after %s", a.Duration, wait)
					}
				}
			})
		})
	}
}

func isDead(noted string) bool { return noted != "" && noted[len(noted)-1] != 'd' }

// What waits gets as old as the time that passes, and is given up after that, neither sooner nor later.
func TestClockThatIsSetAgesNothing(t *testing.T) {
	for name, by := range map[string]time.Duration{"back": -30 * time.Minute, "ahead": 30 * time.Minute, "ahead by years": 100_000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubbleWithClock(t, func(w *world, move func(time.Duration)) {
				w.target.set(always(broken))
				w.queue.put(shop, 7, 100, time.Now().Add(-20*time.Minute), "a") // before the start
				w.start()
				w.put(7)
				after(time.Minute)
				move(by)
				after(38 * time.Minute)
				wantNoted(w)
				after(time.Minute + time.Second)
				wantNoted(w, "1 dead: given up after 1h: answered 500")
				after(19 * time.Minute)
				wantNoted(w, "1 dead: given up after 1h: answered 500")
				after(time.Minute)
				wantNoted(w, "1 dead: given up after 1h: answered 500", "2 dead: given up after 1h: answered 500")
			})
		})
	}
}

// A receiver that starts with a clock that is wrong tries all the same.
func TestStartWithAClockThatIsWrong(t *testing.T) {
	for name, by := range map[string]time.Duration{"behind": -100_000 * time.Hour, "ahead": 100_000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubbleWithClock(t, func(w *world, move func(time.Duration)) {
				received := time.Now()
				move(by)
				w.queue.put(shop, 0, 100, received, "a")
				w.queue.put(shop, 0, 100, time.Time{}, "a")
				w.target.set(always(broken))
				w.start()
				after(time.Minute)
				move(-by)
				w.target.set(nil)
				after(2 * time.Minute)
				if noted := w.queue.noted(); len(noted) != 2 || slices.ContainsFunc(noted, isDead) {
					t.Errorf("noted is %q, want two deliveries", noted)
				}
			})
		})
	}
}
