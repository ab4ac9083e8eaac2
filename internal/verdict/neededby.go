// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// NeededBy says who needs a Secret, for readers of its namespace.
func NeededBy(w *resolve.World, key plan.Key) string {
	var endpoints, triggers []string
	for _, ep := range w.Endpoints {
		if resolve.EndpointSecret(ep) == key {
			endpoints = append(endpoints, ep.Name)
		}
	}
	elsewhere := false
	for _, t := range w.Triggers {
		if !slices.ContainsFunc(t.Status.Registrations, func(reg v1alpha1.Registration) bool { return resolve.RegistrationSecret(reg) == key }) {
			continue
		}
		if t.Namespace == key.Namespace {
			triggers = append(triggers, t.Name)
		} else {
			elsewhere = true
		}
	}
	slices.Sort(endpoints)
	slices.Sort(triggers)
	text := ""
	add := func(part string) {
		if text != "" {
			text += "; "
		}
		text += part
	}
	if len(endpoints) > 0 {
		add("delete NotificationEndpoint " + joinNames(endpoints) + ", or make it name another Secret")
	}
	if len(triggers) > 0 {
		add("CloudinaryTrigger " + joinNames(triggers) + " has triggers at Cloudinary that were written with it")
	}
	if elsewhere {
		add("so have CloudinaryTriggers of other namespaces")
	}
	return text
}
