// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"encoding/json"
	"time"
)

// Trigger is a trigger as the Admin API shows it. What a server did not show is nil or empty; that is not the
// same as its default, since servers exist that do not show every field.
type Trigger struct {
	ID        string
	URIType   string // "webhook", "flow" or "poll"; empty where the server does not say
	URI       string
	EventType string
	CreatedAt time.Time // zero where the server does not say, or says something unreadable
	UpdatedAt time.Time

	Additive        *bool
	Filter          json.RawMessage // nil: not shown; "{}" or "null": shown as unset
	PayloadTemplate json.RawMessage // as parsed JSON, also where the server shows a string that holds JSON
	AuthScheme      *string
}

// TriggerSpec is what can be set on a trigger.
type TriggerSpec struct {
	URI             string
	EventType       string          // only for a create: it cannot be changed
	Additive        bool            // false is Cloudinary's default
	Filter          json.RawMessage // nil: none
	PayloadTemplate json.RawMessage // nil: none
	AuthScheme      string          // empty: Cloudinary's default
	// FilterLanguage is sent beside a filter; empty: it is not. Whether a server needs it, or knows it, is not documented.
	FilterLanguage string
}

// JSONLogic is the only language that filters are known to have.
const JSONLogic = "jsonlogic"

// TestResult is the answer to a test of a trigger.
type TestResult struct {
	TriggerID     string `json:"trigger_id"`
	FilterPresent bool   `json:"filter_present"`
	FilterResult  bool   `json:"filter_result"`
}

// Meta is what the headers of an answer say; every call returns it, also beside an error, as far as an answer came.
type Meta struct {
	// Date is the server's clock (header Date), zero where it was not sent.
	Date time.Time
	// RateLimit is the state of the hour's budget, nil where the server did not send it.
	RateLimit *RateLimit
	// RequestID is what Cloudinary's support finds the call by, empty where the server did not send it. At most 128 bytes.
	RequestID string
}

// RateLimit is the state of the call budget, from the headers X-FeatureRateLimit-Limit, -Remaining and -Reset.
type RateLimit struct {
	Limit     int
	Remaining int
	Reset     time.Time
}
