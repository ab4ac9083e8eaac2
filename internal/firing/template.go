// SPDX-License-Identifier: Apache-2.0

package firing

import (
	"errors"
	"fmt"

	"github.com/cbroglie/mustache"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
)

// Escaping is what {{name}} in a payload template does to the characters that mean something in HTML.
type Escaping string

// Values of Escaping.
const (
	// EscapeHTML escapes them, as Mustache does; {{{name}}} does not. The default.
	EscapeHTML Escaping = "html"
	// EscapeNone leaves them as they are.
	EscapeNone Escaping = "none"
)

const maxTemplateBytes = 16 << 10

var errTemplate = errors.New("invalid payload template")

// CheckTemplate accepts an object of at most 16 KB whose texts, at any depth, are Mustache that parses.
func CheckTemplate(template map[string]any) error {
	if text, err := eventbody.Compact(template); err != nil || len(text) > maxTemplateBytes {
		return fmt.Errorf("%w: more than %d bytes", errTemplate, maxTemplateBytes)
	}
	return checkTexts(template)
}

func checkTexts(value any) error {
	switch v := value.(type) {
	case string:
		return checkMustache(v)
	case []any:
		for _, element := range v {
			if err := checkTexts(element); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, element := range v {
			if err := checkTexts(element); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkMustache(text string) (err error) {
	// The library is not known to panic, but a template must never end a program.
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: not Mustache", errTemplate)
		}
	}()
	// No partials: by default the library would read them from files.
	if _, err := mustache.ParseStringPartials(text, &mustache.StaticProvider{}); err != nil {
		return fmt.Errorf("%w: %w", errTemplate, err)
	}
	return nil
}

// maxSections keeps a template from looping over lists within lists within lists. The bound is ours.
const maxSections = 2

// render fills the texts of a template, at any depth; members that are no texts stay. An error means the template cannot be rendered.
func render(template, data map[string]any, escaping Escaping) (body []byte, err error) {
	// The library is not known to panic, but a template must never end a program.
	defer func() {
		if recover() != nil {
			body, err = nil, fmt.Errorf("%w: cannot be rendered", errTemplate)
		}
	}()
	filled, err := fill(template, data, escaping)
	if err != nil {
		return nil, err
	}
	return eventbody.Compact(filled)
}

func fill(value any, data map[string]any, escaping Escaping) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		return fillText(v, data, escaping)
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			if list[i], err = fill(element, data, escaping); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, element := range v {
			if object[name], err = fill(element, data, escaping); err != nil {
				return nil, err
			}
		}
		return object, nil
	default:
		return value, nil
	}
}

func fillText(text string, data map[string]any, escaping Escaping) (string, error) {
	parsed, err := mustache.ParseStringPartialsRaw(text, &mustache.StaticProvider{}, escaping == EscapeNone)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errTemplate, err)
	}
	if err := checkTags(parsed.Tags(), 0); err != nil {
		return "", err
	}
	filled, err := parsed.Render(data)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errTemplate, err)
	}
	return filled, nil
}

// checkTags refuses what parses but cannot be rendered: partials, since there are none, and sections that nest too deeply.
func checkTags(tags []mustache.Tag, depth int) error {
	for _, tag := range tags {
		switch tag.Type() {
		case mustache.Partial:
			return fmt.Errorf("%w: there is no partial %q", errTemplate, tag.Name())
		case mustache.Section, mustache.InvertedSection:
			if depth == maxSections {
				return fmt.Errorf("%w: sections nest too deeply", errTemplate)
			}
			if err := checkTags(tag.Tags(), depth+1); err != nil {
				return err
			}
		case mustache.Variable, mustache.Invalid:
		}
	}
	return nil
}

// namespaces are what a template may name.
func namespaces(eventType string, payload any) map[string]any {
	fields, _ := payload.(map[string]any)
	all := map[string]any{}
	for _, n := range eventbody.Namespaces() {
		from := fields
		if n.Within != "" {
			from, _ = fields[n.Within].(map[string]any)
		}
		members := map[string]any{}
		for _, alias := range n.Members {
			if value, there := from[alias.From]; there {
				members[alias.Name] = value
			}
		}
		all[n.Name] = printable(members)
		if n.Members == nil {
			all[n.Name] = printable(payload)
		}
	}
	if event, is := all["event"].(printedObject); is {
		event["type"] = eventType
	}
	return all
}

// The library prints what a placeholder names as Go does. These print lists and objects as JSON, and null as nothing.
type (
	printedList   []any
	printedObject map[string]any
	printedNull   struct{}
)

// String is called by the library.
func (l printedList) String() string { return compactText(l) }

// String is called by the library.
func (o printedObject) String() string { return compactText(o) }

// String is called by the library, on a nil pointer.
func (*printedNull) String() string { return "" }

func printable(value any) any {
	switch v := value.(type) {
	case nil:
		return (*printedNull)(nil)
	case []any:
		list := make(printedList, 0, len(v))
		for _, element := range v {
			list = append(list, printable(element))
		}
		return list
	case map[string]any:
		object := make(printedObject, len(v))
		for name, element := range v {
			object[name] = printable(element)
		}
		return object
	default:
		return value
	}
}

func compactText(value any) string {
	text, err := eventbody.Compact(value)
	if err != nil {
		return ""
	}
	return string(text)
}
