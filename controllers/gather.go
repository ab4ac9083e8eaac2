// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// readWorld reads all objects from the cache. They are shared with it and must not be changed.
func (r *Reconciler) readWorld(ctx context.Context) (*world, error) {
	w := &world{
		endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{},
		secret:    r.directory.secret, accepted: r.directory.isAccepted,
		options: &r.Options, pathToken: noPathKey,
	}
	var endpoints v1alpha1.NotificationEndpointList
	if err := r.Client.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list notification endpoints: %w", err)
	}
	for i := range endpoints.Items {
		ep := &endpoints.Items[i]
		w.endpoints[keyOf(ep)] = ep
	}
	var triggers v1alpha1.CloudinaryTriggerList
	if err := r.Client.List(ctx, &triggers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list triggers: %w", err)
	}
	for i := range triggers.Items {
		w.triggers = append(w.triggers, &triggers.Items[i])
	}
	if err := r.readNamespaces(ctx, w); err != nil {
		return nil, err
	}
	if err := r.readPathKey(ctx, w); err != nil {
		return nil, err
	}
	r.Metrics.world(w)
	return w, nil
}

func keyOf(o metav1.Object) plan.Key {
	return plan.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// gathered is what one pass over an environment works on.
type gathered struct {
	environment cloudinary.Environment
	world       *world
	endpoints   []endpointView // whose primary the environment is
	triggers    map[plan.Key]*triggerState
	order       []plan.Key
	objects     []plan.Object
	index       map[plan.Key]int   // of objects
	members     []plan.Key         // Secrets, sorted
	use         limitUse           // of the last plan
	keys        *verification.Pool // that can count here; nil: no endpoint with a receiver is accepted

	keysProblem *problem         // nil: the keys are written as they should be
	keysRefused map[string]error // namespaces that have no room for theirs
	// setAside are objects to which the API server lets nothing be written now: no step is taken for them in this pass, and the
	// others go on. failures are why.
	setAside map[plan.Key]bool
	// barred are objects for which there are changes that their credentials may not make, and why.
	barred   map[plan.Key]*problem
	until    time.Time // when no further step is taken in this pass
	failures []error
}

// triggerState is a trigger in the course of a pass: its object as it was last read or written.
type triggerState struct {
	triggerView
	isPrimary bool
	before    []v1alpha1.Registration // what it held when the pass began
}

func newTriggerState(v triggerView, isPrimary bool) *triggerState {
	return &triggerState{triggerView: v, isPrimary: isPrimary, before: v.Status.Registrations}
}

// gather finds every object in which the environment appears, by spec or by status.
func (r *Reconciler) gather(ctx context.Context, env cloudinary.Environment) (*gathered, error) {
	w, err := r.readWorld(ctx)
	if err != nil {
		return nil, err
	}
	g := w.gather(env)
	w.forgetTriggers(g)
	return g, nil
}

// forgetTriggers keeps of all triggers those that a pass works on. It may wait for its calls for long, and so may others, each with all of
// them in memory.
func (w *world) forgetTriggers(g *gathered) {
	w.usesEndpoint(plan.Key{}) // which is to know by now
	w.broughtTo(plan.Key{})    // as above
	w.triggers = nil
	for _, t := range g.triggers {
		own := *t.CloudinaryTrigger // it stands in one array with all others
		t.CloudinaryTrigger = &own
	}
}

// gather picks them from what was read.
func (w *world) gather(env cloudinary.Environment) *gathered {
	g := &gathered{environment: env, world: w, triggers: map[plan.Key]*triggerState{}, index: map[plan.Key]int{}, setAside: map[plan.Key]bool{}}
	unit := environmentUnit(env)
	now := w.snapshot()
	for _, ep := range w.endpoints {
		secret, environment, primary := now.leadsTo(ep)
		if primary == unit {
			g.endpoints = append(g.endpoints, *now.viewOnce(ep))
		}
		if environment == env {
			g.members = append(g.members, secret)
		}
	}
	slices.SortFunc(g.endpoints, func(a, b endpointView) int { return compareKeys(a.key, b.key) })
	for _, t := range w.triggers {
		holds := slices.ContainsFunc(t.Status.Registrations, func(r v1alpha1.Registration) bool { return environmentOf(r) == env })
		if !holds && now.primaryOf(t) != unit {
			continue
		}
		view := now.viewTrigger(t)
		g.triggers[view.key] = newTriggerState(view, view.primary == unit)
		g.order = append(g.order, view.key)
		for _, rec := range recordsIn(t.Status.Registrations, env) {
			g.members = append(g.members, rec.Secret)
		}
	}
	slices.SortFunc(g.order, compareKeys)
	for _, key := range g.order {
		g.index[key] = len(g.objects)
		g.objects = append(g.objects, g.triggers[key].object(env))
	}
	slices.SortFunc(g.members, compareKeys)
	g.members = slices.Compact(g.members)
	return g
}

func compareKeys(a, b plan.Key) int {
	if a.Namespace != b.Namespace {
		if a.Namespace < b.Namespace {
			return -1
		}
		return 1
	}
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	default:
		return 0
	}
}

func (g *gathered) object(key plan.Key) *plan.Object { return &g.objects[g.index[key]] }

func (g *gathered) empty() bool { return len(g.endpoints) == 0 && len(g.order) == 0 }
