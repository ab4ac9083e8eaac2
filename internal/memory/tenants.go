// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"maps"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// TenantsOf are the namespaces to which a unit belongs. Those of an environment are the namespaces
// whose Secrets name it. That gives no rights: a tenant that names the environment of somebody else
// gets passes of it in its own turn. Triggers that wait for a missing endpoint belong to their own
// namespaces.
func (d *Directory) TenantsOf(u resolve.Unit) []string {
	switch u.Kind {
	case resolve.SecretUnit:
		return []string{u.Key.Namespace}
	case resolve.EnvironmentUnit:
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Sorted(maps.Keys(d.names.namespaces[u.Environment]))
	case resolve.EndpointUnit:
		return nil
	default:
		return nil
	}
}

// HostOf is the host that a unit's pass may call. Empty: none, or it is not known yet.
func (d *Directory) HostOf(u resolve.Unit) string {
	switch u.Kind {
	case resolve.EnvironmentUnit:
		return resolve.HostOf(u.Environment.APIBase)
	case resolve.SecretUnit:
		if s, ok := d.Secret(u.Key); ok && s.Problem == nil && !d.IsAccepted(s.Credentials) {
			return resolve.HostOf(s.Credentials.Environment().APIBase)
		}
	case resolve.EndpointUnit:
	}
	return ""
}

// names indexes the content of Secrets. There may be any number of Secrets, so no lookup goes over
// all of them.
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

// add records the credentials of a Secret. Empty credentials are not recorded.
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
