// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"encoding/json"
	"time"
)

// Trigger is a trigger as the Admin API shows it. A hidden field is nil or empty. That does not
// mean that it has its default: some servers do not show every field.
type Trigger struct {
	ID        string
	URIType   string // "webhook", "flow" or "poll"; empty where the server does not say
	URI       string
	EventType string
	CreatedAt time.Time // zero where the server does not say, or says something unreadable
	UpdatedAt time.Time

	Additive *bool
	Filter   json.RawMessage // nil: not shown; "{}" or "null": shown as unset
	// As parsed JSON, also where the server shows a string that holds JSON
	PayloadTemplate json.RawMessage
	AuthScheme      *string
}

// TriggerSpec has the fields of a trigger that can be set.
type TriggerSpec struct {
	URI             string
	EventType       string          // only for a create: it cannot be changed
	Additive        bool            // false is Cloudinary's default
	Filter          json.RawMessage // nil: none
	PayloadTemplate json.RawMessage // nil: none
	AuthScheme      string          // empty: Cloudinary's default
	// FilterLanguage is sent with a filter, unless it is empty. It is not documented whether a
	// server needs it, or knows it.
	FilterLanguage string
}

// JSONLogic is the only known language of filters.
const JSONLogic = "jsonlogic"

// TestResult is the answer to a test of a trigger.
type TestResult struct {
	TriggerID     string `json:"trigger_id"`
	FilterPresent bool   `json:"filter_present"`
	FilterResult  bool   `json:"filter_result"`
}

// Meta is the information in the headers of an answer. Every call returns it, also with an error,
// if there was an answer.
type Meta struct {
	// Date is the server's time (header Date). Zero: not sent.
	Date time.Time
	// RateLimit is the state of the hour's calls. Nil: not sent.
	RateLimit *RateLimit
	// RequestID identifies the call for Cloudinary's support, with at most 128 bytes. Empty: not
	// sent.
	RequestID string
}

// RateLimit is the state of the call budget, from the headers X-FeatureRateLimit-Limit, -Remaining
// and -Reset.
type RateLimit struct {
	Limit     int
	Remaining int
	Reset     time.Time
}
