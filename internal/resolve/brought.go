// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// typesWithoutTrigger are the event types that the endpoint's targets ask for and that no trigger
// brings, if all triggers that may use the endpoint are known.
func (w *World) typesWithoutTrigger(ep *v1alpha1.NotificationEndpoint) []check.Finding {
	if w.Partial || !check.FiltersByType(&ep.Spec) {
		return nil
	}
	return check.TypesWithoutTrigger(&ep.Spec, w.triggerTypes(KeyOf(ep)))
}

// triggerTypes are the event types of the triggers that use an endpoint. A trigger counts while its
// permission is unknown: a note must not come and go with a restart.
func (w *World) triggerTypes(key plan.Key) map[string]bool {
	if w.types == nil {
		w.types = map[plan.Key]map[string]bool{}
		for _, t := range w.Triggers {
			ep := w.Endpoints[TriggerEndpoint(t)]
			if ep == nil || t.DeletionTimestamp != nil || !check.FiltersByType(&ep.Spec) || w.permits(ep, t.Namespace) == denied {
				continue
			}
			types := w.types[KeyOf(ep)]
			if types == nil {
				types = map[string]bool{}
				w.types[KeyOf(ep)] = types
			}
			for _, eventType := range t.Spec.EventTypes {
				types[eventType] = true
			}
		}
	}
	return w.types[key]
}
