// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// What Synced=True says.
const (
	triggerDone  = "Cloudinary has what the spec says"
	endpointDone = "the product environment's triggers are read with the endpoint's credentials"
)

// Calls are what keeps calls from being made in an environment.
type Calls struct {
	Failed *resolve.Problem // why the last one failed: the next one waits
	Barred *resolve.Problem // why nothing can be written with the object's credentials
	Short  bool             // changes wait until there are calls for them
}

// explain is why a state waits that would go away by calls.
func (c Calls) explain(synced *resolve.Problem) *resolve.Problem {
	switch {
	case synced == nil || !v1alpha1.WaitsForCalls(synced.Reason):
		return synced
	case c.Failed != nil:
		return c.Failed
	case synced.Reason == v1alpha1.ReasonConfirming:
		return synced
	case c.Barred != nil:
		return c.Barred
	case c.Short:
		return ShareSpent()
	default:
		return synced
	}
}

// Trigger is what is said of a trigger whose primary the environment is, after a plan of it. It
// also returns the units that have to release something first.
func Trigger(s *resolve.Scope, t *resolve.Trigger, v plan.Verdict, use *LimitUse, c Calls) (Assessment, []resolve.Unit) {
	a := Assessment{Accepted: t.Problem, Notes: t.Notes, Done: triggerDone}
	accepted, synced := verdictProblems(t, v.Findings, use)
	if a.Accepted == nil {
		a.Accepted = accepted
	}
	a.Synced = c.explain(synced)
	left, wake := leaving(s.World, t, s.Environment)
	if a.Synced == nil {
		a.Synced = left
	}
	return a.withWayOut(t), wake
}

// Unread is what is said of a trigger in an environment of which nothing was ever read. It reports
// too whether the status stays as it is: it speaks of the spec as it is, from a time when the
// environment could be read.
func Unread(t *resolve.Trigger, cause *resolve.Problem) (a Assessment, stays bool) {
	if t.Known() {
		return Assessment{}, true
	}
	a = Assessment{Accepted: t.Problem, Notes: t.Notes, Done: triggerDone, Synced: cause, Unknown: t.DeletionTimestamp == nil}
	return a.withWayOut(t), false
}

// WhyUnread is why nothing was ever read of an environment.
func WhyUnread(failed *resolve.Problem, inDoubt bool) *resolve.Problem {
	switch {
	case failed != nil:
		return failed
	case inDoubt:
		return listInDoubt()
	default:
		return &resolve.Problem{Reason: v1alpha1.ReasonUnavailable, Message: "the triggers of the product environment have not been read yet"}
	}
}

// NotTried is what is said of credentials that no call was made with.
func NotTried() *resolve.Problem {
	return &resolve.Problem{Reason: v1alpha1.ReasonPending, Message: "the credentials have not been tried yet"}
}

// Unresolved is what is said of a trigger that leads to no environment, for a cause or, if that is
// nil, for its own problem. What it holds is left to the environments where it does; these are
// returned. It reports too whether the status stays as it is: it was known before an outage how the
// trigger stands.
func Unresolved(w *resolve.World, t *resolve.Trigger, cause *resolve.Problem) (a Assessment, wake []resolve.Unit, stays bool) {
	if resolve.Passing(cause) && t.Known() {
		return Assessment{}, nil, true
	}
	a = Assessment{
		Accepted: t.Problem, Notes: t.Notes, Done: triggerDone,
		Synced: cause, Unknown: resolve.Passing(cause) && t.DeletionTimestamp == nil,
	}
	var own cloudinary.Environment
	if t.Endpoint != nil {
		own = t.Endpoint.Environment // it leads there still, and why no call is accepted is the cause already
	}
	left, wake := leaving(w, t, own)
	if left != nil {
		a.Synced, a.Unknown = left, false
	}
	if a.Accepted == nil && a.Synced == nil {
		a.Synced = NotTried()
	}
	return a.withWayOut(t), wake, false
}

// leaving is that something is left in environments other than the trigger's own. It returns these
// too where the pass has brought news: two environments with objects that move in opposite
// directions, and are held up, would else wake each other for ever.
func leaving(w *resolve.World, t *resolve.Trigger, own cloudinary.Environment) (*resolve.Problem, []resolve.Unit) {
	seen := t.Status.ObservedGeneration
	news := seen == nil || *seen != t.Generation || !equality.Semantic.DeepEqual(t.Before, t.Status.Registrations)
	var p *resolve.Problem
	var wake []resolve.Unit
	for _, reg := range t.Status.Registrations {
		e := resolve.RegistrationEnvironment(reg)
		forsaken := slices.Contains(t.Forsaken, e)
		if e == own || t.Stance == plan.Keeps && !forsaken {
			continue
		}
		if news {
			wake = append(wake, resolve.UnitOfEnvironment(e))
		}
		if _, ok := w.Member(resolve.RegistrationSecret(reg), e); !ok {
			return &resolve.Problem{Reason: v1alpha1.ReasonCredentialsMissing, Message: credentialsMissing(reg) + whyMissing(w, t, resolve.RegistrationSecret(reg))}, wake
		}
		p = &resolve.Problem{Reason: v1alpha1.ReasonReleasing, Message: fmt.Sprintf("triggers in %s are still to be released", e)}
		if forsaken {
			p.Message += fmt.Sprintf(", since Secret %s is being deleted and no endpoint names it", resolve.RegistrationSecret(reg))
		}
	}
	return p, wake
}

func credentialsMissing(reg v1alpha1.Registration) string {
	return fmt.Sprintf("triggers are left in %s, and Secret %s gives no access to it any more; restore its credentials, or end the wait with the annotation %s: \"true\", which leaves the triggers behind",
		resolve.RegistrationEnvironment(reg), resolve.RegistrationSecret(reg), v1alpha1.AnnotationAbandon)
}

// whyMissing is what is wrong with a Secret that is there, for those of its own namespace.
func whyMissing(w *resolve.World, t *resolve.Trigger, secret plan.Key) string {
	s, known := w.Secret(secret)
	if !known || s.Problem == nil || t.Namespace != secret.Namespace {
		return ""
	}
	return " (" + s.Problem.Message + ")"
}

// withWayOut names the way out of a deletion that needs a person.
func (a Assessment) withWayOut(t *resolve.Trigger) Assessment {
	if t.DeletionTimestamp == nil || a.Synced == nil || !v1alpha1.NeedsPerson(a.Synced.Reason) ||
		strings.Contains(a.Synced.Message, v1alpha1.AnnotationAbandon) {
		return a
	}
	a.Synced = &resolve.Problem{Reason: a.Synced.Reason, Message: a.Synced.Message + "; or end the wait with the annotation " +
		v1alpha1.AnnotationAbandon + ": \"true\", which leaves the triggers behind"}
	return a
}

// DeletionWaits is why a deletion waits for a person from now on; nil: it does not, or the status
// says so already.
func (a Assessment) DeletionWaits(t *resolve.Trigger) *resolve.Problem {
	if t.DeletionTimestamp == nil || a.Synced == nil || !v1alpha1.NeedsPerson(a.Synced.Reason) {
		return nil
	}
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionSynced); c != nil && c.Reason == a.Synced.Reason {
		return nil
	}
	return a.Synced
}

// EnvironmentState is what there is to say of an environment to its endpoints.
type EnvironmentState struct {
	Calls       // barred is of no endpoint in particular here
	Unread bool // it was never listed
	URLs   int  // that it holds
	Limit  int  // of URLs
}

// Endpoint is what is said of an endpoint whose primary the environment is. Its credentials are
// barred from writes for a reason, if that is not nil.
func Endpoint(s *resolve.Scope, ep *resolve.Endpoint, e EnvironmentState, barred *resolve.Problem, k Keys) Assessment {
	a := assessmentOf(ep)
	_, member := s.World.Member(ep.Secret, s.Environment)
	a.Notes = slices.Concat(a.Notes, keyNotes(s, ep, member, k.Pool), limitNotes(e.URLs, e.Limit))
	a.Synced, a.Unknown = e.Failed, e.Unread
	if member && a.Synced == nil {
		a.Synced = barred
	}
	if a.Synced == nil && ep.Spec.Receiver != nil {
		a.Synced = k.ProblemOf(ep)
	}
	return a.whileReleasing(ep)
}

// WaitingEndpoint is what is said of an endpoint whose Secret leads nowhere, for a cause or, if
// that is nil, for its own problem.
func WaitingEndpoint(ep *resolve.Endpoint, cause *resolve.Problem) Assessment {
	a := assessmentOf(ep)
	a.Synced, a.Unknown = cause, resolve.Passing(cause)
	return a.whileReleasing(ep)
}

// whileReleasing says of an endpoint that is being deleted what it waits for.
func (a Assessment) whileReleasing(ep *resolve.Endpoint) Assessment {
	if ep.DeletionTimestamp != nil && a.Synced == nil {
		a.Synced = &resolve.Problem{Reason: v1alpha1.ReasonReleasing, Message: "triggers that use this endpoint are still to be released"}
	}
	return a
}

// assessmentOf is what there is to say of an endpoint without its environment.
func assessmentOf(v *resolve.Endpoint) Assessment {
	return Assessment{Accepted: v.Problem, Notes: slices.Concat(v.Warnings, v.Notes), Done: endpointDone}
}

// nearLimit is the share of the limit of URLs from which on people are warned.
const nearLimit = 0.9

// limitNotes warns before the limit of URLs is reached.
func limitNotes(urls, limit int) []check.Finding {
	if float64(urls) < nearLimit*float64(limit) {
		return nil
	}
	return []check.Finding{{Why: "nearly all notification URLs that the product environment may hold are in use, see status.environment.urls; further ones will be refused"}}
}
