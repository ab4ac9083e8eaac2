// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func TestNothingIsSentAgainWhileTheQueueNotesNothing(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.queue.failFinish(errors.New("no space left on device"))
		w.start()
		for range 2 * maxUnrecorded {
			w.put(0)
		}
		after(time.Hour / 2)
		tried := len(w.target.tried())
		if tried < maxUnrecorded || tried > maxUnrecorded+DefaultLaneInFlight {
			w.t.Errorf("%d were sent, want about %d and then to wait for the queue", tried, maxUnrecorded)
		}
		w.queue.failFinish(nil)
		after(time.Minute)
		if got, sent := len(w.queue.noted()), len(w.target.tried()); got != 2*maxUnrecorded || sent != got {
			w.t.Errorf("%d noted and %d sent, want %d of both", got, sent, 2*maxUnrecorded)
		}
		if w.queue.writes > maxUnrecorded/4 {
			w.t.Errorf("%d writes for %d outcomes: they are not batched", w.queue.writes, 2*maxUnrecorded)
		}
	})
}

// A queue that has failed is not asked again, and nobody is waited for: nothing can be noted.
func TestAQueueThatHasFailedEndsAll(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.queue.failFinish(fmt.Errorf("the disk: %w", queue.ErrFailed))
		w.target.set(func(ctx context.Context, d *Delivery) Result {
			if d.ID == 1 {
				return hang(ctx, d)
			}
			return delivered
		})
		w.start()
		begun := time.Now()
		w.put(0)
		w.put(0)
		synctest.Wait()
		select {
		case err := <-w.stopped:
			w.stop = nil
			if took := time.Since(begun); took != 0 || !errors.Is(err, queue.ErrFailed) || !errors.Is(err, errUnrecorded) {
				w.t.Errorf("it ended after %s with %v", took, err)
			}
		case <-time.After(time.Hour):
			w.t.Error("it goes on")
		}
	})
}

func TestGracefulStop(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.target.set(func(ctx context.Context, d *Delivery) Result {
			if d.ID == 1 {
				time.Sleep(10 * time.Second)
				return delivered
			}
			return hang(ctx, d)
		})
		w.start()
		w.put(0)
		w.put(0)
		w.put(7)
		w.put(7)
		synctest.Wait()
		begun := time.Now()
		w.end()
		w.stop = nil
		if took := time.Since(begun); took != DefaultGrace {
			w.t.Errorf("stopping took %s, want %s", took, DefaultGrace)
		}
		wantNoted(w, "1 delivered")
		w.put(0)
		after(time.Hour)
		if got := w.target.ids(); len(got) != 3 {
			w.t.Errorf("tried %v, want nothing to begin any more", got)
		}
		if got := len(w.queue.items); got != 4 {
			w.t.Errorf("%d are left in the queue, want 4", got)
		}
		if n := len(w.observed.all()); n != 1 {
			w.t.Errorf("the observer was told of %d ends, want 1: what was cut off is neither a failure nor a success", n)
		}
	})
}

func TestStopWithAQueueThatNotesNothing(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.queue.failFinish(errors.New("no space left on device"))
		w.start()
		w.put(0)
		synctest.Wait()
		begun := time.Now()
		w.stop()
		if err := <-w.stopped; !errors.Is(err, errUnrecorded) {
			w.t.Errorf("Run returned %v, want to be told", err)
		}
		if took := time.Since(begun); took > lastWrites {
			w.t.Errorf("stopping took %s, want %s at most", took, lastWrites)
		}
		w.stop = nil
	})
}

// An attempt may not heed that it is cut off. The receiver has to end all the same, and says what will come again.
func TestStopWithAnAttemptThatDoesNotEnd(t *testing.T) {
	var logged []string
	log := funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})
	bubble(t, func(o *Options) { o.Logger = log }, func(w *world) {
		w.target.set(func(_ context.Context, d *Delivery) Result {
			if d.ID < 3 {
				time.Sleep(time.Hour)
			}
			return delivered
		})
		w.start()
		for range 3 {
			w.put(0)
		}
		synctest.Wait()
		begun := time.Now()
		w.end()
		w.stop = nil
		if took := time.Since(begun); took != DefaultGrace+lastLanding {
			w.t.Errorf("stopping took %s, want %s", took, DefaultGrace+lastLanding)
		}
		if want := `"endpoint"={"name"="media" "namespace"="shop"} "target"="a" "count"=2`; len(logged) != 1 || !strings.Contains(logged[0], want) {
			w.t.Errorf("logged %q, want one line with %s", logged, want)
		}
		after(2 * time.Hour) // they end at last, and nobody listens
		wantNoted(w, "3 delivered")
	})
}
