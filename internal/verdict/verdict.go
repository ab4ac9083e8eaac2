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

// The messages of Synced=True.
const (
	triggerDone  = "Cloudinary has what the spec says"
	endpointDone = "the product environment's triggers are read with the endpoint's credentials"
)

// Calls are the reasons why the operator makes no calls in an environment.
type Calls struct {
	Failed        *resolve.Problem // the last call failed, and the next one waits
	WritesBlocked *resolve.Problem // writes with the object's credentials are blocked
	Short         bool             // changes wait until there are calls for them
}

// explain is the reason why a state persists that a call would end.
func (c Calls) explain(synced *resolve.Problem) *resolve.Problem {
	switch {
	case synced == nil || !v1alpha1.WaitsForCalls(synced.Reason):
		return synced
	case c.Failed != nil:
		return c.Failed
	case synced.Reason == v1alpha1.ReasonConfirming:
		return synced
	case c.WritesBlocked != nil:
		return c.WritesBlocked
	case c.Short:
		return ShareSpent()
	default:
		return synced
	}
}

// Trigger is the assessment of a trigger after a plan of its primary environment. It also returns
// the units that have to release something first.
func Trigger(s *resolve.Scope, t *resolve.Trigger, v plan.Verdict, use *LimitUse, c Calls) (Assessment, []resolve.Unit) {
	a := Assessment{Accepted: t.Problem, Notes: t.Notes, Done: triggerDone}
	accepted, synced := problemsOf(t, v.Findings, use)
	if a.Accepted == nil {
		a.Accepted = accepted
	}
	a.Synced = c.explain(synced)
	left, wake := leftElsewhere(s.World, t, s.Environment)
	if a.Synced == nil {
		a.Synced = left
	}
	return a.withWayOut(t), wake
}

// Unread is the assessment of a trigger in an environment that was never listed. It also reports
// whether the status stays as it is: then it is about the present spec, from a time when the
// environment could be listed.
func Unread(t *resolve.Trigger, cause *resolve.Problem) (a Assessment, stays bool) {
	if t.StatusIsCurrent() {
		return Assessment{}, true
	}
	a = Assessment{Accepted: t.Problem, Notes: t.Notes, Done: triggerDone, Synced: cause, Unknown: t.DeletionTimestamp == nil}
	return a.withWayOut(t), false
}

// WhyUnread is the reason why an environment was never listed.
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

// NotTried is the problem of credentials without a call so far.
func NotTried() *resolve.Problem {
	return &resolve.Problem{Reason: v1alpha1.ReasonPending, Message: "the credentials have not been tried yet"}
}

// Unresolved is the assessment of a trigger that leads to no environment, for a cause or, if that
// is nil, for its own problem. The environments with its triggers are returned, and their passes
// release them. It also reports whether the status stays as it is: an outage does not change what
// was known before.
func Unresolved(w *resolve.World, t *resolve.Trigger, cause *resolve.Problem) (a Assessment, wake []resolve.Unit, stays bool) {
	if resolve.IsTransient(cause) && t.StatusIsCurrent() {
		return Assessment{}, nil, true
	}
	a = Assessment{
		Accepted: t.Problem, Notes: t.Notes, Done: triggerDone,
		Synced: cause, Unknown: resolve.IsTransient(cause) && t.DeletionTimestamp == nil,
	}
	var own cloudinary.Environment
	if t.Endpoint != nil {
		// It still leads there, and the cause already says why no call is accepted
		own = t.Endpoint.Environment
	}
	left, wake := leftElsewhere(w, t, own)
	if left != nil {
		a.Synced, a.Unknown = left, false
	}
	if a.Accepted == nil && a.Synced == nil {
		a.Synced = NotTried()
	}
	return a.withWayOut(t), wake, false
}

// leftElsewhere is the problem that triggers are left in other environments than the trigger's own.
// It returns those environments only if the pass has changed something. Otherwise two environments
// with objects that move in opposite directions, and are held up, would wake each other endlessly.
func leftElsewhere(w *resolve.World, t *resolve.Trigger, own cloudinary.Environment) (*resolve.Problem, []resolve.Unit) {
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
		if _, ok := w.AcceptedCredentials(resolve.RegistrationSecret(reg), e); !ok {
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
	return fmt.Sprintf("triggers remain in %s, but Secret %s no longer gives access to it. Restore its credentials, or end the wait with the annotation %s: \"true\". The triggers then stay at Cloudinary",
		resolve.RegistrationEnvironment(reg), resolve.RegistrationSecret(reg), v1alpha1.AnnotationAbandon)
}

// whyMissing is the problem of a Secret that exists, for objects of its own namespace.
func whyMissing(w *resolve.World, t *resolve.Trigger, secret plan.Key) string {
	s, known := w.Secret(secret)
	if !known || s.Problem == nil || t.Namespace != secret.Namespace {
		return ""
	}
	return ". The problem: " + s.Problem.Message
}

// withWayOut adds the way out to a deletion that needs a person.
func (a Assessment) withWayOut(t *resolve.Trigger) Assessment {
	if t.DeletionTimestamp == nil || a.Synced == nil || !v1alpha1.NeedsPerson(a.Synced.Reason) ||
		strings.Contains(a.Synced.Message, v1alpha1.AnnotationAbandon) {
		return a
	}
	a.Synced = &resolve.Problem{Reason: a.Synced.Reason, Message: check.Sentence(a.Synced.Message) + " Or end the wait with the annotation " +
		v1alpha1.AnnotationAbandon + ": \"true\". The triggers then stay at Cloudinary"}
	return a
}

// DeletionWaits is the reason why a deletion waits for a person from now on. Nil: it does not wait,
// or the status says so already.
func (a Assessment) DeletionWaits(t *resolve.Trigger) *resolve.Problem {
	if t.DeletionTimestamp == nil || a.Synced == nil || !v1alpha1.NeedsPerson(a.Synced.Reason) {
		return nil
	}
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionSynced); c != nil && c.Reason == a.Synced.Reason {
		return nil
	}
	return a.Synced
}

// EnvironmentSummary is what an environment's endpoints report about it.
type EnvironmentSummary struct {
	Calls       // barred is of no endpoint in particular here
	Unread bool // it was never listed
	URLs   int  // that it holds
	Limit  int  // of URLs
}

// Endpoint is the assessment of an endpoint after a pass of its primary environment. writesBlocked
// is the reason why writes with its credentials are blocked, or nil.
func Endpoint(s *resolve.Scope, ep *resolve.Endpoint, e EnvironmentSummary, writesBlocked *resolve.Problem, k Keys) Assessment {
	a := assessmentOf(ep)
	_, member := s.World.AcceptedCredentials(ep.Secret, s.Environment)
	a.Notes = slices.Concat(a.Notes, keyNotes(s, ep, member, k.Pool), limitNotes(e.URLs, e.Limit))
	a.Synced, a.Unknown = e.Failed, e.Unread
	if member && a.Synced == nil {
		a.Synced = writesBlocked
	}
	if a.Synced == nil && ep.Spec.Receiver != nil {
		a.Synced = k.ProblemOf(ep)
	}
	return a.whileReleasing(ep)
}

// WaitingEndpoint is the assessment of an endpoint whose Secret leads nowhere, for a cause or, if
// that is nil, for its own problem.
func WaitingEndpoint(ep *resolve.Endpoint, cause *resolve.Problem) Assessment {
	a := assessmentOf(ep)
	a.Synced, a.Unknown = cause, resolve.IsTransient(cause)
	return a.whileReleasing(ep)
}

// whileReleasing adds the reason why the deletion of an endpoint waits.
func (a Assessment) whileReleasing(ep *resolve.Endpoint) Assessment {
	if ep.DeletionTimestamp != nil && a.Synced == nil {
		a.Synced = &resolve.Problem{Reason: v1alpha1.ReasonReleasing, Message: "triggers that use this endpoint are still to be released"}
	}
	return a
}

// assessmentOf is the assessment of an endpoint without its environment.
func assessmentOf(v *resolve.Endpoint) Assessment {
	return Assessment{Accepted: v.Problem, Notes: slices.Concat(v.Warnings, v.Notes), Done: endpointDone}
}

// nearLimit is the share of the URL limit from which on people are warned.
const nearLimit = 0.9

// limitNotes warns before the limit of URLs is reached.
func limitNotes(urls, limit int) []check.Finding {
	if float64(urls) < nearLimit*float64(limit) {
		return nil
	}
	return []check.Finding{{Why: "nearly all notification URLs of the product environment are in use (see status.environment.urls). URLs beyond the limit are refused"}}
}
