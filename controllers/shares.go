// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/fairqueue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// A tenant is a namespace. Whoever writes there chooses how many Secrets there are, which hosts they name, and how long those take to
// answer. So the passes are shared between namespaces: a tenant can keep its own waiting, and nobody else's. ADR 12 says why so.
const (
	// concurrentPasses is how many units are worked on at once; passes of one unit never overlap. Most of the time they wait for an answer.
	concurrentPasses = 64
	// passesPerNamespace is how many of these are for the Secrets of one namespace, at most.
	passesPerNamespace = 16
	// passesPerHost is how many may call one host at once, whoever's Secrets name it: a host that is slow leaves half of them to others.
	passesPerHost = concurrentPasses / 2
	// passesAtHost is how many of these are for the Secrets of one namespace, at most: its other hosts do not wait for one that is slow.
	passesAtHost = passesPerNamespace / 2
)

// newQueue makes the controller's queue.
func (r *Reconciler) newQueue(_ string, limiter workqueue.TypedRateLimiter[resolve.Unit]) workqueue.TypedRateLimitingInterface[resolve.Unit] {
	r.shares = fairqueue.New(fairqueue.Config[resolve.Unit]{
		Bounds:  fairqueue.Bounds{Workers: concurrentPasses, PerTenant: passesPerNamespace, PerHost: passesPerHost, PerTenantAtHost: passesAtHost},
		Tenants: r.directory.TenantsOf, Host: r.directory.HostOf,
		RateLimiter: limiter, Waited: r.Metrics.waited, Clock: clock.RealClock{},
	})
	return r.shares
}

// wakeFor makes a unit's pass run soon, at the turn of the namespace where something has changed too. So it is no use to name what others
// own: at their turn comes what they own and have changed.
func (r *Reconciler) wakeFor(q workqueue.TypedRateLimitingInterface[resolve.Unit], unit resolve.Unit, namespace string) {
	if r.shares == nil || namespace == "" {
		q.Add(unit)
		return
	}
	r.shares.AddFor(unit, namespace)
}

// mayCall reports whether a unit's pass may call an environment's host now. If not, another pass is made once there is room.
func (r *Reconciler) mayCall(unit resolve.Unit, e cloudinary.Environment) bool {
	if r.shares == nil || r.shares.Enter(unit, resolve.HostOf(e.APIBase)) {
		return true
	}
	r.wake(unit)
	return false
}
