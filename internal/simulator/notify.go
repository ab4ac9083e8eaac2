// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

const maxNotifications = 10000

// Notification is what happened, and is to be notified.
type Notification struct {
	EventType string `json:"event_type"`
	// Payload is sent as it is, byte for byte; any JSON value. Absent: one that Cloudinary might send for the event type.
	Payload json.RawMessage `json:"payload,omitempty"`
	// NotificationURL is the call's own: it is notified, and triggers that are not additive are not.
	NotificationURL string `json:"notification_url,omitempty"`
	// Count is how many notifications; 0 means 1. Without a payload each gets its own.
	Count int `json:"count,omitempty"`
	// Signing is otherwise for these notifications than for others. A forged one has another secret.
	Signing *Signing `json:"signing,omitempty"`
}

// Notified says which triggers fired.
type Notified struct {
	EventType string     `json:"event_type"`
	Count     int        `json:"count"`
	Fired     []Fired    `json:"fired"`
	NotFired  []NotFired `json:"not_fired"`
	// Deliveries are the ids of what is being sent.
	Deliveries []string `json:"deliveries"`
}

// Fired is a trigger, or a call's own notification_url, that was notified.
type Fired struct {
	TriggerID string `json:"trigger_id,omitempty"`
	URL       string `json:"url"`
	// Count is of how many of the notifications.
	Count int `json:"count"`
}

// NotFired is a trigger that was not notified.
type NotFired struct {
	TriggerID string `json:"trigger_id"`
	URL       string `json:"url"`
	// Reason is uri_type, event_type, filter or suppressed.
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// Notify sends a notification to every trigger that it fires. An error names the member that is wrong, or is ErrBusy.
func (s *Simulator) Notify(n Notification) (Notified, error) {
	if n.Count == 0 {
		n.Count = 1
	}
	if err := s.validateNotification(n); err != nil {
		return Notified{}, err
	}
	s.mu.Lock()
	signing := s.signing
	s.mu.Unlock()
	if n.Signing != nil {
		var err error
		if signing, err = s.changed(signing, *n.Signing); err != nil {
			return Notified{}, fmt.Errorf("signing: %w", err)
		}
	}
	return s.fire(s.events(n, signing.APIKey), signing, n.Signing != nil)
}

// events are what a notification asks for. Uploads among them have happened then.
func (s *Simulator) events(n Notification, apiKey string) []event {
	if !absent(n.Payload) {
		given := newEvent(n.EventType, n.Payload, n.NotificationURL)
		s.learn(given)
		return slices.Repeat([]event{given}, n.Count)
	}
	events := make([]event, 0, n.Count)
	for range n.Count {
		made := newEvent(n.EventType, s.sample(n.EventType, apiKey), n.NotificationURL)
		s.learn(made)
		events = append(events, made)
	}
	return events
}

// sample is a made-up notification of an event type.
func (s *Simulator) sample(eventType, apiKey string, replaced ...eventbody.Field) []byte {
	return sample.Notification(eventType, s.options.Cloud, apiKey, s.options.Clock(), replaced...)
}

func absent(payload json.RawMessage) bool {
	return len(payload) == 0 || string(payload) == "null"
}

func (s *Simulator) validateNotification(n Notification) error {
	switch {
	case n.EventType == "":
		return errors.New("event_type: is needed")
	case n.EventType == eventTypeAll:
		return errors.New("event_type: all is for triggers; an event has a type of its own")
	case !slices.Contains(s.eventTypes, n.EventType):
		return fmt.Errorf("event_type: %q is not known; --extra-event-types adds to what is", n.EventType)
	case n.NotificationURL != "" && !validURI(uriTypeWebhook, n.NotificationURL):
		return errors.New("notification_url: must be an http or https address")
	case n.Count < 1 || n.Count > maxNotifications:
		return fmt.Errorf("count: %d must be from 1 to %d", n.Count, maxNotifications)
	case !absent(n.Payload) && !json.Valid(n.Payload):
		return errors.New("payload: must be JSON")
	}
	return nil
}

// fire finds out which triggers fire for the events, all alike but for their payloads, and hands the notifications over.
func (s *Simulator) fire(events []event, signing Signing, ownSigning bool) (Notified, error) {
	s.mu.Lock()
	triggers := s.store.current()
	s.mu.Unlock()
	// Without the lock: a filter may take its time.
	notified := Notified{EventType: events[0].Type, Count: len(events), Fired: []Fired{}, NotFired: []NotFired{}, Deliveries: []string{}}
	var deliveries []*delivery
	for _, e := range events {
		for _, a := range s.addresses(e, triggers, &notified) {
			d := &delivery{addressed: a, id: sample.NewID(), eventType: e.Type, signing: signing, ownSigning: ownSigning}
			notified.Deliveries = append(notified.Deliveries, d.id)
			deliveries = append(deliveries, d)
		}
	}
	return notified, s.courier.accept(deliveries)
}

// addresses are where an event is notified; who is and who is not goes to the tally.
func (s *Simulator) addresses(e event, triggers []trigger, tally *Notified) []addressed {
	var to []addressed
	for _, t := range triggers {
		if reason := e.refusal(t); reason != "" {
			tally.addNotFired(NotFired{TriggerID: t.id, URL: t.uri, Reason: reason})
			continue
		}
		to = append(to, e.toTrigger(t, s.options.Delivery.TemplateEscaping))
		tally.addFired(Fired{TriggerID: t.id, URL: t.uri})
	}
	if e.ownURL != "" {
		to = append(to, e.toOwnURL())
		tally.addFired(Fired{URL: e.ownURL})
	}
	return to
}

func (n *Notified) addFired(f Fired) {
	i := slices.IndexFunc(n.Fired, func(other Fired) bool { return other.TriggerID == f.TriggerID })
	if i < 0 {
		i, n.Fired = len(n.Fired), append(n.Fired, f)
	}
	n.Fired[i].Count++
}

func (n *Notified) addNotFired(f NotFired) {
	i := slices.IndexFunc(n.NotFired, func(other NotFired) bool { return other.TriggerID == f.TriggerID && other.Reason == f.Reason })
	if i < 0 {
		i, n.NotFired = len(n.NotFired), append(n.NotFired, f)
	}
	n.NotFired[i].Count++
}

func (s *Simulator) controlNotify(req request) answer {
	n, err := decodeOne[Notification](req.body, maxNotifyBytes, "notification")
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	notified, err := s.Notify(n)
	if errors.Is(err, ErrBusy) {
		reply := failure(http.StatusServiceUnavailable, err.Error())
		reply.header = http.Header{"Retry-After": {"1"}}
		return reply
	}
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	return success(http.StatusOK, notified)
}
