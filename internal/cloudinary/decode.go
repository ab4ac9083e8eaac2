// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose members are read one by one: an unreadable one costs nothing but itself, and names
// are exact, where encoding/json's structs would take any case.
type object map[string]json.RawMessage

func decodeObject(raw []byte) (object, bool) {
	var members object
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}

// decodeList reads the answer to a list. An answer that does not clearly hold all triggers is an error: taken for a
// list, what is missing would look deleted.
func decodeList(body []byte) ([]Trigger, error) {
	answer, ok := decodeObject(body)
	if !ok {
		return nil, errUnreadable
	}
	total, hasTotal := integer(answer["total"])
	entries, ok := listEntries(answer["triggers"], hasTotal && total == 0)
	if !ok {
		return nil, errUnreadable
	}
	if hasTotal && total > len(entries) || hasMore(answer) {
		return nil, errIncompleteList
	}
	triggers := make([]Trigger, 0, len(entries))
	for _, entry := range entries {
		trigger, ok := decodeTrigger(entry)
		if !ok {
			return nil, errIncompleteList
		}
		triggers = append(triggers, trigger)
	}
	return triggers, nil
}

// listEntries tolerates two ways in which servers write short lists: one trigger without the brackets, and null where
// they say beside it that there are none.
func listEntries(raw json.RawMessage, saysEmpty bool) ([]json.RawMessage, bool) {
	var entries []json.RawMessage
	switch {
	case len(raw) == 0:
		return nil, false
	case string(raw) == "null":
		return nil, saysEmpty
	case raw[0] == '{':
		return []json.RawMessage{raw}, true
	}
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, false
	}
	return entries, true
}

// hasMore says whether the answer points at a further page, in any of the words used for that.
func hasMore(answer object) bool {
	for _, name := range []string{"next_cursor", "nextCursor", "next_page", "next", "has_more", "truncated"} {
		switch string(bytes.TrimSpace(answer[name])) {
		case "", "null", "false", `""`, "0", "{}", "[]":
		default:
			return true
		}
	}
	return false
}

// decodeCreated reads the answer to a create: the trigger, bare or wrapped.
func decodeCreated(body []byte) (Trigger, bool) {
	answer, ok := decodeObject(body)
	if !ok {
		return Trigger{}, false
	}
	for _, wrapper := range []string{"triggers", "trigger"} {
		entries, ok := listEntries(answer[wrapper], false)
		if ok && len(entries) == 1 {
			return decodeTrigger(entries[0])
		}
	}
	return decodeTrigger(body)
}

// decodeTrigger reads one trigger. It fails only where there is no id, without which nothing can be done with it.
func decodeTrigger(raw json.RawMessage) (Trigger, bool) {
	members, ok := decodeObject(raw)
	if !ok {
		return Trigger{}, false
	}
	trigger := Trigger{
		ID:              text(members["id"]),
		URIType:         textOrRaw(members["uri_type"]),
		URI:             text(members["uri"]),
		EventType:       text(members["event_type"]),
		CreatedAt:       timestamp(members["created_at"]),
		UpdatedAt:       timestamp(members["updated_at"]),
		Additive:        boolean(members["additive"]),
		Filter:          embedded(members["filter"]),
		PayloadTemplate: embedded(members["payload_template"]),
	}
	if scheme := text(members["auth_scheme"]); scheme != "" {
		trigger.AuthScheme = &scheme
	}
	return trigger, trigger.ID != ""
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

// acknowledges says whether the body of a 2xx answer can be Cloudinary's: none, or an object that is not an error. A
// portal that answers everything with a page would otherwise pass for one that deletes triggers.
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

// textOrRaw keeps what is not a string as it stands, so that an unreadable uri_type is not taken for an absent one.
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

// embedded reads a member that is a JSON value or a string that holds one: compact, numbers untouched, nil where it is
// absent, null where it is shown as unset, and the string itself where it holds no JSON object.
func embedded(raw json.RawMessage) json.RawMessage {
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

// compacted is raw without insignificant space; false if it is not JSON. Nothing at all stays that.
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
