// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/fairqueue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// A tenant is a namespace. Whoever writes there chooses how many Secrets there are, which hosts
// they name, and how long those take to answer. So the passes are shared between namespaces: a
// tenant can keep its own waiting, and nobody else's. ADR 12 says why so.
const (
	// concurrentPasses is how many units are worked on at once; passes of one unit never overlap.
	// Most of the time they wait for an answer.
	concurrentPasses = 64
	// passesPerNamespace is how many of these are for the Secrets of one namespace, at most.
	passesPerNamespace = 16
	// passesPerHost is how many may call one host at once, whoever's Secrets name it: a host that
	// is slow leaves half of them to others.
	passesPerHost = concurrentPasses / 2
	// passesAtHost is how many of these are for the Secrets of one namespace, at most: its other
	// hosts do not wait for one that is slow.
	passesAtHost = passesPerNamespace / 2
)

// minRequeue is the least time until a unit is looked at again.
const minRequeue = 100 * time.Millisecond

// unitQueue has the units whose passes are due.
type unitQueue struct {
	queue  workqueue.TypedRateLimitingInterface[resolve.Unit] // nil before the start
	shares *fairqueue.Queue[resolve.Unit]                     // the same; nil where somebody else makes the passes, one at a time
}

// share makes the queue of the controller, which shares its workers between tenants.
func (q *unitQueue) share(d *memory.Directory, m *Metrics, limiter workqueue.TypedRateLimiter[resolve.Unit]) workqueue.TypedRateLimitingInterface[resolve.Unit] {
	q.shares = fairqueue.New(fairqueue.Config[resolve.Unit]{
		Bounds:  fairqueue.Bounds{Workers: concurrentPasses, PerTenant: passesPerNamespace, PerHost: passesPerHost, PerTenantAtHost: passesAtHost},
		Tenants: d.TenantsOf, Host: d.HostOf,
		RateLimiter: limiter, Waited: m.waited, Clock: clock.RealClock{},
	})
	return q.shares
}

// wake makes a unit's pass run soon.
func (q *unitQueue) wake(unit resolve.Unit) {
	if q.queue != nil {
		q.queue.Add(unit)
	}
}

// wakeAll makes the passes of units run soon.
func (q *unitQueue) wakeAll(units []resolve.Unit) {
	for _, u := range units {
		q.wake(u)
	}
}

// wakeFor makes a unit's pass run soon, at the turn of the namespace where something has changed
// too. So it is no use to name what others own: at their turn comes what they own and have changed.
func (q *unitQueue) wakeFor(into workqueue.TypedRateLimitingInterface[resolve.Unit], unit resolve.Unit, namespace string) {
	if q.shares == nil || namespace == "" {
		into.Add(unit)
		return
	}
	q.shares.AddFor(unit, namespace)
}

// wakeReleased wakes what may have waited for a trigger to release something: its primary, with its
// endpoint, and the Secrets. A change of status alone wakes nothing.
func (q *unitQueue) wakeReleased(t *resolve.Trigger) {
	q.wake(t.Primary)
	for _, reg := range t.Before {
		q.wake(resolve.UnitOfSecret(resolve.RegistrationSecret(reg)))
	}
}

// wakeFormer wakes the Secrets that an object needed until now: perhaps they are to go.
func (q *unitQueue) wakeFormer(before, now []v1alpha1.Registration) {
	for _, former := range before {
		if !slices.ContainsFunc(now, func(reg v1alpha1.Registration) bool {
			return resolve.RegistrationSecret(reg) == resolve.RegistrationSecret(former)
		}) {
			q.wake(resolve.UnitOfSecret(resolve.RegistrationSecret(former)))
		}
	}
}

// mayCall reports whether a unit's pass may call an environment's host now. If not, another pass is
// made once there is room.
func (q *unitQueue) mayCall(unit resolve.Unit, e cloudinary.Environment) bool {
	if q.shares == nil || q.shares.Enter(unit, resolve.HostOf(e.APIBase)) {
		return true
	}
	q.wake(unit)
	return false
}
