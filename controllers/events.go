// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// note logs a change at Cloudinary, and keeps it for the Events.
func (a *applier) note(ctx context.Context, s plan.Step, out plan.Outcome) {
	if s.Unlisted && s.Cause == plan.CauseDrift {
		return // it was as it is to be
	}
	id := s.ID
	if s.Action == plan.Create {
		id = out.Trigger.ID
	}
	logf.FromContext(ctx).Info("Changed a trigger at Cloudinary",
		"action", s.Action.String(), "cause", string(s.Cause), "trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "triggerID", id)
	a.Metrics.changes.WithLabelValues(s.Action.String(), string(s.Cause)).Inc()
	if s.Cause == plan.CauseIgnored && s.Action == plan.Delete {
		return // the create that follows tells the story
	}
	k := told{s.Object, s.Cause}
	a.told[k] = append(a.told[k], fmt.Sprintf("%s (%s)", s.EventType, id))
}

// tell leaves an Event where a person would wonder.
func (a *applier) tell() {
	texts := map[plan.Cause]struct{ reason, note string }{
		plan.CauseSpec:     {"Written", "Written to Cloudinary as in the spec: %s"},
		plan.CauseAdoption: {"Adopted", "Existed already, and was changed to the spec: %s"},
		plan.CauseDrift:    {"DriftRepaired", "Somebody changed or deleted this at Cloudinary; it was set back to the spec: %s"},
		plan.CauseIgnored:  {"Replaced", "Cloudinary ignored an update in place, so it was deleted and created again: %s"},
		plan.CauseReleased: {"Deleted", "Deleted at Cloudinary, because no spec asks for it any more: %s"},
	}
	for k, changed := range a.told {
		text := texts[k.cause]
		a.event(a.Triggers[k.object].CloudinaryTrigger, corev1.EventTypeNormal, text.reason, text.note, excerpt.Shorten(strings.Join(changed, ", "), verdict.MaxEventText))
	}
}

// ReportingController is who the manager's Events are from: kubectl describe shows it under From. The receiver's have the same form.
const ReportingController = "notifications.cloudinary.dev/manager"

// tellTurn leaves an Event on an object that a person has to see to from now on, and on one that is well again.
func (r *Reconciler) tellTurn(o client.Object, before, after []metav1.Condition) {
	if r.Events == nil || o.GetDeletionTimestamp() != nil { // what keeps an object from going has an Event of its own
		return
	}
	of := turn.Subject{UID: o.GetUID(), Condition: v1alpha1.ConditionStalled}
	switch r.turns.Turn(of, stateOf(before), stateOf(after), r.Now()) {
	case turn.Nothing:
	case turn.Trouble:
		stalled := meta.FindStatusCondition(after, v1alpha1.ConditionStalled)
		r.Events.Eventf(o, nil, corev1.EventTypeWarning, stalled.Reason, "Reconcile", "%s", excerpt.Shorten(stalled.Message, verdict.MaxEventText))
	case turn.WellAgain:
		r.Events.Eventf(o, nil, corev1.EventTypeNormal, v1alpha1.ReasonReady, "Reconcile", "Well again: accepted and synced.")
	}
}

// stateOf is how an object fares by its conditions.
func stateOf(conditions []metav1.Condition) turn.State {
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		return turn.State{Trouble: c.Reason}
	}
	return turn.State{Well: meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady)}
}

func (r *Reconciler) event(t *v1alpha1.CloudinaryTrigger, kind, reason, note string, args ...any) {
	if r.Events != nil {
		r.Events.Eventf(t, nil, kind, reason, "Sync", note, args...)
	}
}
