// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// unbrought says which event types the endpoint's targets wait for in vain, as far as all triggers
// that may use it are known.
func (w *World) unbrought(ep *v1alpha1.NotificationEndpoint) []check.Finding {
	if w.Partial || !check.FiltersByType(&ep.Spec) {
		return nil
	}
	return check.Unbrought(&ep.Spec, w.broughtTo(KeyOf(ep)))
}

// broughtTo are the event types of the triggers that use an endpoint. Where it is not known yet
// whether one may, it counts: a note must not come and go with a restart.
func (w *World) broughtTo(key plan.Key) map[string]bool {
	if w.brought == nil {
		w.brought = map[plan.Key]map[string]bool{}
		for _, t := range w.Triggers {
			ep := w.Endpoints[TriggerEndpoint(t)]
			if ep == nil || t.DeletionTimestamp != nil || !check.FiltersByType(&ep.Spec) || w.permits(ep, t.Namespace) == denied {
				continue
			}
			types := w.brought[KeyOf(ep)]
			if types == nil {
				types = map[string]bool{}
				w.brought[KeyOf(ep)] = types
			}
			for _, eventType := range t.Spec.EventTypes {
				types[eventType] = true
			}
		}
	}
	return w.brought[key]
}
