// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// assessment is what conditions say: nil problems mean that all is well.
type assessment struct {
	accepted *problem
	synced   *problem
	unknown  bool            // Synced is Unknown and not False
	notes    []check.Finding // what else there is to say, whatever is accepted: in Accepted, and in Ready, which is what people list
	done     string          // the message of Synced=True
}

const specAccepted = "the spec is valid and its references are allowed"

// needsPerson reports whether a reason does not go away by itself: Stalled is True with it, and Reconciling with all others.
func needsPerson(reason string) bool { return v1alpha1.NeedsPerson(reason) }

// conditions brings the manager's conditions up to date. What is unchanged keeps its time of transition.
func (a assessment) conditions(existing []metav1.Condition, generation int64, now metav1.Time) []metav1.Condition {
	ours := slices.DeleteFunc(slices.Clone(existing), func(c metav1.Condition) bool { return !managed(c.Type) })
	set := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&ours, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: sentence(message),
			ObservedGeneration: generation, LastTransitionTime: now,
		})
	}
	synced := a.synced
	if a.accepted != nil && synced == nil {
		synced = &problem{v1alpha1.ReasonNotAccepted, "not all of the spec is accepted, see the condition Accepted"}
	}
	if a.accepted == nil {
		set(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted, check.Annotate(specAccepted, a.notes))
	} else {
		set(v1alpha1.ConditionAccepted, metav1.ConditionFalse, a.accepted.reason, check.Annotate(a.accepted.message, a.notes))
	}
	switch {
	case synced == nil:
		set(v1alpha1.ConditionSynced, metav1.ConditionTrue, v1alpha1.ReasonSynced, a.done)
	case a.unknown:
		set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, synced.reason, synced.message)
	default:
		set(v1alpha1.ConditionSynced, metav1.ConditionFalse, synced.reason, synced.message)
	}
	a.setReady(&ours, synced, set)
	slices.SortFunc(ours, func(x, y metav1.Condition) int { return strings.Compare(x.Type, y.Type) })
	return ours
}

// sentence makes a message of a clause, or of several. What begins with the path of a field keeps its beginning.
func sentence(clause string) string {
	if word, _, _ := strings.Cut(clause, " "); word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") == "" {
		clause = strings.ToUpper(clause[:1]) + clause[1:]
	}
	if clause == "" || strings.HasSuffix(clause, ".") {
		return clause
	}
	return clause + "."
}

// setReady sets Ready, and the pair that kstatus looks at. A condition that stays is not removed in between: its time of transition
// would change, and an unchanged state would be written again and again.
func (a assessment) setReady(ours *[]metav1.Condition, synced *problem, set func(string, metav1.ConditionStatus, string, string)) {
	cause := a.accepted
	if cause == nil {
		cause = synced
	}
	if cause == nil {
		meta.RemoveStatusCondition(ours, v1alpha1.ConditionReconciling)
		meta.RemoveStatusCondition(ours, v1alpha1.ConditionStalled)
		set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, check.Annotate("accepted and synced", a.notes))
		return
	}
	status := metav1.ConditionFalse
	if a.accepted == nil && a.unknown {
		status = metav1.ConditionUnknown
	}
	set(v1alpha1.ConditionReady, status, cause.reason, check.Annotate(cause.message, a.notes))
	present, absent := v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled
	if !needsPerson(cause.reason) && synced != nil && needsPerson(synced.reason) {
		cause = synced // the spec may come right by itself, and the state still not
	}
	if needsPerson(cause.reason) {
		present, absent = absent, present
	}
	meta.RemoveStatusCondition(ours, absent)
	set(present, metav1.ConditionTrue, cause.reason, cause.message)
}

func managed(conditionType string) bool {
	switch conditionType {
	case v1alpha1.ConditionAccepted, v1alpha1.ConditionSynced, v1alpha1.ConditionReady,
		v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
		return true
	default:
		return false
	}
}

// verdictProblems turns a plan's findings into the problems of the spec and of the state. Of each the most important is the
// reason; the message has all.
func verdictProblems(t *triggerView, findings []plan.Finding, use *limitUse) (accepted, synced *problem) {
	for _, f := range findings {
		p := &problem{string(f.Problem), message(t, f, use)}
		target := &synced
		if f.Problem.OfSpec() {
			target = &accepted
		}
		if *target == nil {
			*target = p
			continue
		}
		(*target).message += "; " + p.message
	}
	return accepted, synced
}

// message tells a person what is wrong and what to do. It holds no time, and no count but that of the URLs where they have reached their limit, so
// that an unchanged state writes nothing.
func message(t *triggerView, f plan.Finding, use *limitUse) string {
	types := "event type " + joinNames(f.EventTypes)
	if len(f.EventTypes) > 1 {
		types = "event types " + joinNames(f.EventTypes)
	}
	switch f.Problem {
	case plan.Conflict:
		other := "an object in another namespace"
		if f.Other.Namespace == t.Namespace {
			other = "CloudinaryTrigger " + f.Other.String()
		}
		return fmt.Sprintf("%s: %s already has them at the same URL and is older; remove them from one of the two", types, other)
	case plan.AlreadyExists:
		if f.Alien != nil {
			return fmt.Sprintf("%s: Cloudinary has trigger %s of uri_type %s at the same URL, and takes no other one beside it; the operator never touches such triggers; "+
				"delete that trigger, or use another URL", types, f.Alien.ID, f.Alien.URIType)
		}
		return fmt.Sprintf("%s: a trigger that is not the operator's exists at the same URL, and spec.adoptionPolicy is Refuse; delete that trigger, or set Adopt", types)
	case plan.URLLimitReached:
		return fmt.Sprintf("%s: %s", types, use.explain(t.Namespace, f.Message))
	case plan.Rejected:
		return fmt.Sprintf("%s: Cloudinary refuses the trigger as it is in the spec%s; correct the spec; it is tried again then, and once an hour", types, quoteCloudinary(f.Message))
	case plan.NotConverging:
		if len(f.Missing) == len(f.EventTypes) {
			return fmt.Sprintf("%s: somebody keeps deleting the trigger, which was created anew three times within an hour; "+
				"find out who does, or take the event type out of the spec; it is tried again when the spec changes, and an hour after the last time", types)
		}
		return fmt.Sprintf("%s: Cloudinary keeps another value for %s than was sent, or somebody keeps setting it back; "+
			"nothing more is written until either side changes, and for an hour where it has changed time and again; see status.registrations for both values", types, joinNames(f.Fields))
	case plan.Drifted:
		return driftMessage(f)
	case plan.Confirming:
		return fmt.Sprintf("%s: sent; Cloudinary's list does not show it yet, it is looked at again at the next sync", types)
	case plan.Pending:
		return fmt.Sprintf("%s: to be written to Cloudinary", types)
	case plan.DeletionRefused:
		if f.Alien != nil {
			return fmt.Sprintf("%s: Cloudinary's list shows trigger %s, which the operator has made, with uri_type %s; the operator never touches such triggers; "+
				"delete it in the Console", types, f.Alien.ID, f.Alien.URIType)
		}
		return fmt.Sprintf("%s: Cloudinary refuses to delete the trigger%s; see to it there, or delete it in the Console; "+
			"it is tried again after the next list, and then ever less often, at least every 10 minutes", types, quoteCloudinary(f.Message))
	case plan.PlaceTaken:
		return fmt.Sprintf("%s: Cloudinary refuses the trigger since there is one already%s, and its list shows none; nothing is wrong with the spec; "+
			"it is tried again after the next list, and then ever less often, at least every 10 minutes", types, quoteCloudinary(f.Message))
	case plan.Releasing:
		return fmt.Sprintf("%s: triggers that are not wanted any more are still to be released", types)
	default:
		return fmt.Sprintf("%s: %s", types, f.Problem)
	}
}

func driftMessage(f plan.Finding) string {
	var parts []string
	if len(f.Fields) > 0 {
		parts = append(parts, "Cloudinary differs in "+joinNames(f.Fields)+", see status.observed")
	}
	if len(f.Missing) > 0 {
		parts = append(parts, "Cloudinary has no trigger for "+joinNames(f.Missing))
	}
	return strings.Join(parts, "; ") + "; spec.managementPolicy is Observe, so nothing is written"
}

// maxListed is how many names a message lists.
const maxListed = 10

func joinNames(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}

func quoteCloudinary(message string) string {
	if message == "" {
		return ""
	}
	return fmt.Sprintf(" (Cloudinary says %q)", message)
}
