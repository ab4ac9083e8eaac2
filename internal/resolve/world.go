// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// World is the input of a pass: the objects in the cache, and the knowledge about Secrets.
type World struct {
	Endpoints map[plan.Key]*v1alpha1.NotificationEndpoint
	Triggers  []*v1alpha1.CloudinaryTrigger
	// Namespaces are the labels of all namespaces, if an endpoint selects by them.
	Namespaces map[string]labels.Set

	Secret   func(plan.Key) (Secret, bool)
	Accepted func(cloudinary.Credentials) bool
	Options  Options
	resolved map[plan.Key]*Endpoint       // only in a snapshot, see resolveOnce
	inUse    map[plan.Key]bool            // see UsesEndpoint; nil: not computed yet
	named    map[plan.Key]bool            // see NamesSecret; as above
	types    map[plan.Key]map[string]bool // see triggerTypes; as above
	Partial  bool                         // there may be triggers that are not among these
	// PathToken is the part of an endpoint's address that nobody can guess.
	PathToken func(*v1alpha1.NotificationEndpoint) (string, *Problem)
}

// AcceptedCredentials returns the credentials of a Secret if Cloudinary accepts them in an
// environment.
func (w *World) AcceptedCredentials(k plan.Key, e cloudinary.Environment) (cloudinary.Credentials, bool) {
	s, ok := w.Secret(k)
	if !ok || s.Problem != nil || s.Credentials.Environment() != e || !w.Accepted(s.Credentials) {
		return cloudinary.Credentials{}, false
	}
	return s.Credentials, true
}

// outside is the end of a sentence about a namespace that the manager does not watch. It is empty
// for others.
func (w *World) outside(namespace string) string {
	if w.Options.Watches(namespace) {
		return ""
	}
	return " in the namespaces of the manager's --watch-namespaces"
}
