// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// KeyOf is the key of an object.
func KeyOf(o metav1.Object) plan.Key {
	return plan.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// Scope is everything that belongs to one product environment: the input of its plan and of its
// verdicts.
type Scope struct {
	Environment cloudinary.Environment
	World       *World
	Endpoints   []Endpoint // whose primary the environment is
	Triggers    map[plan.Key]*Trigger
	Order       []plan.Key // of the triggers
	Objects     []plan.Object
	Index       map[plan.Key]int // of objects
	Secrets     []plan.Key       // sorted; some of them are not accepted
}

// ForgetOthers drops the triggers that the pass does not work on. A pass may wait long for its
// calls, and so may others, each with all triggers in memory.
func (s *Scope) ForgetOthers() {
	s.World.UsesEndpoint(plan.Key{}) // computes its result before the triggers are gone
	s.World.triggerTypes(plan.Key{}) // as above
	s.World.Triggers = nil
	for _, t := range s.Triggers {
		own := *t.CloudinaryTrigger // it is an element of one array with all others
		t.CloudinaryTrigger = &own
	}
}

// Gather finds every object in which an environment appears, by spec or by status.
func (w *World) Gather(env cloudinary.Environment) *Scope {
	g := &Scope{Environment: env, World: w, Triggers: map[plan.Key]*Trigger{}, Index: map[plan.Key]int{}}
	unit := UnitOfEnvironment(env)
	now := w.Snapshot()
	for _, ep := range w.Endpoints {
		secret, environment, primary := now.LeadsTo(ep)
		if primary == unit {
			g.Endpoints = append(g.Endpoints, *now.resolveOnce(ep))
		}
		if environment == env {
			g.Secrets = append(g.Secrets, secret)
		}
	}
	slices.SortFunc(g.Endpoints, func(a, b Endpoint) int { return a.Key.Compare(b.Key) })
	for _, t := range w.Triggers {
		holds := slices.ContainsFunc(t.Status.Registrations, func(r v1alpha1.Registration) bool { return RegistrationEnvironment(r) == env })
		if !holds && now.PrimaryOf(t) != unit {
			continue
		}
		view := now.ResolveTrigger(t)
		view.IsPrimary = view.Primary == unit
		g.Triggers[view.Key] = &view
		g.Order = append(g.Order, view.Key)
		for _, rec := range RecordsIn(t.Status.Registrations, env) {
			g.Secrets = append(g.Secrets, rec.Secret)
		}
	}
	slices.SortFunc(g.Order, plan.Key.Compare)
	for _, key := range g.Order {
		g.Index[key] = len(g.Objects)
		g.Objects = append(g.Objects, g.Triggers[key].object(env))
	}
	slices.SortFunc(g.Secrets, plan.Key.Compare)
	g.Secrets = slices.Compact(g.Secrets)
	return g
}

// Object is the trigger as the plan sees it.
func (s *Scope) Object(key plan.Key) *plan.Object { return &s.Objects[s.Index[key]] }

// Empty reports whether the environment appears in no object.
func (s *Scope) Empty() bool { return len(s.Endpoints) == 0 && len(s.Order) == 0 }

// Stored are the records of an object here, as its status has them.
func (s *Scope) Stored(key plan.Key) []plan.Record {
	return RecordsIn(s.Triggers[key].Status.Registrations, s.Environment)
}

// Credentials are those of a step's Secret. If Cloudinary no longer accepts that one, they are
// those of the object's present Secret.
func (s *Scope) Credentials(step plan.Step) (cloudinary.Credentials, bool) {
	if creds, ok := s.World.AcceptedCredentials(step.Secret, s.Environment); ok {
		return creds, true
	}
	t := s.Triggers[step.Object]
	if t.Endpoint == nil {
		return cloudinary.Credentials{}, false
	}
	return s.World.AcceptedCredentials(t.Endpoint.Secret, s.Environment)
}

// UnacceptedSecrets are the Secrets that name this environment and are not accepted in it, or no
// longer. Their own passes report on them.
func (s *Scope) UnacceptedSecrets() []Unit {
	var units []Unit
	for _, key := range s.Secrets {
		state, ok := s.World.Secret(key)
		if ok && state.Problem == nil && state.Credentials.Environment() == s.Environment && !s.World.Accepted(state.Credentials) {
			units = append(units, UnitOfSecret(key))
		}
	}
	return units
}
