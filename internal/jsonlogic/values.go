// SPDX-License-Identifier: Apache-2.0

package jsonlogic

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// undefined is JavaScript's: an operand that is not given, or a member that is not there.
type undefined struct{}

func isUndefined(value any) bool {
	_, is := value.(undefined)
	return is
}

func isNothing(value any) bool { return value == nil || isUndefined(value) }

// newList has room for one more: JavaScript tells two empty lists apart, and so can the addresses of what they have room for.
func newList(size int) []any { return make([]any, 0, size+1) }

func mapped(list []any, of func(any) any) []any {
	all := newList(len(list))
	for _, element := range list {
		all = append(all, of(element))
	}
	return all
}

// plain copies a decoded value, with its numbers as JavaScript has them.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		n, _ := strconv.ParseFloat(v.String(), 64) // beyond the range: infinite
		return n
	case []any:
		return mapped(v, plain)
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			object[name] = plain(member)
		}
		return object
	default:
		return value
	}
}

// truthy is JSONLogic's: as in JavaScript, but for an empty list.
func truthy(value any) bool {
	switch v := value.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case float64:
		return v != 0 && !math.IsNaN(v)
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	default:
		return true
	}
}

// strictlyEqual compares lists and objects by identity, as JavaScript does.
func strictlyEqual(a, b any) bool {
	switch a.(type) {
	case []any, map[string]any:
		x, y := reflect.ValueOf(a), reflect.ValueOf(b)
		return b != nil && x.Type() == y.Type() && x.Pointer() == y.Pointer()
	default:
		return a == b
	}
}

func isReference(value any) bool {
	switch value.(type) {
	case []any, map[string]any:
		return true
	default:
		return false
	}
}

func (s scope) looselyEqual(a, b any) bool {
	switch {
	case isNothing(a) || isNothing(b):
		return isNothing(a) && isNothing(b)
	case isReference(a) && isReference(b):
		return strictlyEqual(a, b)
	}
	a, b = s.primitive(a), s.primitive(b)
	text, isText := a.(string)
	other, isOtherText := b.(string)
	if isText && isOtherText {
		return text == other
	}
	return s.number(a) == s.number(b)
}

// deeplyEqual compares lists and objects by what they hold.
func (s scope) deeplyEqual(a, b any) bool {
	inner := s.deeper()
	if !s.spend(1) {
		return false
	}
	switch x := a.(type) {
	case []any:
		y, isList := b.([]any)
		return isList && slices.EqualFunc(x, y, inner.deeplyEqual)
	case map[string]any:
		y, isObject := b.(map[string]any)
		return isObject && maps.EqualFunc(x, y, inner.deeplyEqual)
	default:
		return strictlyEqual(a, b)
	}
}

// member is what stands at a name in an object, or at an index in a list or a text, both of which have a length. What JavaScript's
// values inherit beside that is no data.
func (s scope) member(value any, name string) any {
	index, err := strconv.Atoi(name)
	isIndex := err == nil && index >= 0 && strconv.Itoa(index) == name
	switch v := value.(type) {
	case map[string]any:
		if member, there := v[name]; there {
			return member
		}
	case []any:
		switch {
		case name == "length":
			return float64(len(v))
		case isIndex && index < len(v):
			return v[index]
		}
	case string:
		if name != "length" && !isIndex || !s.spend(1+len(v)/bytesPerStep) {
			return undefined{}
		}
		switch units := utf16.Encode([]rune(v)); {
		case name == "length":
			return float64(len(units))
		case index < len(units):
			return string(utf16.Decode(units[index : index+1]))
		}
	}
	return undefined{}
}

// primitive makes a text of a list or an object.
func (s scope) primitive(value any) any {
	if isReference(value) {
		return s.text(value)
	}
	return value
}

// text is a value as JavaScript prints it.
func (s scope) text(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case undefined:
		return "undefined"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return numberText(v)
	case string:
		return v
	case []any:
		return s.join(v, ",")
	default:
		return "[object Object]"
	}
}

// join leaves out what is null.
func (s scope) join(list []any, separator string) string {
	inner := s.deeper()
	var joined strings.Builder
	for i, element := range list {
		if i > 0 {
			joined.WriteString(separator)
		}
		text := ""
		if !isNothing(element) && s.err == nil {
			text = inner.text(element)
		}
		if !s.spend(1 + len(text)/bytesPerStep) {
			return ""
		}
		joined.WriteString(text)
	}
	return joined.String()
}

func numberText(n float64) string {
	switch size := math.Abs(n); {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 0):
		return strings.TrimPrefix(strconv.FormatFloat(n, 'f', -1, 64), "+") + "inity"
	case n == 0:
		return "0"
	case size >= 1e21 || size < 1e-6:
		return strings.NewReplacer("e-0", "e-", "e+0", "e+").Replace(strconv.FormatFloat(n, 'e', -1, 64))
	default:
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
}

var (
	decimal = regexp.MustCompile(`^[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)`)
	nonTens = regexp.MustCompile(`^0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)$`)
)

// number is a value as JavaScript calculates with it.
func (s scope) number(value any) float64 {
	switch v := value.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case undefined:
		return math.NaN()
	default:
		return textNumber(s.text(v))
	}
}

// textNumber is the number that a text is, or the one that nothing is equal to.
func textNumber(text string) float64 {
	text = strings.TrimFunc(text, isSpace)
	switch {
	case text == "":
		return 0
	case nonTens.MatchString(text):
		n, _ := strconv.ParseUint(text, 0, 64) // beyond the range: the greatest
		return float64(n)
	case len(decimal.FindString(text)) == len(text):
		return leadingNumber(text)
	default:
		return math.NaN()
	}
}

// leadingNumber is the number that a text begins with.
func leadingNumber(text string) float64 {
	digits := decimal.FindString(strings.TrimLeftFunc(text, isSpace))
	if digits == "" {
		return math.NaN()
	}
	n, _ := strconv.ParseFloat(digits, 64) // beyond the range: infinite
	return n
}

// isSpace is JavaScript's.
func isSpace(r rune) bool { return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) }
