// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Each pass goes over all objects of the cluster to find its own. What it asks of the others must cost next to nothing, whatever their
// authors wrote into them: where they lead, and what they hold.

// snapshot is the world as it is now. Each Secret is looked at once, and each endpoint resolved once, however many triggers refer to it:
// another pass may judge a Secret meanwhile, and objects of one endpoint would be taken for those of two environments.
func (w *world) snapshot() *world {
	s := *w
	type known struct {
		state secretState
		ok    bool
	}
	secrets, accepted := map[plan.Key]known{}, map[cloudinary.Credentials]bool{}
	s.secret = func(key plan.Key) (secretState, bool) {
		k, seen := secrets[key]
		if !seen {
			k.state, k.ok = w.secret(key)
			secrets[key] = k
		}
		return k.state, k.ok
	}
	s.accepted = func(c cloudinary.Credentials) bool {
		is, seen := accepted[c]
		if !seen {
			is = w.accepted(c)
			accepted[c] = is
		}
		return is
	}
	s.views = map[plan.Key]*endpointView{}
	return &s
}

// viewOnce is viewEndpoint, made once in a snapshot.
func (w *world) viewOnce(ep *v1alpha1.NotificationEndpoint) *endpointView {
	key := keyOf(ep)
	if view := w.views[key]; view != nil {
		return view
	}
	view := w.viewEndpoint(ep)
	if w.views != nil {
		w.views[key] = &view
	}
	return &view
}

// leadsTo is where an endpoint leads by its Secret: the environment is zero until that can be used, and the primary is the Secret
// until Cloudinary has accepted it.
func (w *world) leadsTo(ep *v1alpha1.NotificationEndpoint) (secret plan.Key, env cloudinary.Environment, primary Unit) {
	secret = plan.Key{Namespace: ep.Namespace, Name: ep.Spec.CredentialsSecretRef.Name}
	state, known := w.secret(secret)
	if !known || state.problem != nil {
		return secret, env, secretUnit(secret)
	}
	env = state.credentials.Environment()
	if w.accepted(state.credentials) {
		return secret, env, environmentUnit(env)
	}
	return secret, env, secretUnit(secret)
}

// primaryOf is where a trigger leads by its endpoint.
func (w *world) primaryOf(t *v1alpha1.CloudinaryTrigger) Unit {
	key := endpointKeyOf(t)
	ep := w.endpoints[key]
	if ep == nil {
		return endpointUnit(key)
	}
	_, _, primary := w.leadsTo(ep)
	return primary
}
