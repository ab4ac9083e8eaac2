// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/fairqueue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
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
func (r *Reconciler) newQueue(_ string, limiter workqueue.TypedRateLimiter[Unit]) workqueue.TypedRateLimitingInterface[Unit] {
	r.shares = fairqueue.New(fairqueue.Config[Unit]{
		Bounds:  fairqueue.Bounds{Workers: concurrentPasses, PerTenant: passesPerNamespace, PerHost: passesPerHost, PerTenantAtHost: passesAtHost},
		Tenants: r.directory.tenantsOf, Host: r.directory.hostOf,
		RateLimiter: limiter, Waited: r.Metrics.waited, Clock: clock.RealClock{},
	})
	return r.shares
}

// wakeFor makes a unit's pass run soon, at the turn of the namespace where something has changed too. So it is no use to name what others
// own: at their turn comes what they own and have changed.
func (r *Reconciler) wakeFor(q workqueue.TypedRateLimitingInterface[Unit], unit Unit, namespace string) {
	if r.shares == nil || namespace == "" {
		q.Add(unit)
		return
	}
	r.shares.AddFor(unit, namespace)
}

// mayCall reports whether a unit's pass may call an environment's host now. If not, another pass is made once there is room.
func (r *Reconciler) mayCall(unit Unit, e cloudinary.Environment) bool {
	if r.shares == nil || r.shares.Enter(unit, hostOf(e.APIBase)) {
		return true
	}
	r.wake(unit)
	return false
}

// tenantsOf are the namespaces to which a unit belongs: of an environment those whose Secrets name it. That is no claim on anything: a
// tenant that names another's environment has passes of that made at its own turn. What waits for an endpoint that does not exist belongs
// to those who wait alone.
func (d *directory) tenantsOf(u Unit) []string {
	switch u.Kind {
	case SecretUnit:
		return []string{u.Key.Namespace}
	case EnvironmentUnit:
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Sorted(maps.Keys(d.names.namespaces[u.Environment]))
	case EndpointUnit:
		return nil
	default:
		return nil
	}
}

// hostOf is the host that a unit's pass may call; empty: none, or it is not known yet.
func (d *directory) hostOf(u Unit) string {
	switch u.Kind {
	case EnvironmentUnit:
		return hostOf(u.Environment.APIBase)
	case SecretUnit:
		if s, ok := d.secret(u.Key); ok && s.problem == nil && !d.isAccepted(s.credentials) {
			return hostOf(s.credentials.Environment().APIBase)
		}
	case EndpointUnit:
	}
	return ""
}

// names are who names what in Secrets. Any number of Secrets may be there, so none is looked for among all.
type names struct {
	secrets    map[cloudinary.Credentials]map[plan.Key]bool
	clouds     map[string]int                            // Secrets by cloud
	namespaces map[cloudinary.Environment]map[string]int // Secrets by environment and namespace
}

func newNames() names {
	return names{
		secrets: map[cloudinary.Credentials]map[plan.Key]bool{}, clouds: map[string]int{},
		namespaces: map[cloudinary.Environment]map[string]int{},
	}
}

// add notes the credentials of a Secret; those of one that has none are empty, and not noted.
func (n *names) add(k plan.Key, c cloudinary.Credentials) {
	if c == (cloudinary.Credentials{}) || n.secrets[c][k] {
		return
	}
	if n.secrets[c] == nil {
		n.secrets[c] = map[plan.Key]bool{}
	}
	n.secrets[c][k] = true
	n.clouds[c.CloudName]++
	e := c.Environment()
	if n.namespaces[e] == nil {
		n.namespaces[e] = map[string]int{}
	}
	n.namespaces[e][k.Namespace]++
}

// remove forgets the credentials of a Secret.
func (n *names) remove(k plan.Key, c cloudinary.Credentials) {
	if !n.secrets[c][k] {
		return
	}
	delete(n.secrets[c], k)
	if len(n.secrets[c]) == 0 {
		delete(n.secrets, c)
	}
	if n.clouds[c.CloudName]--; n.clouds[c.CloudName] == 0 {
		delete(n.clouds, c.CloudName)
	}
	e := c.Environment()
	if n.namespaces[e][k.Namespace]--; n.namespaces[e][k.Namespace] == 0 {
		delete(n.namespaces[e], k.Namespace)
	}
	if len(n.namespaces[e]) == 0 {
		delete(n.namespaces, e)
	}
}
