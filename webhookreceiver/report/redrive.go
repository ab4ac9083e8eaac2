// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

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
	if value := cut(e.route.Redrive, maxRedriveBytes); value != e.redriven {
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
	n, err := w.again(ctx, o.e, queue.Selection{Endpoint: queue.Endpoint{Namespace: at.Key.Namespace, Name: at.Key.Name}})
	if err != nil {
		w.Logger.Error(err, "dead letters are not redriven; it is tried again", "endpoint", at.Key)
		return
	}
	o.e.mu.Lock()
	o.e.redriven = value
	o.e.mu.Unlock()
	w.Recorder.touch(o.e)
	if err := w.Recorder.Save(); err != nil {
		w.Logger.Error(err, "the totals are not saved")
	}
	w.tell(ctx, at, value, n, now)
}

// again has the queue deliver dead letters again, and their numbers found out.
func (w *Writer) again(ctx context.Context, e *endpoint, which queue.Selection) (int, error) {
	n, err := w.Queue.Redrive(ctx, which)
	if n > 0 {
		w.recount.Store(true)
		w.Recorder.touch(e)
	}
	if n > 0 || err == nil {
		w.Logger.Info("Dead letters are delivered again", "endpoint", e.key, "target", which.Target, "count", n)
	}
	return n, err
}

// ErrNotServed means that dead letters would have nowhere to go: they would be let go of after a while.
var ErrNotServed = errors.New("is not served by this receiver, so its dead letters would have nowhere to go")

// Redrive delivers an endpoint's dead letters again, as the annotation does, those that are chosen. It returns how many, also beside an
// error. Any goroutine may call it.
func (w *Writer) Redrive(ctx context.Context, which queue.Selection) (int, error) {
	e := w.Recorder.lookup(types.NamespacedName{Namespace: which.Endpoint.Namespace, Name: which.Endpoint.Name})
	if e == nil {
		return 0, fmt.Errorf("endpoint %s/%s %w", which.Endpoint.Namespace, which.Endpoint.Name, ErrNotServed)
	}
	if which.Target != "" && !e.has(which.Target) {
		return 0, fmt.Errorf("target %s of endpoint %s %w", which.Target, e.key, ErrNotServed)
	}
	n, err := w.again(ctx, e, which)
	if n > 0 {
		w.askedMu.Lock()
		if w.asked == nil {
			w.asked = map[*endpoint]int{}
		}
		w.asked[e] += n
		w.askedMu.Unlock()
	}
	return n, err
}

// has says whether the routes have a target.
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
	for e, n := range asked {
		e.mu.Lock()
		at := e.route
		e.mu.Unlock()
		if at != nil {
			w.tell(ctx, at, now.String(), n, now)
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
	w.Logger.Info("Dead letters are discarded", "endpoint", which.Endpoint.Namespace+"/"+which.Endpoint.Name, "target", which.Target, "count", n)
	return n, err
}

// tell leaves an Event on the endpoint.
func (w *Writer) tell(ctx context.Context, at *route.Endpoint, value string, n int, now time.Time) {
	if w.Events == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	event := events.Redriven(at, n, now, sha256.Sum256([]byte(value)), w.Instance)
	if err := w.Events.Create(ctx, event); err != nil && !apierrors.IsAlreadyExists(err) {
		w.Logger.Error(err, "the Event of a redrive is not written", "endpoint", at.Key)
	}
}
