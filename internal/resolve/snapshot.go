// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Each pass goes over all objects of the cluster to find its own. What it asks of the others must
// cost next to nothing, whatever their authors wrote into them: where they lead, and what they
// hold.

// Snapshot is the world as it is now. Each Secret is looked at once, and each endpoint resolved
// once, however many triggers refer to it: another pass may judge a Secret meanwhile, and objects
// of one endpoint would be taken for those of two environments.
func (w *World) Snapshot() *World {
	s := *w
	type known struct {
		state Secret
		ok    bool
	}
	secrets, accepted := map[plan.Key]known{}, map[cloudinary.Credentials]bool{}
	s.Secret = func(key plan.Key) (Secret, bool) {
		k, seen := secrets[key]
		if !seen {
			k.state, k.ok = w.Secret(key)
			secrets[key] = k
		}
		return k.state, k.ok
	}
	s.Accepted = func(c cloudinary.Credentials) bool {
		is, seen := accepted[c]
		if !seen {
			is = w.Accepted(c)
			accepted[c] = is
		}
		return is
	}
	s.views = map[plan.Key]*Endpoint{}
	return &s
}

// viewOnce is viewEndpoint, made once in a snapshot.
func (w *World) viewOnce(ep *v1alpha1.NotificationEndpoint) *Endpoint {
	key := KeyOf(ep)
	if view := w.views[key]; view != nil {
		return view
	}
	view := w.ResolveEndpoint(ep)
	if w.views != nil {
		w.views[key] = &view
	}
	return &view
}

// LeadsTo is where an endpoint leads by its Secret: the environment is zero until that can be used,
// and the primary is the Secret until Cloudinary has accepted it.
func (w *World) LeadsTo(ep *v1alpha1.NotificationEndpoint) (secret plan.Key, env cloudinary.Environment, primary Unit) {
	secret = EndpointSecret(ep)
	state, known := w.Secret(secret)
	if !known || state.Problem != nil {
		return secret, env, UnitOfSecret(secret)
	}
	env = state.Credentials.Environment()
	if w.Accepted(state.Credentials) {
		return secret, env, UnitOfEnvironment(env)
	}
	return secret, env, UnitOfSecret(secret)
}

// PrimaryOf is where a trigger leads by its endpoint.
func (w *World) PrimaryOf(t *v1alpha1.CloudinaryTrigger) Unit {
	key := TriggerEndpoint(t)
	ep := w.Endpoints[key]
	if ep == nil {
		return UnitOfEndpoint(key)
	}
	_, _, primary := w.LeadsTo(ep)
	return primary
}
