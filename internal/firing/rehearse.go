// SPDX-License-Identifier: Apache-2.0

package firing

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Rehearsal is what a trigger's filter and template are tried with. No filter or template is empty.
type Rehearsal struct {
	EventType       string
	Notification    []byte
	Filter          json.RawMessage
	PayloadTemplate json.RawMessage
	Escaping        Escaping
}

// Rehearsed is what became of it.
type Rehearsed struct {
	// Passes reports whether the filter lets the notification through. FilterFailure is the reason
	// if the filter cannot be evaluated; nothing passes then.
	Passes        bool
	FilterFailure string
	// Body is what would be sent if it does, and BodyFrom one of default, template and fallback.
	Body     []byte
	BodyFrom string
	// FallbackReason is why the template was not used, where BodyFrom is fallback.
	FallbackReason string
}

// Rehearse evaluates a filter and renders a template. An error names the field that is wrong.
func Rehearse(r Rehearsal) (Rehearsed, error) {
	if r.Escaping == "" {
		r.Escaping = EscapeHTML
	}
	data, ok := Decode(r.Notification)
	if !ok {
		return Rehearsed{}, errors.New("notification: is not one JSON value")
	}
	filter, err := objectOrNone("filter", r.Filter, CheckFilter)
	if err != nil {
		return Rehearsed{}, err
	}
	template, err := objectOrNone("payload_template", r.PayloadTemplate, CheckTemplate)
	if err != nil {
		return Rehearsed{}, err
	}
	e := Event{Type: r.EventType, Payload: r.Notification, Data: data}
	var done Rehearsed
	if done.Passes, err = e.Passes(filter); err != nil {
		done.FilterFailure = err.Error()
	}
	if done.Body, done.BodyFrom, err = e.Body(template, r.Escaping); err != nil {
		done.FallbackReason = err.Error()
	}
	return done, nil
}

// objectOrNone decodes a field that is an object. Nothing, null, {} and "" stand for none.
func objectOrNone(field string, raw json.RawMessage, check func(map[string]any) error) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	value, ok := Decode(raw)
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
