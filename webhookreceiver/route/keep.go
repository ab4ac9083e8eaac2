// SPDX-License-Identifier: Apache-2.0

package route

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/bound"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// KeptTrigger is what is kept in memory of a CloudinaryTrigger. Whoever may write one may make it as large as the API server lets him; what is
// kept is small, and all that its template says is known from then on.
type KeptTrigger struct {
	// CloudinaryTrigger has its name, uid, generation and version, and status.lastNotification.
	v1alpha1.CloudinaryTrigger

	endpoint types.NamespacedName
	selected bool
	config   TriggerConfig
	urls     []string // at which Cloudinary notifies the endpoint for it
}

// KeepTrigger makes what is kept of a trigger. It parses nothing that is beyond the bounds of filters and templates.
func KeepTrigger(t *v1alpha1.CloudinaryTrigger) *KeptTrigger {
	return &KeptTrigger{
		CloudinaryTrigger: v1alpha1.CloudinaryTrigger{
			ObjectMeta: identityMeta(&t.ObjectMeta), Status: v1alpha1.CloudinaryTriggerStatus{LastNotification: t.Status.LastNotification},
		},
		endpoint: endpointOf(t), selected: selected(t), config: triggerConfig(t), urls: registeredURLs(t),
	}
}

func identityMeta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, Generation: m.Generation, ResourceVersion: m.ResourceVersion}
}

// maxRedriveBytes is how much is kept of the annotation that asks for a redrive: more than counts.
const maxRedriveBytes = 1024

// KeepEndpoint drops what is not needed of an endpoint, and has no bound of its own.
func KeepEndpoint(ep *v1alpha1.NotificationEndpoint) *v1alpha1.NotificationEndpoint {
	redrive, asked := ep.Annotations[v1alpha1.AnnotationRedrive]
	ep.ObjectMeta = identityMeta(&ep.ObjectMeta)
	if asked {
		// A copy: the whole of it would stay in memory.
		ep.Annotations = map[string]string{v1alpha1.AnnotationRedrive: strings.Clone(excerpt.Head(redrive, maxRedriveBytes))}
	}
	if ep.Spec.AllowedTriggers != nil {
		ep.Spec.AllowedTriggers.Namespaces.Selector = nil // the manager goes by it
	}
	return ep
}

// triggerConfig is what a trigger says of notifications. Where its spec is refused, that is what it still has at Cloudinary: what the template
// there says is remembered from before.
func triggerConfig(t *v1alpha1.CloudinaryTrigger) TriggerConfig {
	c := TriggerConfig{
		Trigger:    Trigger{Key: types.NamespacedName{Namespace: t.Namespace, Name: t.Name}, UID: t.UID, EventTypes: t.Spec.EventTypes},
		Generation: t.Generation, Synced: holds(t, v1alpha1.ConditionSynced), Refused: refused(t),
	}
	if c.Refused {
		c.EventTypes = atCloudinary(t)
		return c
	}
	if t.Spec.PayloadTemplate == nil {
		return c
	}
	var template map[string]any
	if err := json.Unmarshal(t.Spec.PayloadTemplate.Raw, &template); err != nil || len(template) == 0 {
		return c // {} equals absent; anything else the manager refuses
	}
	c.Templated, c.Identity = true, identityOf(template)
	c.TypePaths, c.MorePaths = notification.TemplateTypePaths(template)
	return c
}

// refused reports whether the manager has refused the filter or the template of a trigger as it is, or is about to: what is too large or too
// deep is not parsed to see what it says.
func refused(t *v1alpha1.CloudinaryTrigger) bool {
	for _, part := range []*runtime.RawExtension{t.Spec.Filter, t.Spec.PayloadTemplate} {
		if part != nil && bound.Check(part.Raw) != nil {
			return true
		}
	}
	c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionAccepted)
	return c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == t.Generation &&
		(c.Reason == v1alpha1.ReasonInvalidPayloadTemplate || c.Reason == v1alpha1.ReasonInvalidFilter)
}

// atCloudinary are the event types for which a trigger has something at Cloudinary that notifies its endpoint.
func atCloudinary(t *v1alpha1.CloudinaryTrigger) []string {
	known := map[string]bool{}
	var all []string
	for _, r := range t.Status.Registrations {
		if !isAt(r, t) {
			continue
		}
		for i := range r.Triggers {
			if one := r.Triggers[i].EventType; !known[one] {
				known[one] = true
				all = append(all, one)
			}
		}
	}
	slices.Sort(all)
	return all[:min(len(all), maxEventTypes)]
}

// registeredURLs are those of the endpoint at which a trigger has something at Cloudinary.
func registeredURLs(t *v1alpha1.CloudinaryTrigger) []string {
	var urls []string
	for _, r := range t.Status.Registrations {
		if isAt(r, t) && len(urls) < maxPaths && !slices.Contains(urls, r.URL) {
			urls = append(urls, r.URL)
		}
	}
	return urls
}

// maxEventTypes is how many event types a spec may have.
const maxEventTypes = 64

// identityOf reports whether a template's bodies have an id of their own where notification.DeduplicationKey looks for one.
func identityOf(template map[string]any) Identity {
	if _, written := template["notification_context"]; written {
		return DoubtfulIdentity
	}
	id, written := template["request_id"]
	switch text, _ := id.(string); {
	case !written:
		return NoIdentity
	case notification.Placeholder(text) == "event.request_id":
		return RequestIdentity
	default:
		return DoubtfulIdentity
	}
}
