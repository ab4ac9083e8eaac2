// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// UsesSecret reports whether an endpoint names a Secret, or a trigger was written with it.
func (w *World) UsesSecret(key plan.Key) bool { return w.NamesSecret(key) || w.WroteWith(key) }

// WroteWith reports whether an object holds a trigger that was written with a Secret.
func (w *World) WroteWith(key plan.Key) bool {
	for _, t := range w.Triggers {
		for _, reg := range t.Status.Registrations {
			if RegistrationSecret(reg) == key {
				return true
			}
		}
	}
	return false
}

// NamesSecret reports whether an endpoint's spec names a Secret.
func (w *World) NamesSecret(key plan.Key) bool {
	if w.named == nil {
		w.named = make(map[plan.Key]bool, len(w.Endpoints))
		for _, ep := range w.Endpoints {
			w.named[EndpointSecret(ep)] = true
		}
	}
	return w.named[key]
}

// UsesEndpoint reports whether an object that refers to the endpoint still holds triggers.
func (w *World) UsesEndpoint(key plan.Key) bool {
	if w.inUse == nil {
		w.inUse = map[plan.Key]bool{}
		for _, t := range w.Triggers {
			if len(t.Status.Registrations) > 0 {
				w.inUse[TriggerEndpoint(t)] = true
			}
		}
	}
	return w.inUse[key]
}
