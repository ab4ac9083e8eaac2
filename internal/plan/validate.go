// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/cbroglie/mustache"

	"github.com/cloudinary-operator/cloudinary-operator/internal/bound"
	"github.com/cloudinary-operator/cloudinary-operator/internal/jsonlogic"
)

// The number of bytes of the user's input that a message repeats.
const (
	maxQuoted = 64
	maxPath   = 256
)

// CheckFilter returns what is wrong with a filter, and names the place within it. A filter without
// an error is one JSONLogic rule with known operators. Nothing, null and {} have no error: they
// mean no filter.
func CheckFilter(raw []byte) error {
	filter, err := checkedObject(fieldFilter, raw)
	if err != nil || len(filter) == 0 {
		return err
	}
	if len(filter) > 1 {
		return fmt.Errorf(`%s: must have exactly one member, the operator, but has %d (%s); join conditions with {"and": [...]} or {"or": [...]}`,
			fieldFilter, len(filter), cut(strings.Join(slices.Sorted(maps.Keys(filter)), ", ")))
	}
	return checkRule(path{fieldFilter}, filter, false)
}

// CheckTemplate returns what is wrong with a payload template, and names the place within it.
// Nothing, null and {} have no error: they mean no template.
func CheckTemplate(raw []byte) error {
	template, err := checkedObject(fieldPayloadTemplate, raw)
	if err != nil {
		return err
	}
	return checkTexts(path{fieldPayloadTemplate}, template)
}

// path leads to a value inside a JSON value. Its length is the value's level of nesting.
type path []string

func (p path) element(i int) path { return append(p, fmt.Sprintf("[%d]", i)) }

func (p path) member(key string) path {
	if isName(key) {
		return append(p, "."+key)
	}
	return append(p, fmt.Sprintf("[%q]", cut(key)))
}

// errorf makes an error that names the path. Of a long path it has the last steps, which a person
// can search for.
func (p path) errorf(format string, args ...any) error {
	text := strings.Join(p, "")
	if len(text) > maxPath {
		text = p[0] + "..." + strings.ToValidUTF8(text[len(text)-maxPath:], "")
	}
	return fmt.Errorf("%s: %s", text, fmt.Sprintf(format, args...))
}

func isName(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return r != '_' && r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

// cut shortens a part of the input for a message.
func cut(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "..."
}

// checkedObject decodes a JSON object within the bounds of filters and templates. Beyond the bounds
// it decodes nothing.
func checkedObject(field string, raw []byte) (map[string]any, error) {
	if err := whyAbridged(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if err := bound.Check(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", field, exceeding(raw, err))
	}
	text, err := CanonicalJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if len(text) > bound.MaxBytes { // a number such as 1e20 is sent with all its digits
		return nil, fmt.Errorf("%s: %w", field, tooLong(len(text)))
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return map[string]any{}, nil
	}
	// This is not the canonical text, in which a string with an object in it has become that
	// object.
	value, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if value == nil {
		return map[string]any{}, nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: must be a JSON object ({...})", field)
	}
	return object, nil
}

// exceeding says by how much a text exceeds its bounds, if it is worth measuring.
func exceeding(raw []byte, err error) error {
	switch {
	case !errors.Is(err, bound.ErrTooLong):
		return err
	case len(raw) > bound.MaxRawBytes:
		return fmt.Errorf("has %d bytes, but the maximum is %d as compact JSON", len(raw), bound.MaxBytes)
	default:
		return tooLong(bound.Size(raw))
	}
}

func tooLong(size int) error {
	return fmt.Errorf("has %d bytes as compact JSON, but the maximum is %d", size, bound.MaxBytes)
}

// checkRule checks a rule recursively. A literal may be anything.
func checkRule(at path, value any, literal bool) error {
	switch v := value.(type) {
	case []any:
		for i, element := range v {
			if err := checkRule(at.element(i), element, literal); err != nil {
				return err
			}
		}
	case map[string]any:
		return checkOperation(at, v, literal)
	}
	return nil
}

// checkOperation checks an object in a rule. Only an object with a single member is an operation.
// JSONLogic takes any other object as a literal value, and evaluates nothing in it.
func checkOperation(at path, object map[string]any, literal bool) error {
	literal = literal || len(object) != 1
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if operators := jsonlogic.Operators(); !literal && !slices.Contains(operators, key) {
			return at.errorf("%q is not a JSONLogic operator; those are %s", cut(key), strings.Join(operators, " "))
		}
		if err := checkRule(at.member(key), object[key], literal); err != nil {
			return err
		}
	}
	return nil
}

// checkTexts parses every text in a template, in sorted order, so that the message is the same each
// time.
func checkTexts(at path, value any) error {
	switch v := value.(type) {
	case string:
		if err := parseMustache(v); err != nil {
			return at.errorf("is not a Mustache template: %s", cut(err.Error()))
		}
	case []any:
		for i, element := range v {
			if err := checkTexts(at.element(i), element); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := checkTexts(at.member(key), v[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseMustache(text string) (err error) {
	// The parser indexes past the end if a set-delimiter tag is cut short.
	defer func() {
		if recover() != nil {
			err = errors.New("it has a malformed tag")
		}
	}()
	// With an empty provider the library reads no partials from files.
	_, err = mustache.ParseStringPartials(text, &mustache.StaticProvider{})
	return err
}
