// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"maps"
	"slices"
	"strings"

	"github.com/cbroglie/mustache"
)

// templateChecker looks for placeholders without a value.
type templateChecker struct {
	body  *Body
	empty []string // their names, each once, in the order of the template
	steps *int
}

// value walks a template. Only its strings have placeholders.
func (j *templateChecker) value(v any, root shape) {
	switch v := v.(type) {
	case string:
		j.tags(tagsOf(v), []shape{root})
	case []any:
		for _, element := range v {
			j.value(element, root)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			j.value(v[name], root)
		}
	}
}

// tagsOf are the tags of a text. A text that is not Mustache has none.
func tagsOf(text string) (tags []mustache.Tag) {
	if !strings.Contains(text, "{{") {
		return nil
	}
	// The parser indexes past the end if a set-delimiter tag is cut short.
	defer func() {
		if recover() != nil {
			tags = nil
		}
	}()
	parsed, err := mustache.ParseStringPartials(text, &mustache.StaticProvider{})
	if err != nil {
		return nil
	}
	return parsed.Tags()
}

// tags walks a section. The last of the contexts is the innermost one.
func (j *templateChecker) tags(tags []mustache.Tag, contexts []shape) {
	for _, tag := range tags {
		if *j.steps -= stepsToRead; *j.steps < 0 {
			return
		}
		switch tag.Type() {
		case mustache.Variable:
			if _, there := j.lookUp(tag.Name(), contexts); !there && !slices.Contains(j.empty, tag.Name()) {
				j.empty = append(j.empty, tag.Name())
			}
		case mustache.Section: // asks whether it is there: of one that is not, nothing is rendered
			if s, there := j.lookUp(tag.Name(), contexts); there {
				j.tags(tag.Tags(), append(slices.Clone(contexts), inside(s)))
			}
		case mustache.InvertedSection:
			j.tags(tag.Tags(), contexts)
		case mustache.Partial, mustache.Invalid:
		}
	}
}

// inside is the context of a section's content.
func inside(s shape) shape {
	switch s.kind { //nolint:exhaustive // the rest is rendered once
	case list:
		return s.of()
	case either:
		return shape{}
	default:
		return s
	}
}

// lookUp finds the first name in the innermost context that has it, and the other names within
// that.
func (j *templateChecker) lookUp(name string, contexts []shape) (to shape, there bool) {
	if name == "." {
		return contexts[len(contexts)-1], true
	}
	first, rest, dotted := strings.Cut(name, ".")
	for _, context := range slices.Backward(contexts) {
		at, found := j.body.walk(context, first)
		switch {
		case !found:
		case !dotted:
			return at, true
		default:
			return j.body.walk(at, rest)
		}
	}
	return shape{}, false
}
