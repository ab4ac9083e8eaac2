// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

// ListTriggers returns all triggers of the environment, of every uri_type, in the server's order.
// Either the list is complete and every trigger has an id, or there is an error. A list is empty
// only if the server says so.
func (c *Client) ListTriggers(ctx context.Context) ([]Trigger, Meta, error) {
	var triggers []Trigger
	list := call{operation: OpList, method: http.MethodGet, read: func(body io.Reader) (err error) {
		triggers, err = decodeList(body)
		return err
	}}
	_, meta, err := c.do(ctx, list)
	return triggers, meta, err
}

// CreateTrigger creates a webhook trigger and returns it as the server shows it, which may be less
// than was sent. Unset fields of the spec are not sent. A success without an id is IsAmbiguous.
func (c *Client) CreateTrigger(ctx context.Context, spec TriggerSpec) (Trigger, Meta, error) {
	create := call{operation: OpCreate, method: http.MethodPost, write: true}
	body, err := encode(createBody{
		URI:             spec.URI,
		EventType:       spec.EventType,
		Additive:        spec.Additive,
		Filter:          unlessUnset(spec.Filter),
		PayloadTemplate: unlessUnset(spec.PayloadTemplate),
		AuthScheme:      spec.AuthScheme,
		FilterLanguage:  spec.filterLanguage(),
	})
	if err != nil {
		return Trigger{}, Meta{}, &Error{Operation: OpCreate, Err: err}
	}
	create.body = body
	got, meta, err := c.do(ctx, create)
	if err != nil {
		return Trigger{}, meta, err
	}
	trigger, ok := decodeCreated(got.body)
	if !ok {
		return Trigger{}, meta, c.unreadable(create, got.status, errUnreadable)
	}
	return trigger, meta, nil
}

// EmptyForm is a way to clear a field in an update. It is not documented which one a server
// understands.
type EmptyForm int

const (
	// EmptyObject sends {}.
	EmptyObject EmptyForm = iota
	// EmptyString sends "".
	EmptyString
)

// UpdateOptions say how to write an update.
type UpdateOptions struct {
	// ClearTemplate and ClearFilter are the forms for a spec without a payload template or filter.
	// A server that does not know the form answers IsInvalid, or ignores it.
	ClearTemplate EmptyForm
	ClearFilter   EmptyForm
}

// raw is the form as JSON.
func (f EmptyForm) raw() json.RawMessage {
	if f == EmptyString {
		return json.RawMessage(`""`)
	}
	return json.RawMessage(`{}`)
}

// UpdateTrigger sets the URL and every other field of the trigger, including those with their
// default. It ignores the spec's EventType. The server does not show the result.
func (c *Client) UpdateTrigger(ctx context.Context, id string, spec TriggerSpec, options UpdateOptions) (Meta, error) {
	body, err := encode(updateBody{
		NewURI:          spec.URI,
		Additive:        spec.Additive,
		Filter:          orElse(unlessUnset(spec.Filter), options.ClearFilter.raw()),
		PayloadTemplate: orElse(unlessUnset(spec.PayloadTemplate), options.ClearTemplate.raw()),
		AuthScheme:      cmp.Or(spec.AuthScheme, defaultAuthScheme),
		FilterLanguage:  spec.filterLanguage(),
	})
	if err != nil {
		return Meta{}, &Error{Operation: OpUpdate, Err: err}
	}
	return c.write(ctx, id, call{operation: OpUpdate, method: http.MethodPut, body: body})
}

// DeleteTrigger deletes the trigger. IsNotFound means that it is gone already, or that no trigger
// can have such an id.
func (c *Client) DeleteTrigger(ctx context.Context, id string) (Meta, error) {
	return c.write(ctx, id, call{operation: OpDelete, method: http.MethodDelete})
}

// write makes a call on one trigger whose answer only says that it worked.
func (c *Client) write(ctx context.Context, id string, change call) (Meta, error) {
	path, err := pathOf(id)
	if err != nil {
		return Meta{}, &Error{Operation: change.operation, Err: err}
	}
	change.path, change.write = path, true
	got, meta, err := c.do(ctx, change)
	if err != nil {
		return meta, err
	}
	if !acknowledges(got.body) {
		return meta, c.unreadable(change, got.status, errUnreadable)
	}
	return meta, nil
}

// TestTrigger asks the server whether the trigger's filter accepts sample, a JSON object in place
// of a notification; empty: no sample is sent. It changes nothing.
func (c *Client) TestTrigger(ctx context.Context, id string, sample json.RawMessage) (TestResult, Meta, error) {
	test := call{operation: OpTest, method: http.MethodPost}
	path, err := pathOf(id)
	if err != nil {
		return TestResult{}, Meta{}, &Error{Operation: OpTest, Err: err}
	}
	body, err := encode(testBody{SampleData: sample})
	if err != nil {
		return TestResult{}, Meta{}, &Error{Operation: OpTest, Err: err}
	}
	test.path, test.body = path+"/test", body
	got, meta, err := c.do(ctx, test)
	if err != nil {
		return TestResult{}, meta, err
	}
	result, ok := decodeTestResult(got.body)
	if !ok {
		return TestResult{}, meta, c.unreadable(test, got.status, errUnreadable)
	}
	return result, meta, nil
}

const (
	defaultAuthScheme = "default"
	maxIDBytes        = 256
)

// pathOf refuses ids that would address the collection or a path outside of it.
func pathOf(id string) (string, error) {
	if id == "" || id == "." || id == ".." || len(id) > maxIDBytes {
		return "", errInvalidInput
	}
	return "/" + url.PathEscape(id), nil
}

type createBody struct {
	URI             string          `json:"uri"`
	EventType       string          `json:"event_type"`
	Additive        bool            `json:"additive,omitempty"`
	Filter          json.RawMessage `json:"filter,omitempty"`
	PayloadTemplate json.RawMessage `json:"payload_template,omitempty"`
	AuthScheme      string          `json:"auth_scheme,omitempty"`
	FilterLanguage  string          `json:"filter_language,omitempty"`
}

type updateBody struct {
	NewURI          string          `json:"new_uri"`
	Additive        bool            `json:"additive"`
	Filter          json.RawMessage `json:"filter"`
	PayloadTemplate json.RawMessage `json:"payload_template"`
	AuthScheme      string          `json:"auth_scheme"`
	FilterLanguage  string          `json:"filter_language,omitempty"`
}

// filterLanguage is the language to send: none without a filter.
func (s TriggerSpec) filterLanguage() string {
	if unlessUnset(s.Filter) == nil {
		return ""
	}
	return s.FilterLanguage
}

type testBody struct {
	SampleData json.RawMessage `json:"sample_data,omitempty"`
}

// encode writes JSON without HTML escapes, which would make a template longer than its author
// measured.
func encode(body any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, errInvalidInput // not wrapped: it may quote what was to be sent
	}
	return bytes.TrimSpace(buffer.Bytes()), nil
}

// unlessUnset is nil for every way to say "none".
func unlessUnset(raw json.RawMessage) json.RawMessage {
	compact, ok := compacted(raw)
	if !ok {
		return raw
	}
	switch string(compact) {
	case "", "{}", "null", `""`:
		return nil
	}
	return raw
}

func orElse(raw, otherwise json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return otherwise
	}
	return raw
}
