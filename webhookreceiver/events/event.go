// SPDX-License-Identifier: Apache-2.0

package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

const (
	// ReportingController is who an Event is from: kubectl describe shows it under From.
	ReportingController = "notifications.cloudinary.dev/receiver"

	// ReasonRedriven is the reason of the Event on an endpoint whose dead letters are delivered again.
	ReasonRedriven = "Redriven"

	actionNotify  = "Notify"
	actionRedrive = "Redrive"
	actionVerify  = "Verify"
	actionDeliver = "Deliver"

	// reasonUnknown is the reason where a notification does not say what it is about.
	reasonUnknown = "Notification"

	kindEndpoint = "NotificationEndpoint"
	kindTrigger  = "CloudinaryTrigger"

	// The API server's limits.
	maxReasonBytes   = 128
	maxInstanceBytes = 128
	maxNoteBytes     = 1024

	maxNamePrefix = 200
	keyDigits     = 10
)

// Notification is what is stored of a notification, as far as its Event tells it.
type Notification struct {
	// Key is the deduplication key.
	Key        [32]byte
	ReceivedAt time.Time
	EventType  string
	Body       []byte
}

// Event makes the Event of a notification: on the trigger that fired, in that trigger's namespace, else on the endpoint. instance is the
// name of the Pod.
func Event(e *route.Endpoint, n Notification, instance string) *eventsv1.Event {
	endpoint := reference(kindEndpoint, e.Key, e.UID)
	regarding, related := endpoint, (*corev1.ObjectReference)(nil)
	if t := e.TriggerFor(n.EventType); t != nil {
		regarding, related = reference(kindTrigger, t.Key, t.UID), &endpoint
	}
	event := newEvent(regarding, n.ReceivedAt, n.Key, instance)
	event.Related = related
	event.Reason = Reason(n.EventType)
	event.Action = actionNotify
	event.Note = note(n)
	return event
}

// Redriven makes the Event that says how many dead letters of an endpoint are delivered again, and how many are kept since the endpoint
// does not have their targets any more. key tells one redrive from another.
func Redriven(e *route.Endpoint, count, kept int, at time.Time, key [32]byte, instance string) *eventsv1.Event {
	event := newEvent(reference(kindEndpoint, e.Key, e.UID), at, key, instance)
	event.Reason = ReasonRedriven
	event.Action = actionRedrive
	event.Note = fmt.Sprintf("Dead letters that are delivered again: %d", count)
	if kept > 0 {
		event.Note += fmt.Sprintf("; kept, since the endpoint does not have their targets any more: %d. Bring the targets back, or discard them", kept)
	}
	return event
}

// Turned makes the Event that says that a condition of an endpoint has turned, for the worse or for the better.
func Turned(of types.NamespacedName, uid types.UID, eventType string, c metav1.Condition, at time.Time, instance string) *eventsv1.Event {
	event := newEvent(reference(kindEndpoint, of, uid), at, sha256.Sum256([]byte(c.Type+" "+c.Reason)), instance)
	event.Type, event.Reason, event.Action = eventType, c.Reason, actionDeliver
	if c.Type == v1alpha1.ConditionVerifying {
		event.Action = actionVerify
	}
	event.Note = excerpt.Shorten(c.Message, maxNoteBytes)
	return event
}

// newEvent leaves the deprecated times alone: the API server refuses them, and kubectl shows the Age of eventTime. Where they
// are absent, kubectl's sorting by them keeps the order of names.
func newEvent(regarding corev1.ObjectReference, at time.Time, key [32]byte, instance string) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: regarding.Namespace, Name: Name(regarding.Name, at, key)},
		EventTime:           metav1.NewMicroTime(at),
		ReportingController: ReportingController,
		ReportingInstance:   instanceName(instance),
		Regarding:           regarding,
		Type:                corev1.EventTypeNormal,
	}
}

func reference(kind string, key types.NamespacedName, uid types.UID) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: kind, Namespace: key.Namespace, Name: key.Name, UID: uid,
	}
}

// Name is that of the Event on an object for what was stored at a time under a key. For one object, names sort by time, those included
// that client-go makes for the manager's Events.
func Name(object string, at time.Time, key [32]byte) string {
	if len(object) > maxNamePrefix {
		// A part of a DNS name begins and ends with a letter or digit.
		object = strings.TrimRight(object[:maxNamePrefix], "-.")
	}
	return fmt.Sprintf("%s.%016x.%s", object, at.UnixNano(), hex.EncodeToString(key[:])[:keyDigits])
}

// Reason is an event type as the reason of an Event: ResourceTagsChanged for resource_tags_changed.
func Reason(eventType string) string {
	if eventType == notification.UnknownEventType {
		return reasonUnknown
	}
	var b strings.Builder
	for word := range strings.SplitSeq(eventType, "_") {
		if word == "" {
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	if b.Len() == 0 || b.Len() > maxReasonBytes {
		return reasonUnknown
	}
	return b.String()
}

// note tells the type alone of a body that does not decode: it did when it was stored.
func note(n Notification) string {
	decoded, err := notification.Decode(n.Body)
	if err != nil {
		decoded = notification.Notification{}
	}
	text := notification.Note(n.EventType, decoded)
	return text[:min(len(text), maxNoteBytes)]
}

func instanceName(name string) string {
	if name == "" {
		return "receiver"
	}
	return name[:min(len(name), maxInstanceBytes)]
}
