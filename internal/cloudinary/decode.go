// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose members are read one by one. An unreadable member affects only
// itself. Names are exact, while encoding/json ignores their case.
type object map[string]json.RawMessage

func decodeObject(raw []byte) (object, bool) {
	var members object
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}

// onlyEntry is an object, or the only element of an array; false otherwise.
func onlyEntry(raw json.RawMessage) (json.RawMessage, bool) {
	if len(raw) > 0 && raw[0] == '{' {
		return raw, true
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil || len(entries) != 1 {
		return nil, false
	}
	return entries[0], true
}

// decodeCreated reads the answer to a create: the trigger, bare or wrapped.
func decodeCreated(body []byte) (Trigger, bool) {
	answer, ok := decodeObject(body)
	if !ok {
		return Trigger{}, false
	}
	for _, wrapper := range []string{"triggers", "trigger"} {
		if entry, ok := onlyEntry(answer[wrapper]); ok {
			return decodeTrigger(entry)
		}
	}
	return triggerFrom(answer)
}

// decodeTrigger reads one trigger. It fails only if there is no valid id, without which nothing can
// be done with the trigger.
func decodeTrigger(raw json.RawMessage) (Trigger, bool) {
	members, ok := decodeObject(raw)
	if !ok {
		return Trigger{}, false
	}
	return triggerFrom(members)
}

// triggerFrom cuts values that are longer than Cloudinary's can be. Such a value matches no spec,
// cut or not.
func triggerFrom(members object) (Trigger, bool) {
	trigger := Trigger{
		ID:              text(members["id"]),
		URIType:         cut(textOrRaw(members["uri_type"]), maxName),
		URI:             cut(text(members["uri"]), maxURI),
		EventType:       cut(text(members["event_type"]), maxName),
		CreatedAt:       timestamp(members["created_at"]),
		UpdatedAt:       timestamp(members["updated_at"]),
		Additive:        boolean(members["additive"]),
		Filter:          embedded(members["filter"]),
		PayloadTemplate: embedded(members["payload_template"]),
	}
	if scheme := cut(text(members["auth_scheme"]), maxName); scheme != "" {
		trigger.AuthScheme = &scheme
	}
	return trigger, trigger.ID != "" && len(trigger.ID) <= maxID
}

// cut is a copy of the first bytes of a text, which does not keep the whole text in memory.
func cut(value string, limit int) string {
	if len(value) <= limit {
		return value
	}
	return strings.ToValidUTF8(strings.Clone(value[:limit]), "")
}

func decodeTestResult(body []byte) (TestResult, bool) {
	answer, ok := decodeObject(body)
	if !ok {
		return TestResult{}, false
	}
	result := boolean(answer["filter_result"])
	if result == nil {
		return TestResult{}, false
	}
	present := boolean(answer["filter_present"])
	return TestResult{
		TriggerID:     text(answer["trigger_id"]),
		FilterPresent: present != nil && *present,
		FilterResult:  *result,
	}, true
}

// acknowledges reports whether the body of a 2xx answer can be Cloudinary's: it is empty, or an
// object that is not an error. Otherwise a portal that answers everything with a page would look
// like a successful delete.
func acknowledges(body []byte) bool {
	if len(bytes.TrimSpace(body)) == 0 {
		return true
	}
	answer, ok := decodeObject(body)
	return ok && answer["error"] == nil
}

// errorMessage is the error.message of an Admin API error; false if the body is not one.
func errorMessage(body []byte) (string, bool) {
	answer, ok := decodeObject(body)
	if !ok {
		return "", false
	}
	raw := answer["error"]
	if details, ok := decodeObject(raw); ok {
		raw = details["message"]
	}
	message := text(raw)
	return message, message != ""
}

// text is a string, or the digits of a number; empty otherwise.
func text(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) == nil {
		return value
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}

// textOrRaw keeps a value that is not a string unchanged, so that an unreadable uri_type does not
// look like an absent one.
func textOrRaw(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) == nil || len(raw) == 0 {
		return value
	}
	compact, _ := compacted(raw)
	return string(compact)
}

func integer(raw json.RawMessage) (int, bool) {
	value, err := strconv.Atoi(text(raw))
	return value, err == nil
}

func boolean(raw json.RawMessage) *bool {
	var value bool
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true", "1":
		value = true
	case "false", "0":
	default:
		return nil
	}
	return &value
}

// timestamp reads RFC 3339 with any zone and any fraction; zero otherwise. It is returned in UTC.
func timestamp(raw json.RawMessage) time.Time {
	value, err := time.Parse(time.RFC3339, text(raw))
	if err != nil {
		return time.Time{}
	}
	return value.UTC()
}

// embedded reads a member that is a JSON value, or a string with one: compact, numbers unchanged,
// nil if absent, null if shown as unset, and the string itself if it has no JSON object. A value
// that is too large becomes a string that says so.
func embedded(raw json.RawMessage) json.RawMessage {
	value := embeddedValue(raw)
	if len(value) > maxEmbedded {
		return fmt.Appendf(nil, `"(%d bytes)"`, len(value))
	}
	return value
}

func embeddedValue(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	var quoted string
	if raw[0] == '"' && json.Unmarshal(raw, &quoted) == nil {
		quoted = strings.TrimSpace(quoted)
		if quoted == "" {
			return json.RawMessage("null")
		}
		if inner, ok := compacted(json.RawMessage(quoted)); ok && (inner[0] == '{' || string(inner) == "null") {
			return inner
		}
	}
	compact, _ := compacted(raw)
	return compact
}

// compacted is raw without insignificant space; false if it is not JSON. An empty text stays empty.
func compacted(raw json.RawMessage) (json.RawMessage, bool) {
	if len(raw) == 0 {
		return nil, true
	}
	var buffer bytes.Buffer
	if err := json.Compact(&buffer, raw); err != nil {
		return nil, false
	}
	return buffer.Bytes(), true
}
