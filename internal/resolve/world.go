// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// World is what a pass reads once and judges by: the objects in the cache and what is known of
// Secrets.
type World struct {
	Endpoints map[plan.Key]*v1alpha1.NotificationEndpoint
	Triggers  []*v1alpha1.CloudinaryTrigger
	// Namespaces are the labels of all namespaces, where an endpoint goes by them.
	Namespaces map[string]labels.Set

	Secret   func(plan.Key) (Secret, bool)
	Accepted func(cloudinary.Credentials) bool
	Options  Options
	views    map[plan.Key]*Endpoint       // nil but in a snapshot
	inUse    map[plan.Key]bool            // see usesEndpoint; nil: not looked for yet
	named    map[plan.Key]bool            // see namesSecret; as above
	brought  map[plan.Key]map[string]bool // see unbrought; as above
	Partial  bool                         // there may be triggers that are not among these
	// PathToken is the part of an endpoint's address that nobody can guess.
	PathToken func(*v1alpha1.NotificationEndpoint) (string, *Problem)
}

// Member returns the credentials of a Secret if they were accepted in an environment.
func (w *World) Member(k plan.Key, e cloudinary.Environment) (cloudinary.Credentials, bool) {
	s, ok := w.Secret(k)
	if !ok || s.Problem != nil || s.Credentials.Environment() != e || !w.Accepted(s.Credentials) {
		return cloudinary.Credentials{}, false
	}
	return s.Credentials, true
}

// outside says that a namespace is not among those that are watched, as the rest of a sentence; it
// is empty where it is.
func (w *World) outside(namespace string) string {
	if w.Options.Watches(namespace) {
		return ""
	}
	return " in the namespaces of the manager's --watch-namespaces"
}
