// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Assessment is the content of the conditions. A nil problem means that the condition is True.
type Assessment struct {
	Accepted *resolve.Problem
	Synced   *resolve.Problem
	Unknown  bool // Synced is Unknown and not False
	// Further remarks, in the messages of Accepted and of Ready, which kubectl get shows
	Notes []check.Finding
	Done  string // the message of Synced=True
}

// SpecAccepted is the message of Accepted=True.
const SpecAccepted = "the spec is valid and its references are allowed"

// Conditions updates the manager's conditions. An unchanged condition keeps its time of transition.
func (a Assessment) Conditions(existing []metav1.Condition, generation int64, now metav1.Time) []metav1.Condition {
	ours := slices.DeleteFunc(slices.Clone(existing), func(c metav1.Condition) bool { return !Managed(c.Type) })
	set := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&ours, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: check.Sentence(message),
			ObservedGeneration: generation, LastTransitionTime: now,
		})
	}
	synced := a.Synced
	if a.Accepted != nil && synced == nil {
		synced = &resolve.Problem{Reason: v1alpha1.ReasonNotAccepted, Message: "part of the spec is not accepted. See the condition Accepted"}
	}
	if a.Accepted == nil {
		set(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted, check.Annotate(SpecAccepted, a.Notes))
	} else {
		set(v1alpha1.ConditionAccepted, metav1.ConditionFalse, a.Accepted.Reason, check.Annotate(a.Accepted.Message, a.Notes))
	}
	switch {
	case synced == nil:
		set(v1alpha1.ConditionSynced, metav1.ConditionTrue, v1alpha1.ReasonSynced, a.Done)
	case a.Unknown:
		set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, synced.Reason, synced.Message)
	default:
		set(v1alpha1.ConditionSynced, metav1.ConditionFalse, synced.Reason, synced.Message)
	}
	a.setReady(&ours, synced, set)
	slices.SortFunc(ours, func(x, y metav1.Condition) int { return strings.Compare(x.Type, y.Type) })
	return ours
}

// setReady sets Ready, and the pair for kstatus. It does not remove and add a condition that stays:
// its time of transition would change, and the unchanged state would be written again and again.
func (a Assessment) setReady(ours *[]metav1.Condition, synced *resolve.Problem, set func(string, metav1.ConditionStatus, string, string)) {
	cause := a.Accepted
	if cause == nil {
		cause = synced
	}
	if cause == nil {
		meta.RemoveStatusCondition(ours, v1alpha1.ConditionReconciling)
		meta.RemoveStatusCondition(ours, v1alpha1.ConditionStalled)
		set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, check.Annotate("accepted and synced", a.Notes))
		return
	}
	status := metav1.ConditionFalse
	if a.Accepted == nil && a.Unknown {
		status = metav1.ConditionUnknown
	}
	set(v1alpha1.ConditionReady, status, cause.Reason, check.Annotate(cause.Message, a.Notes))
	present, absent := v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled
	if !v1alpha1.NeedsPerson(cause.Reason) && synced != nil && v1alpha1.NeedsPerson(synced.Reason) {
		cause = synced // Accepted may recover by itself while Synced needs a person
	}
	if v1alpha1.NeedsPerson(cause.Reason) {
		present, absent = absent, present
	}
	meta.RemoveStatusCondition(ours, absent)
	set(present, metav1.ConditionTrue, cause.Reason, cause.Message)
}

// Managed reports whether a condition is the manager's.
func Managed(conditionType string) bool {
	switch conditionType {
	case v1alpha1.ConditionAccepted, v1alpha1.ConditionSynced, v1alpha1.ConditionReady,
		v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
		return true
	default:
		return false
	}
}
