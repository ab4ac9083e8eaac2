// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// ReportingController is who the manager's Events are from: kubectl describe shows it under From.
// The receiver's have the same form.
const ReportingController = "notifications.cloudinary.dev/manager"

// eventWriter leaves Events where a person would wonder.
type eventWriter struct {
	recorder events.EventRecorder // nil: none are written
	now      func() time.Time
	turns    turn.Teller
}

// write leaves an Event on an object.
func (e *eventWriter) write(o client.Object, kind, reason, action, note string, args ...any) {
	if e.recorder != nil {
		e.recorder.Eventf(o, nil, kind, reason, action, note, args...)
	}
}

// writeTurn leaves an Event on an object that a person has to see to from now on, and on one that
// is well again.
func (e *eventWriter) writeTurn(o client.Object, before, after []metav1.Condition) {
	if e.recorder == nil || o.GetDeletionTimestamp() != nil { // what keeps an object from going has an Event of its own
		return
	}
	of := turn.Subject{UID: o.GetUID(), Condition: v1alpha1.ConditionStalled}
	switch e.turns.Turn(of, verdict.StateOf(before), verdict.StateOf(after), e.now()) {
	case turn.Nothing:
	case turn.Trouble:
		stalled := meta.FindStatusCondition(after, v1alpha1.ConditionStalled)
		e.write(o, corev1.EventTypeWarning, stalled.Reason, "Reconcile", "%s", excerpt.Shorten(stalled.Message, verdict.MaxEventText))
	case turn.WellAgain:
		e.write(o, corev1.EventTypeNormal, v1alpha1.ReasonReady, "Reconcile", "Well again: accepted and synced.")
	}
}
