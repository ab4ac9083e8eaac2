// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// The fields that the published OpenAPI does not have.
const (
	fieldAdditive   = "additive"
	fieldFilter     = "filter"
	fieldTemplate   = "payload_template"
	fieldAuthScheme = "auth_scheme"
)

func optionalFields() []string {
	return []string{fieldAdditive, fieldFilter, fieldTemplate, fieldAuthScheme}
}

// shown is a trigger as an answer shows it: what it means, and its members as they came.
type shown struct {
	cloudinary.Trigger
	members map[string]json.RawMessage
}

// listed pairs the triggers of a list with their members.
func listed(triggers []cloudinary.Trigger, body []byte) []shown {
	var answer struct {
		Triggers []map[string]json.RawMessage `json:"triggers"`
	}
	// The client has read this list already. What it tolerates beyond it, such as a single trigger without brackets, has no members.
	_ = json.Unmarshal(body, &answer)
	all := make([]shown, 0, len(triggers))
	for i, t := range triggers {
		one := shown{Trigger: t}
		if len(answer.Triggers) == len(triggers) {
			one.members = answer.Triggers[i]
		}
		all = append(all, one)
	}
	return all
}

// created reads a create's answer, and reports whether the trigger is wrapped.
func created(t cloudinary.Trigger, body []byte) (one shown, wrapped bool) {
	one = shown{Trigger: t}
	// The client has read this answer already, so it is an object.
	_ = json.Unmarshal(body, &one.members)
	if _, bare := one.members["id"]; bare {
		return one, false
	}
	for _, name := range []string{"triggers", "trigger"} {
		var inner map[string]json.RawMessage
		if json.Unmarshal(one.members[name], &inner) == nil && inner != nil {
			one.members = inner
		}
	}
	return one, true
}

// raw is a member as compact JSON; empty where it is absent.
func (s shown) raw(field string) string {
	var compact bytes.Buffer
	if json.Compact(&compact, s.members[field]) != nil {
		return ""
	}
	return compact.String()
}

// isSet reports whether a field is shown with another value than the one it has where nobody sets it.
func (s shown) isSet(field string) bool {
	switch s.raw(field) {
	case "", "null", "{}", `""`, "false", `"default"`, "[]":
		return false
	}
	return true
}

// visible are those of the fields that are shown.
func (s shown) visible() []string {
	var names []string
	for _, field := range optionalFields() {
		if _, ok := s.members[field]; ok {
			names = append(names, field)
		}
	}
	return names
}

// compareURL says how a URL came back.
func compareURL(sent, got string) string {
	switch {
	case got == sent:
		return verdictOff
	case plainURL(got) == plainURL(sent):
		return verdictEquivalent
	}
	return verdictLossy
}

// plainURL writes a URL with what its RFC calls equivalent written one way.
func plainURL(raw string) string {
	parsed, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	parsed.Scheme, parsed.Host = strings.ToLower(parsed.Scheme), strings.ToLower(parsed.Host)
	if parsed.Scheme == "https" {
		parsed.Host = strings.TrimSuffix(parsed.Host, ":443")
	}
	if parsed.Path == "" {
		parsed.Path = "/"
	}
	return parsed.String()
}

// compareFilter says how a filter came back.
func compareFilter(sent, got json.RawMessage) string {
	a, b := decoded(sent), decoded(got)
	switch {
	case reflect.DeepEqual(a, b):
		return verdictOff
	case reflect.DeepEqual(written(a), written(b)):
		return verdictEquivalent
	}
	return verdictLossy
}

// compareTemplate says how a template came back.
func compareTemplate(sent, got json.RawMessage) string {
	if reflect.DeepEqual(decoded(sent), decoded(got)) {
		return verdictOff
	}
	return verdictLossy
}

func decoded(raw json.RawMessage) any {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return nil
	}
	return value
}

// written writes JSONLogic's short form for one operand in full.
func written(value any) any {
	switch v := value.(type) {
	case []any:
		full := make([]any, 0, len(v))
		for _, element := range v {
			full = append(full, written(element))
		}
		return full
	case map[string]any:
		full := make(map[string]any, len(v))
		for operator, operands := range v {
			list, ok := operands.([]any)
			if !ok {
				list = []any{operands}
			}
			full[operator] = written(list)
		}
		return full
	}
	return value
}
