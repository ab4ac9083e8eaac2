// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// UnknownEventType stands for the event type of a notification that does not tell.
const UnknownEventType = "unknown"

// What counts of a payload template. One with more than a few places for the event type is none that a person has written.
const (
	// MaxTemplatePaths is how many places for the event type count.
	MaxTemplatePaths = 32
	// MaxSteps is how many names, and indexes, may lead to one.
	MaxSteps = 32
	// MaxTemplateSteps and MaxTemplateBytes bound those of all places of a template together.
	MaxTemplateSteps = 512
	MaxTemplateBytes = 4 << 10
)

// TemplateTypePaths returns where in a payload template, parsed JSON, a value is the placeholder of the event type and
// nothing else, however Mustache lets one write it: the names on the way there, an array's indexes as numbers. The
// paths are sorted by the names, and by the indexes. The first that exceeds a bound is left out with all after it, and more says so. A body
// made from the template has its event type at each of them.
func TemplateTypePaths(template any) (paths [][]string, more bool) {
	w := templateWalk{}
	w.walk(template)
	return w.paths, w.more
}

// templateWalk goes through a template in the order of the paths, so that it can stop at the first that does not count.
type templateWalk struct {
	at           []string
	paths        [][]string
	steps, bytes int
	more         bool
}

func (w *templateWalk) walk(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			w.into(name, value[name])
		}
	case []any:
		for i, inner := range value {
			w.into(strconv.Itoa(i), inner)
		}
	case string:
		if len(w.at) > 0 && isTypePlaceholder(value) {
			w.keep()
		}
	}
}

func (w *templateWalk) into(step string, value any) {
	if w.more {
		return
	}
	w.at = append(w.at, step)
	w.walk(value)
	w.at = w.at[:len(w.at)-1]
}

// keep takes the path up to here.
func (w *templateWalk) keep() {
	w.steps += len(w.at)
	for _, step := range w.at {
		w.bytes += len(step)
	}
	w.more = len(w.paths) == MaxTemplatePaths || len(w.at) > MaxSteps || w.steps > MaxTemplateSteps || w.bytes > MaxTemplateBytes
	if !w.more {
		w.paths = append(w.paths, slices.Clone(w.at))
	}
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

// allEventTypes is Cloudinary's word for every event type. No notification is of that type.
const allEventTypes = "all"

// EventType tells what a notification that Decode accepted is about: its notification_type; else what a template has put at one of
// paths; else sole, the only event type with a template that points at the endpoint, if there is just one; else UnknownEventType. It looks
// into body only for a path, and goes over it once whatever their number.
func EventType(body []byte, n Notification, paths *TypePaths, sole string) string {
	if n.Type != "" {
		return n.Type
	}
	if found := paths.typeIn(body); found != "" {
		return found
	}
	if sole != "" {
		return sole
	}
	return UnknownEventType
}
