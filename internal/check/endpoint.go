// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Endpoint checks an endpoint by itself, except its URL, which may depend on the manager's
// settings.
func Endpoint(spec *v1alpha1.NotificationEndpointSpec) []Finding {
	if spec.Receiver == nil {
		return nil
	}
	var found []Finding
	if v := spec.Receiver.Verification; v != nil {
		for i, text := range v.Ed25519PublicKeys {
			if _, err := notification.ParseEd25519PublicKey(text); err != nil {
				found = append(found, Finding{
					Severity: Refusal, Reason: v1alpha1.ReasonInvalidPublicKey,
					Field: fmt.Sprintf("spec.receiver.verification.ed25519PublicKeys[%d]", i), Why: err.Error(),
					Advice: "put an Ed25519 public key there, as PEM or as its 32 bytes in base64 or hex, or remove it",
				})
			}
		}
	}
	for i := range spec.Receiver.DeliverTo {
		t := &spec.Receiver.DeliverTo[i]
		found = append(found, eventTypes(targetField(t), ofNotifications(t.EventTypes),
			"the target gets nothing for it", "the target gets nothing for it, unless Cloudinary has an event type of that name")...)
	}
	return found
}

// FiltersByType reports whether an endpoint has a target that accepts only some event types.
func FiltersByType(spec *v1alpha1.NotificationEndpointSpec) bool {
	return spec.Receiver != nil && slices.ContainsFunc(spec.Receiver.DeliverTo, func(t v1alpha1.DeliveryTarget) bool { return len(t.EventTypes) > 0 })
}

// TypesWithoutTrigger finds the event types that a target asks for and that none of the endpoint's
// CloudinaryTriggers brings. Doubtful names are left out. It is only a note: anybody's API calls
// may name the URL of the endpoint.
func TypesWithoutTrigger(spec *v1alpha1.NotificationEndpointSpec, brought map[string]bool) []Finding {
	if spec.Receiver == nil || brought[allEventTypes] {
		return nil
	}
	var found []Finding
	for i := range spec.Receiver.DeliverTo {
		t := &spec.Receiver.DeliverTo[i]
		missing := slices.DeleteFunc(ofNotifications(t.EventTypes), func(eventType string) bool {
			return brought[eventType] || !notification.KnownEventType(eventType)
		})
		if len(missing) > 0 {
			found = append(found, Finding{
				Field: targetField(t), Why: fmt.Sprintf("no CloudinaryTrigger that uses this endpoint has %s, so the target gets none", list(missing)),
				Advice: "add a trigger for it, or remove it here, unless your own API calls name status.url as their notification_url",
			})
		}
	}
	return found
}

func targetField(t *v1alpha1.DeliveryTarget) string {
	return fmt.Sprintf("spec.receiver.deliverTo[%s].eventTypes", t.Name)
}

// ofNotifications are event types without "all" and "unknown".
func ofNotifications(eventTypes []string) []string {
	return slices.DeleteFunc(slices.Clone(eventTypes), func(t string) bool { return t == allEventTypes || t == notification.UnknownEventType })
}
