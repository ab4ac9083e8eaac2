// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Trigger is a trigger's manifest with its references resolved.
type Trigger struct {
	*v1alpha1.CloudinaryTrigger
	Key         plan.Key
	EndpointKey plan.Key
	Endpoint    *Endpoint // nil: it does not exist, or may not be used
	Primary     Unit
	Stance      plan.Stance              // in the primary's environment
	Forsaken    []cloudinary.Environment // where it gives up its triggers, wherever its spec leads
	settings    plan.Settings
	Problem     *Problem        // Accepted=False
	Notes       []check.Finding // further notes on the spec
	// IsPrimary reports whether the present unit writes the conditions of the trigger.
	IsPrimary bool
	Before    []v1alpha1.Registration // the registrations when it was resolved
}

// ResolveTrigger resolves a trigger's endpoint, and finds out what the operator may do for it.
func (w *World) ResolveTrigger(t *v1alpha1.CloudinaryTrigger) Trigger {
	v := Trigger{
		CloudinaryTrigger: t,
		Key:               KeyOf(t),
		EndpointKey:       TriggerEndpoint(t),
		Stance:            plan.Wants,
		Before:            t.Status.Registrations,
	}
	v.Primary = UnitOfEndpoint(v.EndpointKey)
	if ep := w.Endpoints[v.EndpointKey]; ep != nil {
		v.Endpoint = w.resolveOnce(ep)
		v.Primary = v.Endpoint.Primary
	}
	if t.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		v.Stance = plan.Observes
	}
	own := check.Trigger(&t.Spec)
	v.Notes = v.withoutRefutedDoubts(check.Notes(own))
	if stance, p := v.referenceProblem(w); p != nil {
		v.Stance, v.Problem = stance, p
	} else if p := v.checkSpec(own); p != nil {
		v.Stance, v.Problem = plan.Keeps, p
	}
	if t.DeletionTimestamp != nil {
		v.Stance = plan.Releases
	}
	v.Forsaken = v.findForsaken(w)
	return v
}

// findForsaken finds the environments in which the trigger gives up its triggers, even if it is
// unknown where its spec leads: all Secrets that wrote them are being deleted, and no endpoint
// names them. A reference must not keep somebody else's Secret, and with it a namespace, from
// deletion. A trigger with an endpoint in the Secret's namespace gives up nothing: the person who
// deletes the Secret can correct or delete that endpoint, and may be about to name another Secret.
func (v *Trigger) findForsaken(w *World) []cloudinary.Environment {
	goes := func(secret plan.Key) bool {
		state, known := w.Secret(secret)
		return known && state.Deleting && !w.NamesSecret(secret) && (v.Endpoint == nil || v.Endpoint.Namespace != secret.Namespace)
	}
	var forsaken []cloudinary.Environment
	for _, reg := range v.Status.Registrations {
		if goes(RegistrationSecret(reg)) {
			forsaken = append(forsaken, RegistrationEnvironment(reg))
		}
	}
	return slices.DeleteFunc(forsaken, func(env cloudinary.Environment) bool {
		return slices.ContainsFunc(v.Status.Registrations, func(reg v1alpha1.Registration) bool {
			return RegistrationEnvironment(reg) == env && !goes(RegistrationSecret(reg))
		})
	})
}

// TriggerEndpoint is the endpoint that a trigger names.
func TriggerEndpoint(t *v1alpha1.CloudinaryTrigger) plan.Key {
	k := plan.Key{Namespace: t.Spec.EndpointRef.Namespace, Name: t.Spec.EndpointRef.Name}
	if k.Namespace == "" {
		k.Namespace = t.Namespace
	}
	return k
}

// referenceProblem is the problem of the endpoint, and the stance that follows from it.
func (v *Trigger) referenceProblem(w *World) (plan.Stance, *Problem) {
	switch ep := v.Endpoint; {
	case ep == nil:
		return plan.Keeps, &Problem{Reason: v1alpha1.ReasonEndpointNotFound, Message: fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s does not exist%s. Create it, or correct the reference", v.EndpointKey, w.outside(v.EndpointKey.Namespace))}
	case w.permits(ep.NotificationEndpoint, v.Namespace) == denied:
		return plan.Releases, &Problem{Reason: v1alpha1.ReasonEndpointNotAllowed, Message: fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s does not allow triggers from namespace %s. Its owner must set spec.allowedTriggers.namespaces to from: All, or to a selector for this namespace. "+
				"The operator deletes or keeps this object's triggers by spec.deletionPolicy",
			v.EndpointKey, v.Namespace)}
	case ep.DeletionTimestamp != nil:
		return plan.Releases, &Problem{Reason: v1alpha1.ReasonEndpointDeleting, Message: fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s is being deleted. Refer to another one, or delete this object", v.EndpointKey)}
	case w.permits(ep.NotificationEndpoint, v.Namespace) == unclear && ep.Problem == nil:
		return plan.Keeps, &Problem{Reason: v1alpha1.ReasonEndpointWaiting, Message: fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s allows namespaces by label, and the labels of namespace %s have not been read yet", v.EndpointKey, v.Namespace)}
	case ep.Problem != nil && ep.Namespace == v.Namespace:
		return plan.Keeps, &Problem{Reason: ep.Problem.Reason, Message: fmt.Sprintf("NotificationEndpoint %s: %s", v.EndpointKey, ep.Problem.Message)}
	case ep.Problem != nil && !v1alpha1.NeedsPerson(ep.Problem.Reason):
		return plan.Keeps, &Problem{Reason: v1alpha1.ReasonEndpointWaiting, Message: fmt.Sprintf(
			"NotificationEndpoint %s is waiting (%s). Its conditions say for what", v.EndpointKey, ep.Problem.Reason)}
	case ep.Problem != nil:
		return plan.Keeps, &Problem{Reason: v1alpha1.ReasonEndpointNotAccepted, Message: fmt.Sprintf(
			"NotificationEndpoint %s is not accepted (%s). Its conditions say what to do", v.EndpointKey, ep.Problem.Reason)}
	default:
		return plan.Wants, nil
	}
}

// withoutRefutedDoubts turns doubts into plain notes once Cloudinary has a trigger for each of the
// event types.
func (v *Trigger) withoutRefutedDoubts(notes []check.Finding) []check.Finding {
	if v.Primary.Kind != EnvironmentUnit || !v.arrivedIn(v.Primary.Environment) {
		return notes
	}
	certain := slices.Clone(notes)
	for i := range certain {
		certain[i].Severity = check.Note
	}
	return certain
}

// checkSpec checks a trigger together with its endpoint, and collects the settings.
func (v *Trigger) checkSpec(own []check.Finding) *Problem {
	if p := refusal(own); p != nil {
		return p
	}
	s := plan.Settings{AuthScheme: string(v.Spec.AuthScheme)}
	if s.AuthScheme == "" {
		s.AuthScheme = plan.DefaultAuthScheme
	}
	if v.Spec.Additive != nil {
		s.Additive = *v.Spec.Additive
	}
	if f := v.Spec.Filter; f != nil {
		s.Filter, _ = plan.CanonicalJSON(f.Raw) // the check has read it
	}
	if t := v.Spec.PayloadTemplate; t != nil {
		s.PayloadTemplate, _ = plan.CanonicalJSON(t.Raw) // as above
	}
	if p := v.signatureProblem(); p != nil {
		return p
	}
	v.settings = s
	v.Notes = append(v.Notes, check.TypesWithoutTarget(v.EndpointKey.String(), &v.Endpoint.Spec, v.Spec.EventTypes)...)
	for _, w := range v.Endpoint.Warnings {
		v.Notes = append(v.Notes, check.Finding{Severity: w.Severity, Why: fmt.Sprintf("NotificationEndpoint %s: %s", v.EndpointKey, w)})
	}
	return nil
}

// object is the trigger as the plan of one environment sees it.
func (v *Trigger) object(env cloudinary.Environment) plan.Object {
	o := plan.Object{
		Key: v.Key, Created: v.CreationTimestamp.Time, Stance: v.Stance,
		EventTypes: v.Spec.EventTypes, Settings: v.settings,
		RefuseAdopt: v.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyRefuse,
		Deletion:    deletionOf(&v.Spec),
		Records:     RecordsIn(v.Status.Registrations, env),
	}
	if v.Endpoint != nil {
		o.URL, o.Secret = v.Endpoint.URL, v.Endpoint.Secret
	}
	if v.Primary != UnitOfEnvironment(env) {
		o.Stance = v.stanceElsewhere(env)
	}
	return o
}

// stanceElsewhere is the stance in another environment than the one to which the spec leads. The
// trigger leaves it once the new environment has taken its place. While it is unknown where the
// spec leads, its triggers stay there, unless it is forsaken.
func (v *Trigger) stanceElsewhere(env cloudinary.Environment) plan.Stance {
	switch {
	case v.Stance == plan.Releases, slices.Contains(v.Forsaken, env):
		return plan.Releases
	case v.Stance == plan.Keeps, v.Primary.Kind != EnvironmentUnit:
		return plan.Keeps
	case v.Stance == plan.Wants && !v.arrivedIn(v.Primary.Environment):
		return plan.Keeps
	default:
		return plan.Releases
	}
}

// arrivedIn reports whether each event type has its trigger in an environment.
func (v *Trigger) arrivedIn(env cloudinary.Environment) bool {
	there := map[string]bool{}
	for _, rec := range RecordsIn(v.Status.Registrations, env) {
		there[rec.EventType] = there[rec.EventType] || rec.ID != ""
	}
	for _, eventType := range v.Spec.EventTypes {
		if !there[eventType] {
			return false
		}
	}
	return true
}

// deletionOf is the effective deletion policy: an object that only observes writes nothing, even at
// its end.
func deletionOf(spec *v1alpha1.CloudinaryTriggerSpec) plan.Deletion {
	switch {
	case spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve, spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain:
		return plan.RetainAll
	case spec.DeletionPolicy == v1alpha1.DeletionPolicyDelete:
		return plan.DeleteAll
	default:
		return plan.DeleteCreated
	}
}

// StatusIsCurrent reports whether the status is about the present spec.
func (v *Trigger) StatusIsCurrent() bool {
	g := v.Status.ObservedGeneration
	return g != nil && *g == v.Generation && v.Problem == nil && v.DeletionTimestamp == nil
}
