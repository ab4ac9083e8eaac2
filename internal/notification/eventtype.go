// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// UnknownEventType stands for the event type of a notification that does not tell.
const UnknownEventType = "unknown"

// TemplateTypePaths returns where in a payload template, parsed JSON, a value is the placeholder of the event type and
// nothing else, however Mustache lets one write it: the names on the way there, an array's indexes as numbers. The
// paths are sorted. A body made from the template has its event type at each of them.
func TemplateTypePaths(template any) [][]string {
	var paths [][]string
	var walk func(value any, path []string)
	walk = func(value any, path []string) {
		switch value := value.(type) {
		case map[string]any:
			for name, inner := range value {
				walk(inner, append(slices.Clip(path), name))
			}
		case []any:
			for i, inner := range value {
				walk(inner, append(slices.Clip(path), strconv.Itoa(i)))
			}
		case string:
			if len(path) > 0 && isTypePlaceholder(value) {
				paths = append(paths, path)
			}
		}
	}
	walk(template, nil)
	slices.SortFunc(paths, slices.Compare)
	return paths
}

func isTypePlaceholder(text string) bool { return Placeholder(text) == "event.type" }

// Placeholder returns the name in a template's string that is one Mustache placeholder and nothing else, such as event.type; empty where it
// is anything else. {{name}} counts like its forms without escaping: {{{name}}} and {{&name}}.
func Placeholder(text string) string {
	inner, found := between(text, "{{", "}}")
	if !found {
		return ""
	}
	if bare, found := between(inner, "{", "}"); found {
		inner = bare
	} else {
		inner = strings.TrimPrefix(strings.TrimSpace(inner), "&")
	}
	return strings.TrimSpace(inner)
}

func between(text, before, after string) (string, bool) {
	text, opened := strings.CutPrefix(text, before)
	text, closed := strings.CutSuffix(text, after)
	return text, opened && closed
}

// TypePath is where bodies of a template have their event type, and which ones the template's trigger is for; all stands for every one.
type TypePath struct {
	Path       []string
	EventTypes []string
}

// allEventTypes is Cloudinary's word for every event type. No notification is of that type.
const allEventTypes = "all"

// EventType tells what a notification that Decode accepted is about: its notification_type; else what a template has put at one of
// paths; else sole, the only event type with a template that points at the endpoint, if there is just one; else UnknownEventType. It looks
// into body only for a path.
func EventType(body []byte, n Notification, paths []TypePath, sole string) string {
	if n.Type != "" {
		return n.Type
	}
	if found := typeAt(body, paths); found != "" {
		return found
	}
	if sole != "" {
		return sole
	}
	return UnknownEventType
}

// typeAt returns the event type that stands at one of paths, or nothing. Which template a body is made from is not known, and another one
// may have something else at the path, such as image. So of all that look like an event type, one that is named by a trigger with
// that path counts most; then, where the trigger is for all, one that Cloudinary documents; then any. Of equals the first counts.
func typeAt(body []byte, paths []TypePath) string {
	var known, other string
	for i := range paths {
		p := &paths[i]
		text := unescaped(stringAt(body, p.Path))
		if !looksLikeEventType(text) || string(text) == allEventTypes {
			continue
		}
		switch value := string(text); {
		case slices.Contains(p.EventTypes, value):
			return value
		case !slices.Contains(p.EventTypes, allEventTypes):
		case KnownEventType(value):
			known = cmp.Or(known, value)
		default:
			other = cmp.Or(other, value)
		}
	}
	return cmp.Or(known, other)
}

// stringAt returns the string at path as it is written, or nil. Of members with the same name the last counts.
func stringAt(body []byte, path []string) []byte {
	d := decoder{scanner: scanner{data: body}}
	for _, step := range path {
		at := -1
		switch d.peek() {
		case '{':
			at = d.lastMember(step)
		case '[':
			at = d.elementAt(step)
		}
		if at < 0 {
			return nil
		}
		d.scanner = scanner{data: body, pos: at}
	}
	return d.string()
}

// lastMember returns where the value of the last member with the name is, or a negative number.
func (s *scanner) lastMember(wanted string) int {
	at := -1
	for name, more := s.member(true); more; name, more = s.member(false) {
		if string(unescaped(name)) == wanted {
			at = s.pos
		}
		s.value()
	}
	return at
}

// elementAt returns where the element with the index is, or a negative number.
func (s *scanner) elementAt(wanted string) int {
	i := 0
	for more := s.element(true); more; more = s.element(false) {
		if strconv.Itoa(i) == wanted {
			return s.pos
		}
		s.value()
		i++
	}
	return -1
}
