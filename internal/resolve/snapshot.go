// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Each pass goes over all objects of the cluster to find its own. Its questions to the others must
// cost next to nothing, regardless of their content: where they lead, and what they hold.

// Snapshot is the world as it is now. It looks at each Secret once, and resolves each endpoint
// once, regardless of the number of its triggers. Another pass may learn about a Secret meanwhile,
// and the objects of one endpoint would then seem to belong to two environments.
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
	s.resolved = map[plan.Key]*Endpoint{}
	return &s
}

// resolveOnce is ResolveEndpoint, but a snapshot keeps the result.
func (w *World) resolveOnce(ep *v1alpha1.NotificationEndpoint) *Endpoint {
	key := KeyOf(ep)
	if view := w.resolved[key]; view != nil {
		return view
	}
	view := w.ResolveEndpoint(ep)
	if w.resolved != nil {
		w.resolved[key] = &view
	}
	return &view
}

// LeadsTo is where an endpoint leads by its Secret. The environment is zero until the Secret can be
// used. The primary is the Secret until Cloudinary has accepted it.
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
