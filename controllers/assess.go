// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// world is what a pass reads once and judges by: the objects in the cache and what is known of Secrets.
type world struct {
	endpoints map[plan.Key]*v1alpha1.NotificationEndpoint
	triggers  []*v1alpha1.CloudinaryTrigger
	// namespaces are the labels of all namespaces, where an endpoint goes by them.
	namespaces map[string]labels.Set

	secret   func(plan.Key) (secretState, bool)
	accepted func(cloudinary.Credentials) bool
	options  *Options
	views    map[plan.Key]*endpointView   // nil but in a snapshot
	inUse    map[plan.Key]bool            // see usesEndpoint; nil: not looked for yet
	named    map[plan.Key]bool            // see namesSecret; as above
	brought  map[plan.Key]map[string]bool // see unbrought; as above
	partial  bool                         // there may be triggers that are not among these
	// pathToken is the part of an endpoint's address that nobody can guess.
	pathToken func(*v1alpha1.NotificationEndpoint) (string, *problem)
}

// outside says that a namespace is not among those that are watched, as the rest of a sentence; it is empty where it is.
func (w *world) outside(namespace string) string {
	if w.options.watches(namespace) {
		return ""
	}
	return " in the namespaces of the manager's --watch-namespaces"
}

// endpointView is an endpoint with its references resolved.
type endpointView struct {
	*v1alpha1.NotificationEndpoint
	key         plan.Key
	secret      plan.Key
	url         string
	environment cloudinary.Environment // zero until the Secret can be used
	primary     Unit
	problem     *problem        // Accepted=False
	warnings    []check.Finding // notes that concern the endpoint's triggers too
	notes       []check.Finding // those of the endpoint alone
}

// viewEndpoint resolves an endpoint's URL and credentials.
func (w *world) viewEndpoint(ep *v1alpha1.NotificationEndpoint) endpointView {
	v := endpointView{
		NotificationEndpoint: ep,
		key:                  plan.Key{Namespace: ep.Namespace, Name: ep.Name},
	}
	v.secret, v.environment, v.primary = w.leadsTo(ep)
	var kept string
	v.url, v.warnings, kept, v.problem = w.endpointURL(ep)
	if v.notes = pathNotes(ep); kept != "" {
		v.notes = append(v.notes, check.Finding{Why: kept})
	}
	own := check.Endpoint(&ep.Spec)
	if v.problem == nil {
		v.problem = refusal(own)
	}
	if v.problem == nil {
		v.problem = w.permissionProblem(ep)
	}
	v.notes = slices.Concat(v.notes, check.Notes(own), w.unbrought(ep))
	state, known := w.secret(v.secret)
	switch {
	case !known: // its unit will read it
	case state.problem != nil:
		v.problem = state.problem
	case state.deleting && ep.DeletionTimestamp == nil:
		v.warnings = append(v.warnings, check.Finding{
			Why:    fmt.Sprintf("Secret %s is being deleted, and is held while an endpoint names it", v.secret),
			Advice: "refer to another Secret, or delete the endpoints",
		})
	case state.contested != "":
		v.warnings = append(v.warnings, check.Finding{Why: fmt.Sprintf("Secret %s: %s", v.secret, state.contested)})
	}
	return v
}

// refusal is why a manifest is not accepted, with all there is to correct; nil: it is.
func refusal(found []check.Finding) *problem {
	refused := check.Refusals(found)
	if len(refused) == 0 {
		return nil
	}
	return &problem{refused[0].Reason, check.Join(refused)}
}

// endpointURL is what Cloudinary notifies, with what there is to know of it, and of an address that is kept.
func (w *world) endpointURL(ep *v1alpha1.NotificationEndpoint) (url string, notes []check.Finding, kept string, _ *problem) {
	url, field := ep.Spec.URL, check.FieldURL
	if ep.Spec.Receiver != nil {
		base := ep.Spec.Receiver.BaseURL
		field = check.FieldBaseURL
		if base == "" {
			base, field = w.options.ReceiverBaseURL, "the manager's --receiver-base-url"
		}
		if base == "" {
			return "", nil, "", &problem{
				v1alpha1.ReasonBaseURLMissing,
				"spec.receiver.baseURL is not set, and neither is the manager's --receiver-base-url; set one to the address under which the receiver is reached from the internet",
			}
		}
		var path string
		var p *problem
		if path, kept, p = w.receiverPath(ep); p != nil {
			return "", nil, "", p
		}
		url = strings.TrimRight(base, "/") + path
	}
	found := check.URL(field, url)
	if p := refusal(found); p != nil {
		return "", nil, "", p
	}
	return url, check.Notes(found), kept, nil
}

// triggerView is a trigger as its manifest and its references have it.
type triggerView struct {
	*v1alpha1.CloudinaryTrigger
	key         plan.Key
	endpointKey plan.Key
	endpoint    *endpointView // nil: there is none, or it may not be used
	primary     Unit
	stance      plan.Stance              // in the primary's environment
	forsaken    []cloudinary.Environment // in which it gives up what it has, wherever its spec may lead
	settings    plan.Settings
	problem     *problem        // Accepted=False
	notes       []check.Finding // what else there is to say of the spec
}

// viewTrigger resolves a trigger's endpoint, and finds out what may be done for it.
func (w *world) viewTrigger(t *v1alpha1.CloudinaryTrigger) triggerView {
	v := triggerView{
		CloudinaryTrigger: t,
		key:               plan.Key{Namespace: t.Namespace, Name: t.Name},
		endpointKey:       endpointKeyOf(t),
		stance:            plan.Wants,
	}
	v.primary = endpointUnit(v.endpointKey)
	if ep := w.endpoints[v.endpointKey]; ep != nil {
		v.endpoint = w.viewOnce(ep)
		v.primary = v.endpoint.primary
	}
	if t.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		v.stance = plan.Observes
	}
	own := check.Trigger(&t.Spec)
	v.notes = v.undoubted(check.Notes(own))
	if stance, p := v.referenceProblem(w); p != nil {
		v.stance, v.problem = stance, p
	} else if p := v.checkSpec(own); p != nil {
		v.stance, v.problem = plan.Holds, p
	}
	if t.DeletionTimestamp != nil {
		v.stance = plan.Releases
	}
	v.forsaken = v.findForsaken(w)
	return v
}

// findForsaken finds the environments in which the trigger gives up what it has, also while it is not known where its spec leads: all
// Secrets that this was written with are being deleted, and no endpoint names them. Nobody's reference keeps other people's Secret, and
// their namespace with it, from going. As long as the trigger has an endpoint beside the Secret it gives nothing up: whoever deletes the
// one can mend or delete the other, and may just be about to name another Secret.
func (v *triggerView) findForsaken(w *world) []cloudinary.Environment {
	goes := func(secret plan.Key) bool {
		state, known := w.secret(secret)
		return known && state.deleting && !w.namesSecret(secret) && (v.endpoint == nil || v.endpoint.Namespace != secret.Namespace)
	}
	var forsaken []cloudinary.Environment
	for _, reg := range v.Status.Registrations {
		if goes(secretOf(reg)) {
			forsaken = append(forsaken, environmentOf(reg))
		}
	}
	return slices.DeleteFunc(forsaken, func(env cloudinary.Environment) bool {
		return slices.ContainsFunc(v.Status.Registrations, func(reg v1alpha1.Registration) bool {
			return environmentOf(reg) == env && !goes(secretOf(reg))
		})
	})
}

func endpointKeyOf(t *v1alpha1.CloudinaryTrigger) plan.Key {
	k := plan.Key{Namespace: t.Spec.EndpointRef.Namespace, Name: t.Spec.EndpointRef.Name}
	if k.Namespace == "" {
		k.Namespace = t.Namespace
	}
	return k
}

// referenceProblem says what is wrong with the endpoint, and what that means for what the trigger has.
func (v *triggerView) referenceProblem(w *world) (plan.Stance, *problem) {
	switch ep := v.endpoint; {
	case ep == nil:
		return plan.Holds, &problem{v1alpha1.ReasonEndpointNotFound, fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s does not exist%s; create it, or correct the reference", v.endpointKey, w.outside(v.endpointKey.Namespace))}
	case w.permits(ep.NotificationEndpoint, v.Namespace) == denied:
		return plan.Releases, &problem{v1alpha1.ReasonEndpointNotAllowed, fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s does not allow triggers from namespace %s; its spec.allowedTriggers.namespaces would have to be from: All, or select this namespace by its labels; "+
				"what the trigger had at Cloudinary is deleted or kept as its spec.deletionPolicy says",
			v.endpointKey, v.Namespace)}
	case ep.DeletionTimestamp != nil:
		return plan.Releases, &problem{v1alpha1.ReasonEndpointDeleting, fmt.Sprintf(
			"spec.endpointRef: NotificationEndpoint %s is being deleted; refer to another one, or delete this object", v.endpointKey)}
	case w.permits(ep.NotificationEndpoint, v.Namespace) == unclear && ep.problem == nil:
		return plan.Holds, &problem{v1alpha1.ReasonEndpointWaiting, fmt.Sprintf(
			"spec.endpointRef: the labels of namespace %s have not been read yet, by which NotificationEndpoint %s says who may use it", v.Namespace, v.endpointKey)}
	case ep.problem != nil && ep.Namespace == v.Namespace:
		return plan.Holds, &problem{ep.problem.reason, fmt.Sprintf("NotificationEndpoint %s: %s", v.endpointKey, ep.problem.message)}
	case ep.problem != nil && !needsPerson(ep.problem.reason):
		return plan.Holds, &problem{v1alpha1.ReasonEndpointWaiting, fmt.Sprintf(
			"NotificationEndpoint %s waits for something that is still to come (%s); its own conditions say for what", v.endpointKey, ep.problem.reason)}
	case ep.problem != nil:
		return plan.Holds, &problem{v1alpha1.ReasonEndpointNotAccepted, fmt.Sprintf(
			"NotificationEndpoint %s is not accepted (%s); its own conditions say what to do", v.endpointKey, ep.problem.reason)}
	default:
		return plan.Wants, nil
	}
}

// undoubted makes notes of doubts that Cloudinary has settled: it has a trigger for each of the event types.
func (v *triggerView) undoubted(notes []check.Finding) []check.Finding {
	if v.primary.Kind != EnvironmentUnit || !v.arrivedIn(v.primary.Environment) {
		return notes
	}
	settled := slices.Clone(notes)
	for i := range settled {
		settled[i].Severity = check.Note
	}
	return settled
}

// checkSpec judges a trigger together with its endpoint, and gathers the settings.
func (v *triggerView) checkSpec(own []check.Finding) *problem {
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
	v.notes = append(v.notes, check.Untaken(v.endpointKey.String(), &v.endpoint.Spec, v.Spec.EventTypes)...)
	for _, w := range v.endpoint.warnings {
		v.notes = append(v.notes, check.Finding{Severity: w.Severity, Why: fmt.Sprintf("NotificationEndpoint %s: %s", v.endpointKey, w)})
	}
	return nil
}

// object is the trigger as the plan of one environment sees it.
func (v *triggerView) object(env cloudinary.Environment) plan.Object {
	o := plan.Object{
		Key: v.key, Created: v.CreationTimestamp.Time, Stance: v.stance,
		EventTypes: v.Spec.EventTypes, Settings: v.settings,
		RefuseAdopt: v.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyRefuse,
		Deletion:    deletionOf(&v.Spec),
		Records:     recordsIn(v.Status.Registrations, env),
	}
	if v.endpoint != nil {
		o.URL, o.Secret = v.endpoint.url, v.endpoint.secret
	}
	if v.primary != environmentUnit(env) {
		o.Stance = v.stanceElsewhere(env)
	}
	return o
}

// stanceElsewhere is the stance in an environment that is not (or not yet) the one the spec leads to. It is left once another
// one has taken its place; while it is not known where the spec leads, what is there stays, unless it is forsaken.
func (v *triggerView) stanceElsewhere(env cloudinary.Environment) plan.Stance {
	switch {
	case v.stance == plan.Releases, slices.Contains(v.forsaken, env):
		return plan.Releases
	case v.stance == plan.Holds, v.primary.Kind != EnvironmentUnit:
		return plan.Holds
	case v.stance == plan.Wants && !v.arrivedIn(v.primary.Environment):
		return plan.Holds
	default:
		return plan.Releases
	}
}

// arrivedIn says whether each event type has its trigger in an environment.
func (v *triggerView) arrivedIn(env cloudinary.Environment) bool {
	there := map[string]bool{}
	for _, rec := range recordsIn(v.Status.Registrations, env) {
		there[rec.EventType] = there[rec.EventType] || rec.ID != ""
	}
	for _, eventType := range v.Spec.EventTypes {
		if !there[eventType] {
			return false
		}
	}
	return true
}

// deletionOf is the deletion policy as it is to be carried out: who only observes writes nothing, even at the end.
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
