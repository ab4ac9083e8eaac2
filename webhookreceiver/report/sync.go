// SPDX-License-Identifier: Apache-2.0

package report

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// remember is how long the totals of an endpoint are kept that the routes do not have any more.
const remember = 24 * time.Hour

// Sync makes the endpoints of a table those that are counted for. One that the table does not have is remembered for a day; one
// that was deleted and made again starts at zero.
func (r *Recorder) Sync(table *route.Table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	before := *r.endpoints.Load()
	next := make(map[types.NamespacedName]*endpoint, table.Len())
	table.All(func(at *route.Endpoint) bool {
		e := before[at.Key]
		if e == nil {
			e = r.gone[at.Key]
		}
		if e != nil && e.uid != at.UID {
			r.drop(e)
			e = nil
		}
		if e == nil {
			e = r.newEndpoint(at.Key, at.UID)
		}
		delete(r.gone, at.Key)
		e.serve(at)
		next[at.Key] = e
		return true
	})
	r.endpoints.Store(&next)
	for key, e := range before {
		if next[key] == nil {
			r.gone[key] = e
		}
	}
	for _, e := range r.gone {
		e.leave(now)
	}
	r.forget(now)
	r.bound()
}

// forget drops what has been gone for long. The caller holds r.mu.
func (r *Recorder) forget(now time.Time) {
	for _, e := range r.gone {
		if !e.goneAt.IsZero() && now.Sub(e.goneAt) >= remember {
			r.drop(e)
		}
	}
}

// bound drops those that went first, where there are too many. The caller holds r.mu.
func (r *Recorder) bound() {
	if len(r.gone) <= maxGone {
		return
	}
	gone := slices.SortedFunc(maps.Values(r.gone), func(a, b *endpoint) int { return a.goneAt.Compare(b.goneAt) })
	for _, e := range gone[:len(gone)-maxGone] {
		r.drop(e)
	}
}

// drop has nothing of an endpoint kept. The caller holds r.mu.
func (r *Recorder) drop(e *endpoint) {
	delete(r.gone, e.key)
	r.obsolete[stateName(e.uid)] = true
}

func (r *Recorder) newEndpoint(key types.NamespacedName, uid types.UID) *endpoint {
	return &endpoint{
		key: key, uid: uid, rejected: make([]rejections, len(r.Reasons)),
		triggers: map[types.NamespacedName]*trigger{}, targets: map[string]*target{},
	}
}

// serve takes over what the routes say of the endpoint.
func (e *endpoint) serve(at *route.Endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.route == at {
		return
	}
	e.route, e.goneAt = at, time.Time{}
	e.serveTriggers(at.Triggers)
	targets := make(map[string]*target, len(at.Targets))
	for i := range at.Targets {
		name := at.Targets[i].Name
		// A target of the same name that comes later is another one.
		if targets[name] = e.targets[name]; targets[name] == nil {
			targets[name] = &target{}
		}
	}
	e.targets = targets
	e.touch()
}

// serveTriggers takes over the triggers, and which of them is that of an event type: the first that names it.
func (e *endpoint) serveTriggers(at []route.Trigger) {
	triggers := make(map[types.NamespacedName]*trigger, len(at))
	e.byType = map[string]*trigger{}
	for i := range at {
		t := e.triggers[at[i].Key]
		if t == nil || t.uid != at[i].UID {
			t = &trigger{key: at[i].Key, uid: at[i].UID}
		}
		triggers[t.key] = t
		for _, eventType := range at[i].EventTypes {
			if _, taken := e.byType[eventType]; !taken {
				e.byType[eventType] = t
			}
		}
	}
	e.triggers = triggers
}

func (e *endpoint) leave(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.route = nil; e.goneAt.IsZero() {
		e.goneAt = now
		e.touch()
	}
}

// left are the endpoints that are remembered, and not in the routes.
func (r *Recorder) left() []*endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.gone))
}

// all are the endpoints of the routes, in no particular order.
func (r *Recorder) all() map[types.NamespacedName]*endpoint { return *r.endpoints.Load() }
