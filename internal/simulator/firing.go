// SPDX-License-Identifier: Apache-2.0

package simulator

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
	eventType string
	payload   []byte // JSON
	data      any    // what the payload holds
	ownURL    string // the call's own notification_url
}

func newEvent(eventType string, payload []byte, ownURL string) event {
	data, _ := decodeJSON(payload)
	return event{eventType: eventType, payload: payload, data: data, ownURL: ownURL}
}

// fields are the payload's own, for a filter to look at. A payload that is no object has none.
func (e event) fields() map[string]any {
	object, ok := e.data.(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return object
}

// refusal is why a trigger does not fire; empty: it does.
func (e event) refusal(t trigger) string {
	switch {
	case t.uriType != uriTypeWebhook:
		return reasonURIType
	case t.eventType != e.eventType && t.eventType != eventTypeAll:
		return reasonEventType
	case !passes(t.filter, e.fields()):
		return reasonFilter
	case e.ownURL != "" && !t.additive:
		return reasonSuppressed
	default:
		return ""
	}
}

// Values of Delivery.BodyFrom.
const (
	bodyDefault  = "default"
	bodyTemplate = "template"
	bodyFallback = "fallback"
)

// addressed is one notification, on its way to one address.
type addressed struct {
	triggerID  string // empty: the call's own notification_url
	url        string
	authScheme string
	body       []byte
	bodyFrom   string
}

// toTrigger renders the trigger's template, or falls back to the payload.
func (e event) toTrigger(t trigger, escaping TemplateEscaping) addressed {
	a := addressed{triggerID: t.id, url: t.uri, authScheme: t.authScheme, body: e.payload, bodyFrom: bodyDefault}
	if t.template == nil {
		return a
	}
	body, err := render(t.template, namespaces(e.eventType, e.data), escaping)
	if err != nil {
		a.bodyFrom = bodyFallback
		return a
	}
	a.body, a.bodyFrom = body, bodyTemplate
	return a
}

func (e event) toOwnURL() addressed {
	return addressed{url: e.ownURL, authScheme: schemeDefault, body: e.payload, bodyFrom: bodyDefault}
}
