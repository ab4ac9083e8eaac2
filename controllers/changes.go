// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
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
	for k, changed := range a.told {
		reason, note := verdict.ChangeEvent(k.cause)
		a.events.write(a.Triggers[k.object].CloudinaryTrigger, corev1.EventTypeNormal, reason, "Sync", note,
			excerpt.Shorten(strings.Join(changed, ", "), verdict.MaxEventText))
	}
}
