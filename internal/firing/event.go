// SPDX-License-Identifier: Apache-2.0

package firing

import (
	"bytes"
	"encoding/json"

	"github.com/cloudinary-operator/cloudinary-operator/internal/jsonlogic"
)

// Event is something that happened in a product environment, and is to be notified.
type Event struct {
	Type string
	// Payload is the notification as JSON, and Data the value it holds, by Decode.
	Payload []byte
	Data    any
}

// Decode reads exactly one JSON value, and keeps its numbers as written.
func Decode(text []byte) (value any, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	return value, len(bytes.TrimSpace(text[decoder.InputOffset():])) == 0
}

// Fields are the payload's own members, for a filter to look at. A payload that is no object has none.
func (e Event) Fields() map[string]any {
	object, ok := e.Data.(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return object
}

// Passes reports whether a filter lets the notification through: nil does. One that cannot be
// evaluated does not, and the error says why.
func (e Event) Passes(filter map[string]any) (bool, error) { return Passes(filter, e.Fields()) }

// Passes reports whether a filter lets a notification with these members through.
func Passes(filter, fields map[string]any) (bool, error) {
	if filter == nil {
		return true, nil
	}
	return jsonlogic.Holds(filter, fields)
}

// The second result of Event.Body.
const (
	BodyDefault  = "default"  // the payload, since there is no template
	BodyTemplate = "template" // what the template makes of the payload
	BodyFallback = "fallback" // the payload, since the template cannot be rendered
)

// Body is what is sent: by a template or, with nil and if that cannot be rendered, the payload as it
// is. The error says why a template was not used.
func (e Event) Body(template map[string]any, escaping Escaping) (body []byte, from string, err error) {
	if template == nil {
		return e.Payload, BodyDefault, nil
	}
	body, err = render(template, namespaces(e.Type, e.Data), escaping)
	if err != nil {
		return e.Payload, BodyFallback, err
	}
	return body, BodyTemplate, nil
}
