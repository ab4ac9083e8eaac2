// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// bubble runs a test over a world whose time is virtual.
func bubble(t *testing.T, change func(*Options), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change)
		test(w)
		if w.stop != nil {
			w.end()
		}
	})
}

func wantNoted(w *world, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.queue.noted()); diff != "" {
		w.t.Errorf("what the queue noted (-want +got):\n%s", diff)
	}
}

func TestWhatIsInTheQueueIsDelivered(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.put(0)
		w.queue.put(shop, 0, 100, time.Now(), "a", "b")
		w.start()
		w.put(7)
		synctest.Wait()

		if got := len(w.queue.noted()); got != 4 {
			w.t.Errorf("%d outcomes were noted, want 4: %v", got, w.queue.noted())
		}
		if n := len(w.snapshot()); n != 0 {
			w.t.Errorf("%d lanes are left with nothing to do, want none", n)
		}
		a := w.observed.all()[0]
		if !a.Tried || a.Number != 1 || a.Outcome != OutcomeDelivered || a.EventType != "upload" || a.StatusClass() != "2xx" || a.Message != "" {
			w.t.Errorf("the observer was told %+v", a)
		}
	})
}

func TestAnnouncedWhileLoadingIsDeliveredOnce(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.put(0) // which tells of it, and is in the queue as well
		w.put(0)
		w.start()
		if got := w.target.ids(); len(got) != 2 {
			w.t.Errorf("tried %v, want each once", got)
		}
	})
}

func TestOrderIsKeptPerKeyWhileOneIsRetried(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.ID == 1 && d.Attempt < 3 {
				return broken
			}
			return delivered
		})
		w.start()
		// 1 fails twice, 2 and 5 wait for it, 3 is another asset, 4 is unordered.
		for _, order := range []uint64{7, 7, 8, 0, 7} {
			w.put(order)
			synctest.Wait()
		}
		after(10 * time.Second) // 1 s + 2 s
		wantNoted(w, "3 delivered", "4 delivered", "1 delivered", "2 delivered", "5 delivered")
	})
}

func TestDeadLetterReleasesItsOrderKey(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.ID == 1 {
				return refused
			}
			return delivered
		})
		w.start()
		w.put(7)
		w.put(7)
		synctest.Wait()
		wantNoted(w, "1 dead: answered 404", "2 delivered")
	})
}

func TestGivenUpAfterItsAge(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(broken))
		w.start()
		begun := time.Now()
		w.put(7)
		after(10 * time.Minute)
		w.put(7)
		after(50*time.Minute + time.Second)
		wantNoted(w, "1 dead: given up after 1h: answered 500")
		all := w.observed.all()
		last := all[slices.IndexFunc(all, func(a Attempt) bool { return a.Outcome == OutcomeDead })]
		if last.Tried || last.Number < 10 || last.EndedAt.Sub(begun) != time.Hour {
			w.t.Errorf("the observer was told %+v", last)
		}
		w.target.set(nil)
		after(6 * time.Minute)
		wantNoted(w, "1 dead: given up after 1h: answered 500", "2 delivered")
	})
}

func TestRedrivenBeginsANewAge(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(always(broken))
		w.start()
		w.put(7)
		after(3 * time.Hour)
		wantNoted(w, "1 dead: given up after 1h: answered 500")
		w.queue.redrive()
		after(time.Minute)
		w.target.set(nil)
		after(5 * time.Minute)
		wantNoted(w, "1 dead: given up after 1h: answered 500", "1 delivered")
	})
}

func TestTooOldAtTheStartIsStillTried(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.queue.put(shop, 0, 100, time.Now().Add(-100*time.Hour), "a")
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.Attempt < 5 {
				return broken
			}
			return delivered
		})
		w.start()
		after(10 * time.Minute)
		wantNoted(w, "1 delivered")
	})
}

func TestUnreadableRecords(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.queue.getError[1] = fmt.Errorf("notification 1: %w", queue.ErrDamaged)
		w.queue.getError[2] = fmt.Errorf("notification 2: %w", queue.ErrNotFound)
		w.queue.getError[3] = errors.New("read: input/output error")
		w.start()
		for range 3 {
			w.put(7)
		}
		w.put(7)
		after(time.Millisecond)
		wantNoted(w, "1 discarded: damaged on disk")
		if got := w.lane(); got.Retrying != 1 || got.Waiting != 2 {
			w.t.Errorf("the lane: %+v", got)
		}
		w.queue.mu.Lock()
		delete(w.queue.getError, 3)
		w.queue.mu.Unlock()
		after(time.Minute)
		wantNoted(w, "1 discarded: damaged on disk", "3 delivered", "4 delivered")
	})
}

func TestPanicIsOneFailedAttempt(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.Attempt == 1 {
				panic("at the disco")
			}
			return delivered
		})
		w.start()
		w.put(0)
		after(time.Minute)
		wantNoted(w, "1 delivered")
	})
}
