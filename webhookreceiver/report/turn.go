// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
)

// tellTurns leaves an Event on an endpoint for each condition that has turned, once it is written.
func (w *Writer) tellTurns(ctx context.Context, o *endpointObject, before, after []metav1.Condition, now time.Time) {
	if w.Events == nil {
		return
	}
	for _, c := range after {
		kind := corev1.EventTypeNormal
		switch w.turns.Turn(turn.Subject{UID: o.uid, Condition: c.Type}, fares(meta.FindStatusCondition(before, c.Type)), fares(&c), now) {
		case turn.Nothing:
			continue
		case turn.Trouble:
			kind = corev1.EventTypeWarning
		case turn.WellAgain:
		}
		err := w.Events.Create(ctx, events.Turned(o.e.key, o.uid, kind, c, now, w.Instance))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			w.Logger.Error(err, "the Event of a condition is not written", "endpoint", o.e.key, "reason", c.Reason)
		}
	}
}

// fares is how an endpoint fares by one of the receiver's conditions. One that is absent says nothing.
func fares(c *metav1.Condition) turn.State {
	switch {
	case c == nil:
		return turn.State{}
	case c.Status == metav1.ConditionTrue:
		return turn.State{Well: true}
	default:
		return turn.State{Trouble: c.Reason}
	}
}
