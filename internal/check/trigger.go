// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// allEventTypes is Cloudinary's word for every event type.
const allEventTypes = "all"

// Trigger checks a trigger by itself. It relies on the validation of the CRD's schema.
func Trigger(spec *v1alpha1.CloudinaryTriggerSpec) []Finding {
	var found []Finding
	refuse := func(reason string, problem error) {
		if problem != nil {
			found = append(found, Finding{Severity: Refusal, Reason: reason, Why: "spec." + problem.Error()}) // which names the place
		}
	}
	if spec.Filter != nil {
		refuse(v1alpha1.ReasonInvalidFilter, plan.CheckFilter(spec.Filter.Raw))
	}
	if spec.PayloadTemplate != nil {
		refuse(v1alpha1.ReasonInvalidPayloadTemplate, plan.CheckTemplate(spec.PayloadTemplate.Raw))
	}
	if len(found) == 0 {
		for _, doubt := range eventbody.Doubts(rawOf(spec.Filter), rawOf(spec.PayloadTemplate), spec.EventTypes) {
			found = append(found, Finding{Why: doubt.String()}) // which names the field
		}
	}
	return append(found, eventTypes(FieldEventTypes, spec.EventTypes, "Cloudinary most likely refuses it. The operator sends it unchanged", "the operator sends it unchanged")...)
}

func rawOf(extension *runtime.RawExtension) json.RawMessage {
	if extension == nil {
		return nil
	}
	return extension.Raw
}

// TypesWithoutTarget finds the event types of a trigger that no target of its endpoint accepts.
func TypesWithoutTarget(endpoint string, ep *v1alpha1.NotificationEndpointSpec, types []string) []Finding {
	if ep.Receiver == nil || len(ep.Receiver.DeliverTo) == 0 || slices.Contains(types, allEventTypes) {
		return nil
	}
	missing := slices.DeleteFunc(slices.Clone(types), func(eventType string) bool {
		return slices.ContainsFunc(ep.Receiver.DeliverTo, func(t v1alpha1.DeliveryTarget) bool {
			return len(t.EventTypes) == 0 || slices.Contains(t.EventTypes, eventType) || slices.Contains(t.EventTypes, allEventTypes)
		})
	})
	if len(missing) == 0 {
		return nil
	}
	return []Finding{{
		Field: FieldEventTypes, Why: fmt.Sprintf("no target of NotificationEndpoint %s accepts %s. Such notifications are counted, and not delivered", endpoint, list(missing)),
		Advice: "add it to the eventTypes of a target, or remove it here",
	}}
}

// eventTypes checks the names of event types. A name that the operator does not know may still be
// Cloudinary's, unless it is close to a known one. Both kinds have an advice.
func eventTypes(field string, names []string, ofMisspelt, ofUnknown string) []Finding {
	var found []Finding
	for _, name := range names {
		doubt := notification.EventTypeDoubt(name)
		switch {
		case doubt == "":
		case notification.ClosestEventType(name) != "":
			found = append(found, Finding{Severity: Doubt, Field: field, Why: doubt, Advice: ofMisspelt})
		default:
			found = append(found, Finding{Field: field, Why: doubt, Advice: ofUnknown})
		}
	}
	return found
}

// maxListed is how many names a message lists.
const maxListed = 10

func list(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}
