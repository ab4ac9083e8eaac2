// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// SampleNotification is a made-up notification of an event type, as the simulator would send it. Its ids are fresh ones.
func SampleNotification(eventType, cloud, apiKey string, at time.Time) []byte {
	return madeUp(eventType, newSample(at.UTC(), cloud, apiKey))
}

// SignatureHeaders are X-Cld-Timestamp and X-Cld-Signature of a body.
func SignatureHeaders(algorithm SignatureAlgorithm, body []byte, at time.Time, secret string) http.Header {
	return signatureHeaders(schemeLegacyHMAC, body, at, Signing{Algorithm: algorithm, APISecret: secret}, nil)
}

// Rehearsal is what a trigger's filter and template are tried with. No filter or template is empty.
type Rehearsal struct {
	EventType       string
	Notification    []byte
	Filter          json.RawMessage
	PayloadTemplate json.RawMessage
	Escaping        TemplateEscaping
}

// Rehearsed is what became of it.
type Rehearsed struct {
	// Passes reports whether the filter lets the notification through. FilterFailure is why that cannot be said; the simulator lets
	// nothing through then.
	Passes        bool
	FilterFailure string
	// Body is what would be sent if it does, and BodyFrom one of default, template and fallback.
	Body     []byte
	BodyFrom string
	// FallbackReason is why the template was not used, where BodyFrom is fallback.
	FallbackReason string
}

// Rehearse evaluates a filter and renders a template as the simulator does for a trigger. An error names the field that is wrong.
func Rehearse(r Rehearsal) (Rehearsed, error) {
	if r.Escaping == "" {
		r.Escaping = EscapeHTML
	}
	if _, ok := decodeJSON(r.Notification); !ok {
		return Rehearsed{}, errors.New("notification: is not one JSON value")
	}
	filter, err := objectOrNone("filter", r.Filter, checkFilter)
	if err != nil {
		return Rehearsed{}, err
	}
	template, err := objectOrNone("payload_template", r.PayloadTemplate, checkTemplate)
	if err != nil {
		return Rehearsed{}, err
	}
	e := newEvent(r.EventType, r.Notification, "")
	sent := e.toTrigger(trigger{template: template, authScheme: schemeDefault}, r.Escaping)
	done := Rehearsed{Body: sent.body, BodyFrom: sent.bodyFrom}
	if done.Passes, err = evaluate(filter, e.fields()); err != nil {
		done.FilterFailure = err.Error()
	}
	if sent.bodyFrom == bodyFallback {
		if _, err := render(template, namespaces(r.EventType, e.data), r.Escaping); err != nil {
			done.FallbackReason = err.Error()
		}
	}
	return done, nil
}

// objectOrNone decodes a field that is an object. Nothing, null, {} and "" stand for none.
func objectOrNone(field string, raw json.RawMessage, check func(map[string]any) error) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	value, ok := decodeJSON(raw)
	if !ok {
		return nil, fmt.Errorf("%s: is not one JSON value", field)
	}
	object, isObject := value.(map[string]any)
	switch {
	case value == nil, value == "", isObject && len(object) == 0:
		return nil, nil
	case !isObject:
		return nil, fmt.Errorf("%s: must be a JSON object", field)
	}
	if err := check(object); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return object, nil
}
