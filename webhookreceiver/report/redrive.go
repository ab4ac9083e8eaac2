// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"crypto/sha256"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
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

// redrive delivers an endpoint's dead letters again if its annotation asks for it, and says whether it did. The value that was carried out
// is saved at once; should the process end in between, it is carried out again, which finds only what died since.
func (w *Writer) redrive(ctx context.Context, o *endpointObject, now time.Time) bool {
	value, at := o.e.wanted()
	if value == "" {
		return false
	}
	n, err := w.Queue.Redrive(ctx, queue.Endpoint{Namespace: at.Key.Namespace, Name: at.Key.Name}, "")
	if err != nil {
		w.Logger.Error(err, "dead letters are not redriven; it is tried again", "endpoint", at.Key)
		return false
	}
	o.e.mu.Lock()
	o.e.redriven = value
	o.e.mu.Unlock()
	w.Recorder.touch(o.e)
	if err := w.Recorder.Save(); err != nil {
		w.Logger.Error(err, "the totals are not saved")
	}
	w.Logger.Info("Dead letters are delivered again", "endpoint", at.Key, "count", n)
	w.tell(ctx, at, value, n, now)
	return true
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
