// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// sight is the part of a scene that cannot be read, because of the user's rights or the state of
// Secrets.
type sight struct {
	partial  bool              // there are namespaces that were not read
	blind    map[string]bool   // kinds and namespaces that cannot be listed
	standIns map[plan.Key]bool // endpoints of which only the name is known
	refused  map[plan.Key]bool // Secrets that could not be read, or whose list failed
	// Inputs that could not be read; nothing is concluded that depends on them
	unknown []string
}

func newSight() sight {
	return sight{blind: map[string]bool{}, standIns: map[plan.Key]bool{}, refused: map[plan.Key]bool{}}
}

// miss adds an input that could not be read.
func (s *sight) miss(format string, args ...any) {
	if what := fmt.Sprintf(format, args...); !slices.Contains(s.unknown, what) {
		s.unknown = append(s.unknown, what)
	}
}

// refuse records that a Secret cannot be used, and warns.
func (s *scene) refuse(key plan.Key, format string, args ...any) {
	s.warn(format, args...)
	s.refused[key] = true
	s.miss("Secret %s", key)
}

// readCluster reads all objects. If that is forbidden, it reads the namespaces that matter, as far
// as it may.
func (s *scene) readCluster(ctx context.Context) error {
	refused := s.readNamespace(ctx, "")
	if !apierrors.IsForbidden(refused) || s.options.all {
		return refused
	}
	s.partial = true
	var seen, read []string
	waiting := s.namespacesOfManifests()
	for len(waiting) > 0 {
		namespace := waiting[0]
		waiting = waiting[1:]
		if slices.Contains(seen, namespace) {
			continue
		}
		seen = append(seen, namespace)
		err := s.readNamespace(ctx, namespace)
		switch {
		case apierrors.IsForbidden(err) && !s.options.files.given() && namespace == s.cluster.namespace:
			return err // it is what was asked for
		case apierrors.IsForbidden(err):
			continue
		case err != nil:
			return err
		}
		read = append(read, namespace)
		for i := range s.triggers {
			waiting = append(waiting, resolve.TriggerEndpoint(&s.triggers[i]).Namespace)
		}
	}
	slices.Sort(read)
	if len(read) == 0 {
		return refused // a plan from nothing would be one for an empty cluster
	}
	s.warn("objects of other namespaces than %s cannot be read: conflicts with them are not seen", strings.Join(read, ", "))
	return nil
}

// namespacesOfManifests are those of the manifests, of the endpoints that they name, and of the
// context.
func (s *scene) namespacesOfManifests() []string {
	namespaces := []string{s.cluster.namespace}
	for i := range s.manifests.endpoints {
		namespaces = append(namespaces, s.manifests.endpoints[i].Namespace)
	}
	for i := range s.manifests.triggers {
		t := &s.manifests.triggers[i]
		namespaces = append(namespaces, t.Namespace, resolve.TriggerEndpoint(t).Namespace)
	}
	return namespaces
}

// readNamespace reads what it may. The error is Forbidden if that is not everything.
func (s *scene) readNamespace(ctx context.Context, namespace string) error {
	endpoints, err := s.cluster.endpoints(ctx, namespace)
	if err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	triggers, triggersErr := s.cluster.triggers(ctx, namespace)
	if triggersErr != nil && !apierrors.IsForbidden(triggersErr) {
		return triggersErr
	}
	if namespace == "" && (err != nil || triggersErr != nil) {
		// Nothing is kept: it is read again, namespace by namespace.
		return firstOf(err, triggersErr)
	}
	s.blind[blindIn(kindEndpoint, namespace)] = err != nil
	s.blind[blindIn(kindTrigger, namespace)] = triggersErr != nil
	s.endpoints, s.triggers = append(s.endpoints, endpoints...), append(s.triggers, triggers...)
	return firstOf(err, triggersErr)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func blindIn(kind, namespace string) string { return kind + " " + namespace }

// notRead reports whether it is unknown if the cluster has an object with the name of a manifest.
func (s *scene) notRead(kind string, key plan.Key) bool {
	return s.given[identity(kind, key)] && s.isNew(kind, key) && s.blind[blindIn(kind, key.Namespace)]
}

// standIn adds placeholders for endpoints that cannot be read, so that nothing is concluded for
// their triggers: neither that the endpoint does not exist, nor whom it allows, nor where it leads.
func (s *scene) standIn() {
	known := map[plan.Key]bool{}
	for i := range s.endpoints {
		known[resolve.KeyOf(&s.endpoints[i])] = true
	}
	for i := range s.triggers {
		t := &s.triggers[i]
		key := resolve.TriggerEndpoint(t)
		if !known[key] && s.blind[blindIn(kindEndpoint, key.Namespace)] {
			known[key], s.standIns[key] = true, true
			s.endpoints = append(s.endpoints, v1alpha1.NotificationEndpoint{
				ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
				Spec:       v1alpha1.NotificationEndpointSpec{AllowedTriggers: &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}},
			})
			if s.shows(kindTrigger, resolve.KeyOf(t)) {
				s.warn("%s %s cannot be read, so its triggers are not planned", kindEndpoint, key)
			}
		}
		if s.standIns[key] && s.shows(kindTrigger, resolve.KeyOf(t)) {
			s.miss("%s %s", kindEndpoint, key)
		}
	}
}

// doubt warns of manifests whose changes are unknown.
func (s *scene) doubt() {
	for i := range s.endpoints {
		if ep := &s.endpoints[i]; s.notRead(kindEndpoint, resolve.KeyOf(ep)) {
			s.assumeNew(ep.Namespace)
		}
	}
	for i := range s.triggers {
		if t := &s.triggers[i]; s.notRead(kindTrigger, resolve.KeyOf(t)) {
			s.assumeNew(t.Namespace)
		}
	}
}

func (s *scene) assumeNew(namespace string) {
	what := "the objects of namespace " + namespace
	if !slices.Contains(s.unknown, what) {
		s.warn("%s cannot be read. Its manifests are planned as new objects", what)
		s.miss("%s", what)
	}
}

// unseenEndpoint is the endpoint of a trigger, and reports whether only its name is known.
func (s *scene) unseenEndpoint(trigger plan.Key) (plan.Key, bool) {
	for i := range s.triggers {
		if t := &s.triggers[i]; resolve.KeyOf(t) == trigger {
			return resolve.TriggerEndpoint(t), s.standIns[resolve.TriggerEndpoint(t)]
		}
	}
	return plan.Key{}, false
}
