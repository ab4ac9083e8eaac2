// SPDX-License-Identifier: Apache-2.0

package simulator

import "github.com/cloudinary-operator/cloudinary-operator/internal/firing"

// Reasons why a trigger does not fire.
const (
	reasonURIType    = "uri_type"
	reasonEventType  = "event_type"
	reasonFilter     = "filter"
	reasonSuppressed = "suppressed"
)

const eventTypeAll = "all"

// event is something that happened in the product environment.
type event struct {
	firing.Event
	ownURL string // the call's own notification_url
}

func newEvent(eventType string, payload []byte, ownURL string) event {
	data, _ := firing.Decode(payload)
	return event{Event: firing.Event{Type: eventType, Payload: payload, Data: data}, ownURL: ownURL}
}

// refusal is why a trigger does not fire; empty: it does.
func (e event) refusal(t trigger) string {
	switch {
	case t.uriType != uriTypeWebhook:
		return reasonURIType
	case t.eventType != e.Type && t.eventType != eventTypeAll:
		return reasonEventType
	case !passes(t.filter, e.Fields()):
		return reasonFilter
	case e.ownURL != "" && !t.additive:
		return reasonSuppressed
	default:
		return ""
	}
}

// passes reports whether a filter lets a notification through. One that cannot be evaluated does not.
func passes(filter, fields map[string]any) bool {
	passes, err := firing.Passes(filter, fields)
	return err == nil && passes
}

// addressed is one notification, on its way to one address.
type addressed struct {
	triggerID  string // empty: the call's own notification_url
	url        string
	authScheme string
	body       []byte
	bodyFrom   string
}

// toTrigger renders the trigger's template, or falls back to the payload.
func (e event) toTrigger(t trigger, escaping firing.Escaping) addressed {
	a := addressed{triggerID: t.id, url: t.uri, authScheme: t.authScheme}
	a.body, a.bodyFrom, _ = e.Body(t.template, escaping)
	return a
}

func (e event) toOwnURL() addressed {
	return addressed{url: e.ownURL, authScheme: schemeDefault, body: e.Payload, bodyFrom: firing.BodyDefault}
}
