// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

type clientObject = client.Object

func (r *run) context() context.Context { return context.Background() }

const namespace = "shop"

// The names of which histories are made: few, so that people get into each other's way.
var (
	cloudNames    = []string{"alpha", "beta"}
	endpointNames = []string{"e1", "e2", "e3"}
	triggerNames  = []string{"t1", "t2", "t3", "t4", "t5"}
	eventTypes    = []string{"upload", "delete", "eager", "rename"}
	urls          = []string{"https://hooks.example.com/a", "https://Hooks.example.com:443/a", "https://hooks.example.com/b", "https://hooks.example.com/c?token=x", "https://other.example.com"}
	filters       = []string{"", "", `{"==":[{"var":"resource_type"},"image"]}`, `{"startsWith":[{"var":"public_id"},"shop/"]}`}
	templates     = []string{"", "", `{"id":"{{asset.public_id}}"}`}
)

// secrets are what each Secret holds when all is well.
var secrets = map[string]string{
	"one": credentials(keyOne, "alpha"), "two": credentials(keyTwo, "alpha"), "other": credentials(keyOne, "beta"),
}

func credentials(key simulator.Credentials, cloud string) string {
	return fmt.Sprintf("cloudinary://%s:%s@%s", key.APIKey, key.APISecret, cloud)
}

func at(kind, object string) name { return name{kind, namespace, object} }

// populate is how each history begins.
func (r *run) populate() {
	r.populateSecrets()
	for range 2 + r.upTo(3) {
		r.createEndpoint()
	}
	for range 1 + r.upTo(5) {
		r.createTrigger()
	}
}

func (r *run) populateSecrets() {
	for _, secret := range []string{"one", "two", "other"} {
		r.createSecret(secret)
	}
}

func (r *run) createSecret(name string) bool {
	return r.api.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"CLOUDINARY_URL": []byte(secrets[name])},
	})
}

// act is one thing that somebody does.
func (r *run) act() {
	acts := []func(){
		r.createTrigger, r.createTrigger, r.createTrigger, r.editTrigger, r.editTrigger, r.editTrigger, r.deleteTrigger, r.deleteTrigger,
		r.moveEventType, r.moveEventType, r.renameTrigger, r.renameTrigger, r.createEndpoint, r.editEndpoint, r.editEndpoint, r.deleteEndpoint, r.rotate, r.deleteSecret,
		r.createForeign, r.createForeign, r.meddle, r.notify, r.wait,
	}
	choose(r, acts)()
}

func (r *run) wait() { r.advance(r.between(0, 100*time.Second)) }

func (r *run) notify() { r.api.notified(at(kindTrigger, choose(r, triggerNames))) }

func raw(text string) *runtime.RawExtension {
	if text == "" {
		return nil
	}
	return &runtime.RawExtension{Raw: []byte(text)}
}

func (r *run) someEventTypes() []string {
	types := slices.Clone(eventTypes)
	r.random.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
	return types[:1+r.upTo(2)]
}

func (r *run) vary(s *v1alpha1.CloudinaryTriggerSpec) {
	s.Filter, s.PayloadTemplate = raw(choose(r, filters)), raw(choose(r, templates))
	s.AuthScheme = choose(r, []v1alpha1.AuthScheme{"", "", v1alpha1.AuthSchemeLegacyHMAC})
	s.Additive = nil
	if r.one(3) {
		s.Additive = new(true)
	}
}

func (r *run) createTrigger() {
	t := &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: choose(r, triggerNames)}}
	t.Spec.EndpointRef.Name = choose(r, endpointNames)
	t.Spec.EventTypes = r.someEventTypes()
	r.vary(&t.Spec)
	t.Spec.DeletionPolicy = choose(r, []v1alpha1.DeletionPolicy{"", "", v1alpha1.DeletionPolicyDelete, v1alpha1.DeletionPolicyRetain})
	t.Spec.AdoptionPolicy = choose(r, []v1alpha1.AdoptionPolicy{"", "", v1alpha1.AdoptionPolicyRefuse})
	if r.api.create(t) {
		r.note("create trigger %s", describe(t))
	}
}

func describe(t *v1alpha1.CloudinaryTrigger) string {
	s := t.Spec
	text := fmt.Sprintf("%s %v at %s", t.Name, s.EventTypes, s.EndpointRef.Name)
	for _, policy := range []string{string(s.DeletionPolicy), string(s.AdoptionPolicy), string(s.ManagementPolicy), string(s.AuthScheme)} {
		if policy != "" {
			text += " " + policy
		}
	}
	if s.Filter != nil {
		text += " " + string(s.Filter.Raw)
	}
	if s.PayloadTemplate != nil {
		text += " " + string(s.PayloadTemplate.Raw)
	}
	if s.Additive != nil {
		text += " additive"
	}
	return text
}

func (r *run) editTrigger() {
	n := at(kindTrigger, choose(r, triggerNames))
	edit(r.api, n, func(t *v1alpha1.CloudinaryTrigger) {
		s := &t.Spec
		switch r.random.IntN(7) {
		case 0, 1:
			s.EventTypes = r.someEventTypes()
		case 2, 3:
			r.vary(s)
		case 4:
			s.EndpointRef.Name = choose(r, endpointNames)
		case 5:
			s.DeletionPolicy = choose(r, []v1alpha1.DeletionPolicy{"", v1alpha1.DeletionPolicyDelete, v1alpha1.DeletionPolicyRetain})
		default:
			s.AdoptionPolicy = choose(r, []v1alpha1.AdoptionPolicy{"", v1alpha1.AdoptionPolicyAdopt, v1alpha1.AdoptionPolicyRefuse})
			s.ManagementPolicy = choose(r, []v1alpha1.ManagementPolicy{"", "", v1alpha1.ManagementPolicyObserve})
		}
		r.note("edit trigger %s", describe(t))
	})
}

func (r *run) deleteTrigger() {
	if n := at(kindTrigger, choose(r, triggerNames)); r.api.delete(n) {
		r.note("delete trigger %s", n.name)
	}
}

// moveEventType takes an event type from one object and gives it to another, in either order.
func (r *run) moveEventType() {
	from, to, eventType := choose(r, triggerNames), choose(r, triggerNames), choose(r, eventTypes)
	take := func() {
		edit(r.api, at(kindTrigger, from), func(t *v1alpha1.CloudinaryTrigger) {
			if rest := slices.DeleteFunc(slices.Clone(t.Spec.EventTypes), func(e string) bool { return e == eventType }); len(rest) > 0 {
				t.Spec.EventTypes = rest
			}
		})
	}
	give := func() {
		edit(r.api, at(kindTrigger, to), func(t *v1alpha1.CloudinaryTrigger) {
			if !slices.Contains(t.Spec.EventTypes, eventType) {
				t.Spec.EventTypes = append(t.Spec.EventTypes, eventType)
			}
		})
	}
	r.note("move %s from %s to %s", eventType, from, to)
	if r.coin() {
		take, give = give, take
	}
	take()
	give()
}

// renameTrigger is what GitOps tools make of a new name: another object with the same spec, and the
// old one deleted.
func (r *run) renameTrigger() {
	old, ok := r.api.objects[at(kindTrigger, choose(r, triggerNames))].(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return
	}
	renamed := &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: choose(r, triggerNames)}, Spec: *old.Spec.DeepCopy()}
	if r.api.create(renamed) {
		r.note("rename %s to %s", old.Name, renamed.Name)
		r.api.delete(nameOf(old))
	}
}

func (r *run) createEndpoint() {
	ep := &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: choose(r, endpointNames)}}
	ep.Spec.URL = choose(r, urls)
	ep.Spec.CredentialsSecretRef.Name = choose(r, []string{"one", "one", "two", "other"})
	if r.api.create(ep) {
		r.note("create endpoint %s: %s with %s", ep.Name, ep.Spec.URL, ep.Spec.CredentialsSecretRef.Name)
	}
}

func (r *run) editEndpoint() {
	edit(r.api, at(kindEndpoint, choose(r, endpointNames)), func(ep *v1alpha1.NotificationEndpoint) {
		if r.one(3) {
			ep.Spec.CredentialsSecretRef.Name = choose(r, []string{"one", "two", "other"})
		} else {
			ep.Spec.URL = choose(r, urls)
		}
		r.note("edit endpoint %s: %s with %s", ep.Name, ep.Spec.URL, ep.Spec.CredentialsSecretRef.Name)
	})
}

func (r *run) deleteEndpoint() {
	if n := at(kindEndpoint, choose(r, endpointNames)); r.one(2) && r.api.delete(n) {
		r.note("delete endpoint %s", n.name)
	}
}

// rotate gives a Secret another key, a wrong one, no sense, or another product environment; or
// mends it.
func (r *run) rotate() {
	secret := choose(r, []string{"one", "one", "two", "other"})
	value := choose(r, []string{
		secrets[secret], secrets[secret], credentials(keyOne, "alpha"), credentials(keyTwo, "alpha"), credentials(keyTwo, "beta"),
		credentials(simulator.Credentials{APIKey: "333333333333333", APISecret: "refused"}, "alpha"), "nonsense",
	})
	r.note("Secret %s: %s", secret, value)
	r.setSecret(secret, value)
}

func (r *run) setSecret(secret, value string) {
	edit(r.api, at(kindSecret, secret), func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(value)} })
}

// deleteSecret deletes a Secret now and then, or brings it back: a history without credentials has
// little that can go wrong.
func (r *run) deleteSecret() {
	secret := choose(r, []string{"one", "two", "other"})
	if r.createSecret(secret) {
		r.note("create Secret %s", secret)
	} else if r.one(3) && r.api.delete(at(kindSecret, secret)) {
		r.note("delete Secret %s", secret)
	}
}

// mend lets each Secret hold again what it should. One that is being deleted serves as long as an
// endpoint names it.
func (r *run) mend() {
	for _, secret := range []string{"one", "two", "other"} {
		r.createSecret(secret)
		r.setSecret(secret, secrets[secret])
	}
}

// clockError is how far the manager may be wrong about Cloudinary's clock, by which it tells
// whether a trigger is older than an intent.
const clockError = 8 * time.Second

// createForeign is somebody else's trigger. At a place for which a call of the manager is under way
// it would be taken for the result of that call, also if it is seconds older: ADR 2 says so, and
// here nobody does it.
func (r *run) createForeign() {
	c := r.clouds[choose(r, cloudNames)]
	url, eventType := choose(r, urls), choose(r, eventTypes)
	if r.intending() || r.intended(place{c.name, plan.CanonicalURL(url), eventType}) {
		return
	}
	body := map[string]any{"uri": url, "event_type": eventType}
	if r.coin() {
		body["additive"] = true
	}
	if r.one(8) {
		body["uri_type"], body["uri"] = "flow", "some-flow"
	}
	id, ok := c.person(http.MethodPost, "", body)
	if !ok {
		return
	}
	r.note("somebody creates %s: %s at %s in %s", id[:6], eventType, url, c.name)
	r.ledger.made(c, id)
	r.advance(clockError)
}

// intending reports whether a process is about to store an intent.
func (r *run) intending() bool {
	return r.leader != nil && r.leader.intending || r.frozen != nil && r.frozen.intending
}

// intended reports whether a call that creates a trigger there is under way.
func (r *run) intended(p place) bool {
	for _, t := range r.api.triggers() {
		for _, reg := range t.Status.Registrations {
			for _, held := range reg.Triggers {
				if held.ID == "" && (place{reg.CloudName, plan.CanonicalURL(reg.URL), held.EventType}) == p {
					return true
				}
			}
		}
	}
	return false
}

// maxMeddling is how often people change triggers of ours in a run: fewer than would make the
// manager give in.
const maxMeddling = 2

// meddle changes or deletes a trigger in the Console: one of ours, or a foreign one.
func (r *run) meddle() {
	c := r.clouds[choose(r, cloudNames)]
	all := c.triggers()
	if len(all) == 0 {
		return
	}
	t := choose(r, all)
	_, foreign := r.ledger.foreign[t.ID]
	if !foreign && (r.meddled >= maxMeddling || len(r.ledger.recorded(t.ID)) == 0) {
		return // where a call's answer was lost, its result is looked for at its place
	}
	if r.one(3) || r.blind && !foreign { // settings that no list shows nobody could put right
		if _, ok := c.person(http.MethodDelete, "/"+t.ID, nil); ok {
			r.note("somebody deletes %s (%s at %s in %s)", t.ID[:6], t.EventType, t.URI, c.name)
			delete(r.ledger.foreign, t.ID)
		}
		return
	}
	body := map[string]any{"new_uri": t.URI, "auth_scheme": choose(r, []string{"default", "eddsa_v2"}), "additive": r.coin()}
	if t.URIType == "webhook" && r.coin() {
		body = map[string]any{"new_uri": choose(r, urls)}
	}
	if t.URIType != "webhook" || r.intended(place{c.name, plan.CanonicalURL(fmt.Sprint(body["new_uri"])), t.EventType}) {
		return
	}
	if _, ok := c.person(http.MethodPut, "/"+t.ID, body); !ok {
		return
	}
	r.note("somebody changes %s (%s at %s in %s): %v", t.ID[:6], t.EventType, t.URI, c.name, strings.TrimPrefix(fmt.Sprint(body), "map"))
	if foreign {
		r.ledger.made(c, t.ID)
	} else {
		r.meddled++
		r.ledger.moved[t.ID] = true
		r.ledger.notePlace(c, t.ID)
	}
}
