// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// judge holds the world at rest against what it has to be.
func (r *run) judge() {
	r.judgeDeleted()
	r.judgeTriggers()
	r.judgeForeign()
	r.judgeWishes()
}

// stranded reports whether an object holds something to which no Secret of its gives access any
// more: the one that it was written with has come to name another product environment. It has to
// wait for a person.
func (r *run) stranded(t *v1alpha1.CloudinaryTrigger) bool {
	present := ""
	if ep := r.api.endpoint(namespace, t.Spec.EndpointRef.Name); ep != nil {
		present = ep.Spec.CredentialsSecretRef.Name
	}
	return slices.ContainsFunc(t.Status.Registrations, func(reg v1alpha1.Registration) bool {
		return cloudOf(reg.SecretRef.Name) != reg.CloudName && cloudOf(present) != reg.CloudName
	})
}

func cloudOf(secret string) string {
	_, cloud, _ := strings.Cut(secrets[secret], "@")
	return cloud
}

// judgeDeleted: what is being deleted is gone, and no Secret is held for nothing.
func (r *run) judgeDeleted() {
	if slices.ContainsFunc(r.api.triggers(), r.stranded) {
		return
	}
	for _, kind := range []string{kindEndpoint, kindTrigger, kindSecret} {
		for _, n := range r.api.names(kind) {
			if o := r.api.objects[n]; o.GetDeletionTimestamp() != nil && !r.names(n) && !r.cannotMove(n) {
				r.violated("%s %s is still being deleted: finalizers %v", kind, n.name, o.GetFinalizers())
			}
		}
	}
	for _, n := range r.api.names(kindSecret) {
		if o := r.api.objects[n]; len(o.GetFinalizers()) > 0 && !r.names(n) && !r.recorded(n) {
			r.violated("Secret %s is held, and nothing needs it", n.name)
		}
	}
}

// cannotMove reports whether a trigger that was written with a Secret is refused in the other
// product environment where it is wanted now, such as for the limit of URLs: then it stays where it
// is, and needs that Secret, until there is room.
func (r *run) cannotMove(secret name) bool {
	return secret.kind == kindSecret && slices.ContainsFunc(r.api.triggers(), func(t *v1alpha1.CloudinaryTrigger) bool {
		ep := r.api.endpoint(namespace, t.Spec.EndpointRef.Name)
		if t.DeletionTimestamp != nil || ep == nil || !meta.IsStatusConditionFalse(t.Status.Conditions, v1alpha1.ConditionAccepted) {
			return false
		}
		wanted := cloudOf(ep.Spec.CredentialsSecretRef.Name)
		return slices.ContainsFunc(t.Status.Registrations, func(reg v1alpha1.Registration) bool {
			return reg.SecretRef.Name == secret.name && reg.CloudName != wanted
		})
	})
}

// recorded reports whether something was written with the Secret.
func (r *run) recorded(secret name) bool {
	return slices.ContainsFunc(r.api.triggers(), func(t *v1alpha1.CloudinaryTrigger) bool {
		return slices.ContainsFunc(t.Status.Registrations, func(reg v1alpha1.Registration) bool { return reg.SecretRef.Name == secret.name })
	})
}

// names reports whether an endpoint that is to stay has the Secret.
func (r *run) names(secret name) bool {
	return secret.kind == kindSecret && slices.ContainsFunc(r.api.names(kindEndpoint), func(n name) bool {
		ep := r.api.endpoint(n.namespace, n.name)
		return ep.DeletionTimestamp == nil && ep.Spec.CredentialsSecretRef.Name == secret.name
	})
}

// judgeTriggers: each trigger that a manager has made, and may not leave behind, stands in one
// status. No two are at one place.
func (r *run) judgeTriggers() {
	at := map[place]string{}
	for _, name := range cloudNames {
		c := r.clouds[name]
		for _, t := range c.triggers() {
			held := r.ledger.recorded(t.ID)
			switch {
			case len(held) > 1 && !slices.ContainsFunc(held, func(h holding) bool { return r.stranded(h.object) }):
				r.violated("%s stands in the statuses of %s and %s", t.ID[:6], held[0].object.Name, held[1].object.Name)
			case len(held) == 0 && r.ledger.ours[t.ID] && !r.ledger.letGo[t.ID] && !r.intended(placeOf(name, t)):
				r.violated("%s (%s at %s in %s) is leaked", t.ID[:6], t.EventType, t.URI, name)
			case len(held) == 0:
				continue
			}
			p := placeOf(name, t)
			if other := at[p]; other != "" && !r.ledger.moved[other] && !r.ledger.moved[t.ID] {
				r.violated("%s and %s are both at %v", other[:6], t.ID[:6], p)
			}
			at[p] = t.ID
		}
	}
	for _, t := range r.api.triggers() {
		for _, h := range holdings(t) {
			if h.ID == "" && h.IntendedAt != nil && !h.overdue() && !r.stranded(t) {
				r.violated("%s still has an intent: %s at %s", t.Name, h.EventType, h.url)
			}
		}
	}
}

// judgeForeign: what belongs to others is byte for byte as they left it.
func (r *run) judgeForeign() {
	for _, name := range cloudNames {
		c := r.clouds[name]
		for _, t := range c.triggers() {
			if want, foreign := r.ledger.foreign[t.ID]; foreign {
				if have := asText(t); have != want {
					r.violated("a foreign trigger was changed:\n- %s\n+ %s", want, have)
				}
				delete(r.ledger.foreign, t.ID)
			}
		}
	}
	for _, gone := range r.ledger.foreign {
		r.violated("a foreign trigger is gone: %s", gone)
	}
}

// wish is a place that an object wants.
type wish struct {
	place
	object *v1alpha1.CloudinaryTrigger
	url    string
}

// judgeWishes: each place that an object wants, and an older one does not, has the trigger that the
// spec describes, or the object says for a good reason why not.
func (r *run) judgeWishes() {
	objects := r.api.triggers()
	slices.SortStableFunc(objects, func(a, b *v1alpha1.CloudinaryTrigger) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	taken := map[place]bool{}
	for _, t := range objects {
		for _, p := range r.keptPlaces(t) {
			taken[p] = true
		}
	}
	for _, t := range objects {
		wishes := r.wishes(t)
		if len(wishes) == 0 {
			continue
		}
		excused := false
		for _, w := range wishes {
			if taken[w.place] {
				excused = true
				r.expectReason(t, v1alpha1.ReasonConflict)
				continue
			}
			taken[w.place] = true
			excused = r.judgeWish(w) || excused
		}
		if !excused && !r.stranded(t) {
			r.judgeReady(t, wishes)
		}
	}
}

// keptPlaces are those that an object keeps whatever others want: all that it has while nobody
// knows what it wants, and what it has in another product environment while it does not have all
// that it wants in its own.
func (r *run) keptPlaces(t *v1alpha1.CloudinaryTrigger) []place {
	ep := r.api.endpoint(namespace, t.Spec.EndpointRef.Name)
	var places []place
	for _, h := range holdings(t) {
		if h.overdue() {
			continue
		}
		if ep != nil && (h.cloud == cloudOf(ep.Spec.CredentialsSecretRef.Name) || r.arrived(t)) {
			continue
		}
		places = append(places, place{h.cloud, plan.CanonicalURL(h.url), h.EventType})
		if at, ok := r.clouds[h.cloud].trigger(h.ID); ok {
			places = append(places, placeOf(h.cloud, at))
		}
	}
	return places
}

// arrived reports whether the object has a trigger for each of its wishes.
func (r *run) arrived(t *v1alpha1.CloudinaryTrigger) bool {
	for _, w := range r.wishes(t) {
		if !slices.ContainsFunc(holdings(t), func(h holding) bool { return h.ID != "" && h.cloud == w.cloud && h.EventType == w.eventType }) {
			return false
		}
	}
	return true
}

func (r *run) wishes(t *v1alpha1.CloudinaryTrigger) []wish {
	ep := r.api.endpoint(namespace, t.Spec.EndpointRef.Name)
	if ep == nil || t.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve || t.DeletionTimestamp != nil || ep.DeletionTimestamp != nil {
		return nil
	}
	cloud := cloudOf(ep.Spec.CredentialsSecretRef.Name)
	var all []wish
	for _, eventType := range t.Spec.EventTypes {
		all = append(all, wish{place{cloud, plan.CanonicalURL(ep.Spec.URL), eventType}, t, ep.Spec.URL})
	}
	return all
}

// judgeWish reports whether the object is excused from having the trigger.
func (r *run) judgeWish(w wish) bool {
	for _, h := range holdings(w.object) {
		t, exists := r.clouds[w.cloud].trigger(h.ID)
		if h.cloud != w.cloud || !exists || placeOf(w.cloud, t) != w.place {
			continue
		}
		if difference := differs(t, &w.object.Spec); difference != "" {
			return r.excused(w, true, "has a trigger at %v that differs in %s", w.place, difference)
		}
		return false
	}
	return r.excused(w, false, "has no trigger at %v", w.place)
}

// excused reports whether the object names a reason that holds.
func (r *run) excused(w wish, has bool, what string, args ...any) bool {
	reasons := reasonsOf(w.object)
	urls, used, theirs := map[string]bool{}, false, r.inTheWay(w)
	for _, t := range r.clouds[w.cloud].triggers() {
		if t.URIType != plan.WebhookType {
			continue
		}
		urls[t.URI] = true // the server may count spellings
		used = used || t.URI == w.url
	}
	refused := slices.ContainsFunc(reasons, func(reason string) bool { // of several the message tells all, and the reason the first
		return slices.Contains([]string{v1alpha1.ReasonConflict, v1alpha1.ReasonAlreadyExists, v1alpha1.ReasonURLLimitReached}, reason)
	})
	switch {
	case refused && theirs && (has || w.object.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyRefuse),
		refused && !used && len(urls) >= min(r.urlLimit, r.options.URLLimit),
		slices.Contains(reasons, v1alpha1.ReasonPlaceTaken) && theirs,
		slices.Contains(reasons, v1alpha1.ReasonNotConverging) && (r.lossy || r.meddled >= maxMeddling):
		return true
	}
	r.violated("%s %s, and its reasons %v do not excuse it: %+v", w.object.Name, fmt.Sprintf(what, args...), reasons, w.object.Status)
	return true
}

// inTheWay reports whether there is somebody else's trigger at the place, perhaps under another
// spelling of the URL, which the server may tell apart.
func (r *run) inTheWay(w wish) bool {
	return slices.ContainsFunc(r.clouds[w.cloud].triggers(), func(t simulator.Trigger) bool {
		return t.URIType == plan.WebhookType && placeOf(w.cloud, t) == w.place && len(r.ledger.recorded(t.ID)) == 0
	})
}

// otherwiseSpelled reports whether the trigger at the place has another spelling of the URL. To a
// server that tells them apart, an update to the present one is another URL.
func (r *run) otherwiseSpelled(w wish) bool {
	return slices.ContainsFunc(r.clouds[w.cloud].triggers(), func(t simulator.Trigger) bool {
		return placeOf(w.cloud, t) == w.place && t.URI != w.url
	})
}

func reasonsOf(t *v1alpha1.CloudinaryTrigger) []string {
	var reasons []string
	for _, c := range t.Status.Conditions {
		if c.Status != metav1.ConditionTrue {
			reasons = append(reasons, c.Reason)
		}
	}
	return reasons
}

func (r *run) expectReason(t *v1alpha1.CloudinaryTrigger, reason string) {
	if !slices.Contains(reasonsOf(t), reason) {
		r.violated("%s should say %s, and has %v", t.Name, reason, t.Status.Conditions)
	}
}

// judgeReady: an object that has all it wants says so, and has nothing else.
func (r *run) judgeReady(t *v1alpha1.CloudinaryTrigger, wishes []wish) {
	c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady)
	excused := r.lossy && slices.Contains(reasonsOf(t), v1alpha1.ReasonNotConverging) ||
		slices.Contains(reasonsOf(t), v1alpha1.ReasonPlaceTaken) && slices.ContainsFunc(wishes, r.inTheWay) ||
		slices.Contains(reasonsOf(t), v1alpha1.ReasonURLLimitReached) && slices.ContainsFunc(wishes, r.otherwiseSpelled)
	if c == nil || c.ObservedGeneration != t.Generation || c.Status != metav1.ConditionTrue && !excused {
		r.violated("%s has all that it wants, and is not Ready at generation %d: %+v", t.Name, t.Generation, c)
	}
	if held := slices.DeleteFunc(holdings(t), holding.overdue); len(held) != len(wishes) {
		r.violated("%s wants %d triggers and holds %d: %+v", t.Name, len(wishes), len(held), t.Status.Registrations)
	}
}

// differs names the first setting in which a trigger is not as the spec has it.
func differs(t simulator.Trigger, s *v1alpha1.CloudinaryTriggerSpec) string {
	scheme := cmp.Or(string(s.AuthScheme), plan.DefaultAuthScheme)
	switch {
	case *t.Additive != (s.Additive != nil && *s.Additive):
		return "additive"
	case t.AuthScheme != scheme:
		return "authScheme"
	case canonical(t.Filter) != canonicalRaw(s.Filter):
		return "filter"
	case canonical(t.PayloadTemplate) != canonicalRaw(s.PayloadTemplate):
		return "payloadTemplate"
	default:
		return ""
	}
}

func canonical(object *map[string]any) string {
	if object == nil {
		return ""
	}
	text, err := json.Marshal(*object)
	if err != nil {
		return err.Error()
	}
	c, _ := plan.CanonicalJSON(text)
	return c
}

func canonicalRaw(e *runtime.RawExtension) string {
	if e == nil {
		return ""
	}
	c, _ := plan.CanonicalJSON(e.Raw)
	return c
}
