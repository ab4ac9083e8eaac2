// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
)

// ChangeEvent is the reason and the note of an Event about changes at Cloudinary. The note has a
// place for what was changed.
func ChangeEvent(cause plan.Cause) (reason, note string) {
	switch cause {
	case plan.CauseSpec:
		return "Written", "Written to Cloudinary as in the spec: %s"
	case plan.CauseAdoption:
		return "Adopted", "Existed already, and was changed to the spec: %s"
	case plan.CauseDrift:
		return "DriftRepaired", "Somebody changed or deleted this at Cloudinary; it was set back to the spec: %s"
	case plan.CauseIgnored:
		return "Replaced", "Cloudinary ignored an update in place, so it was deleted and created again: %s"
	case plan.CauseReleased:
		return "Deleted", "Deleted at Cloudinary, because no spec asks for it any more: %s"
	default:
		return "Changed", "Changed at Cloudinary: %s"
	}
}

// StateOf is how an object fares by its conditions.
func StateOf(conditions []metav1.Condition) turn.State {
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		return turn.State{Trouble: c.Reason}
	}
	return turn.State{Well: meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady)}
}
