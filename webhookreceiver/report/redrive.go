// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// maxRedriveBytes is how much of the annotation counts.
const maxRedriveBytes = 256

// wanted is the redrive that is to be carried out; empty if there is none.
func (e *endpoint) wanted() (string, *route.Endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.route == nil {
		return "", nil
	}
	if value := excerpt.Head(e.route.Redrive, maxRedriveBytes); value != e.redriven {
		return value, e.route
	}
	return "", nil
}

// redrive delivers an endpoint's dead letters again if its annotation asks for it. The value that was carried out is saved at once; should
// the process end in between, it is carried out again, which finds only what died since.
func (w *Writer) redrive(ctx context.Context, o *endpointObject, now time.Time) {
	value, at := o.e.wanted()
	if value == "" {
		return
	}
	done, err := w.again(ctx, o.e, queue.Selection{Endpoint: queue.Endpoint{Namespace: at.Key.Namespace, Name: at.Key.Name}})
	if err != nil {
		w.Logger.Error(err, "dead letters are not redriven; it is tried again", "endpoint", at.Key)
		return
	}
	o.e.mu.Lock()
	o.e.redriven = value
	o.e.mu.Unlock()
	o.e.touch()
	if err := w.Recorder.Save(); err != nil {
		w.Logger.Error(err, "the totals are not saved")
	}
	w.tell(ctx, at, value, done, now)
}

// Redriven is what became of dead letters that were to be delivered again.
type Redriven struct {
	// Count of them are delivered again.
	Count int
	// Kept of them stay dead letters, since the endpoint does not have their targets, KeptFor, any more.
	Kept    int
	KeptFor []string
}

// again has the queue deliver dead letters again, and their numbers found out. Those of targets that the endpoint does not have are
// left alone: they would wait for nobody.
func (w *Writer) again(ctx context.Context, e *endpoint, which queue.Selection) (done Redriven, err error) {
	letters := w.chosen(which)
	for _, target := range slices.Sorted(maps.Keys(letters)) {
		if !e.has(target) {
			done.Kept += letters[target]
			done.KeptFor = append(done.KeptFor, target)
			continue
		}
		var n int
		n, err = w.Queue.Redrive(ctx, queue.Selection{Endpoint: which.Endpoint, Target: target, IDs: which.IDs})
		if done.Count += n; err != nil {
			break
		}
	}
	if done.Count > 0 {
		w.recount.Store(true)
		e.touch()
	}
	if done.Count > 0 || err == nil {
		w.Logger.Info("Dead letters are delivered again", "endpoint", e.key, "target", which.Target, "count", done.Count)
	}
	if done.Kept > 0 {
		w.Logger.Info("Dead letters are kept, since the endpoint does not have their targets any more",
			"endpoint", e.key, "target", strings.Join(done.KeptFor, ", "), "count", done.Kept)
	}
	return done, err
}

// chosen counts the dead letters of a selection, of one endpoint, by target.
func (w *Writer) chosen(which queue.Selection) map[string]int {
	if w.Queue.Stats().Dead == 0 {
		return nil
	}
	ids := map[queue.ID]bool{}
	for _, id := range which.IDs {
		ids[id] = true
	}
	letters := map[string]int{}
	w.Queue.Items(func(item queue.Item) bool {
		if item.Dead && item.Endpoint == which.Endpoint && (which.Target == "" || item.Target == which.Target) && (which.IDs == nil || ids[item.ID]) {
			letters[item.Target]++
		}
		return true
	})
	return letters
}

// ErrNotServed means that dead letters would have nowhere to go: they would wait, and be dead letters again.
var ErrNotServed = errors.New("is not served by this receiver, so its dead letters would have nowhere to go")

// Redrive delivers an endpoint's dead letters again, as the annotation does, those that are chosen. It returns how many, also beside an
// error. Any goroutine may call it.
func (w *Writer) Redrive(ctx context.Context, which queue.Selection) (Redriven, error) {
	e := w.Recorder.lookup(types.NamespacedName{Namespace: which.Endpoint.Namespace, Name: which.Endpoint.Name})
	if e == nil {
		return Redriven{}, fmt.Errorf("endpoint %s/%s %w", which.Endpoint.Namespace, which.Endpoint.Name, ErrNotServed)
	}
	if which.Target != "" && !e.has(which.Target) {
		return Redriven{}, fmt.Errorf("target %s of endpoint %s %w", which.Target, e.key, ErrNotServed)
	}
	done, err := w.again(ctx, e, which)
	if done.Count > 0 {
		w.askedMu.Lock()
		if w.asked == nil {
			w.asked = map[*endpoint]Redriven{}
		}
		w.asked[e] = Redriven{Count: w.asked[e].Count + done.Count, Kept: done.Kept}
		w.askedMu.Unlock()
	}
	return done, err
}

// has reports whether the routes have a target.
func (e *endpoint) has(target string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.targets[target] != nil
}

// tellAsked leaves the Events of what Redrive has delivered again.
func (w *Writer) tellAsked(ctx context.Context, now time.Time) {
	w.askedMu.Lock()
	asked := w.asked
	w.asked = nil
	w.askedMu.Unlock()
	for e, done := range asked {
		e.mu.Lock()
		at := e.route
		e.mu.Unlock()
		if at != nil {
			w.tell(ctx, at, now.String(), done, now)
		}
	}
}

// Discard ends chosen dead letters undelivered, those of endpoints and targets included that are not there any more, and counts them as
// discarded. It returns how many, also beside an error. Any goroutine may call it.
func (w *Writer) Discard(ctx context.Context, which queue.Selection) (int, error) {
	now := w.Now()
	n, err := w.Queue.Discard(ctx, which, func(item queue.Item) {
		w.Observer.AttemptEnded(delivery.Attempt{
			ID: item.ID, Endpoint: item.Endpoint, Target: item.Target, EndedAt: now, Outcome: delivery.OutcomeDiscarded, Message: "discarded by hand",
		})
	})
	if n > 0 {
		w.recount.Store(true)
	}
	w.Logger.Info("Dead letters are discarded", "endpoint", types.NamespacedName{Namespace: which.Endpoint.Namespace, Name: which.Endpoint.Name}, "target", which.Target, "count", n)
	return n, err
}

// tell leaves an Event on the endpoint.
func (w *Writer) tell(ctx context.Context, at *route.Endpoint, value string, done Redriven, now time.Time) {
	if w.Events == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	event := events.Redriven(at, done.Count, done.Kept, now, sha256.Sum256([]byte(value)), w.Instance)
	if err := w.Events.Create(ctx, event); err != nil && !apierrors.IsAlreadyExists(err) {
		w.Logger.Error(err, "the Event of a redrive is not written", "endpoint", at.Key)
	}
}
