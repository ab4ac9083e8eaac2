// SPDX-License-Identifier: Apache-2.0

package jsonlogic

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// isOrdered compares two values; < and <= also three, as in a range.
func (s scope) isOrdered(operator string, a arguments) bool {
	holds := func(x, y any) bool {
		order, ordered := s.compare(x, y)
		switch operator {
		case "<":
			return ordered && order < 0
		case "<=":
			return ordered && order <= 0
		case ">":
			return ordered && order > 0
		default:
			return ordered && order >= 0
		}
	}
	if isUndefined(a.at(2)) || strings.HasPrefix(operator, ">") {
		return holds(a.at(0), a.at(1))
	}
	return holds(a[0], a[1]) && holds(a[1], a[2])
}

// compare compares texts as texts and anything else as numbers. What is no number cannot be compared.
func (s scope) compare(a, b any) (order int, ordered bool) {
	a, b = s.primitive(a), s.primitive(b)
	x, isText := a.(string)
	y, isOtherText := b.(string)
	if isText && isOtherText {
		return slices.Compare(utf16.Encode([]rune(x)), utf16.Encode([]rune(y))), true
	}
	m, n := s.number(a), s.number(b)
	return cmp.Compare(m, n), !math.IsNaN(m) && !math.IsNaN(n)
}

func (s scope) isIn(value, where any) bool {
	switch w := where.(type) {
	case string:
		return w != "" && strings.Contains(w, s.text(value))
	case []any:
		return slices.ContainsFunc(w, func(element any) bool { return strictlyEqual(element, value) })
	default:
		return false
	}
}

// part is the part of a text from a place on, both counted in UTF-16. A place below zero is counted from the end; so is a length
// below zero, which says where the part ends.
func (s scope) part(source, start, length any) string {
	units := utf16.Encode([]rune(s.text(source)))
	from := whole(s.number(start), len(units))
	if from < 0 {
		from += len(units)
	}
	units = units[max(from, 0):]
	if isUndefined(length) {
		return string(utf16.Decode(units))
	}
	size := s.number(length)
	if size < 0 {
		if _, isNumber := length.(float64); !isNumber {
			return "" // JavaScript appends a text to the length
		}
		size += float64(len(units))
	}
	return string(utf16.Decode(units[:max(whole(size, len(units)), 0)]))
}

// whole cuts off what is behind the point, and what is beyond a limit on either side.
func whole(n float64, limit int) int {
	if math.IsNaN(n) {
		return 0
	}
	return int(max(min(math.Trunc(n), float64(limit)), -float64(limit)))
}

func (s scope) calculate(operator string, a arguments) any {
	switch operator {
	case "+":
		sum := 0.0
		for _, value := range a {
			sum += leadingNumber(s.text(value))
		}
		return sum
	case "*":
		return s.product(a)
	case "-":
		if isUndefined(a.at(1)) {
			return -s.number(a.at(0))
		}
		return s.number(a.at(0)) - s.number(a.at(1))
	case "/":
		return s.number(a.at(0)) / s.number(a.at(1))
	case "%":
		return math.Mod(s.number(a.at(0)), s.number(a.at(1)))
	case "min":
		least := math.Inf(1)
		for _, value := range a {
			least = min(least, s.number(value))
		}
		return least
	default: // max
		greatest := math.Inf(-1)
		for _, value := range a {
			greatest = max(greatest, s.number(value))
		}
		return greatest
	}
}

// product leaves a single factor as it is.
func (s scope) product(a arguments) any {
	switch len(a) {
	case 0:
		s.fail(errors.New("* needs an operand"))
		return nil
	case 1:
		return a[0]
	}
	product := 1.0
	for _, value := range a {
		product *= leadingNumber(s.text(value))
	}
	return product
}

func (s scope) merge(a arguments) []any {
	merged := newList(len(a))
	for _, value := range a {
		if list, isList := value.([]any); isList {
			merged = append(merged, list...)
		} else {
			merged = append(merged, value)
		}
	}
	return merged
}

// variable goes from the data along a path. The fallback stands for what is not there, and not for a null.
func (s scope) variable(a arguments) any {
	name, fallback := a.at(0), a.at(1)
	if isUndefined(fallback) {
		fallback = nil
	}
	if isNothing(name) || name == "" {
		return s.data
	}
	value := s.data
	for member := range strings.SplitSeq(s.text(name), ".") {
		if value = s.member(value, member); isUndefined(value) {
			return fallback
		}
	}
	return value
}

// missing are those of some variables that are null, empty or not there. Names may be in one list, too.
func (s scope) missing(names arguments) []any {
	if list, isList := names.at(0).([]any); isList {
		names = list
	}
	missing := newList(len(names))
	for _, name := range names {
		variable, isList := name.([]any) // a name and a fallback
		if !isList {
			variable = []any{name}
		}
		if value := s.variable(variable); value == nil || value == "" {
			missing = append(missing, name)
		}
	}
	return missing
}

// missingSome are the missing ones, unless as many as needed are there.
func (s scope) missingSome(needed, names any) any {
	if isNothing(names) {
		s.fail(errors.New("missing_some needs a list of names"))
		return nil
	}
	list, isList := names.([]any)
	if !isList {
		list = []any{names}
	}
	missing := s.missing(list)
	there := s.number(s.member(names, "length")) - float64(len(missing))
	if order, ordered := s.compare(there, needed); ordered && order >= 0 {
		return newList(0)
	}
	return missing
}

// cloudinary are the operators of which Cloudinary documents no more than the names and that they are about texts.
func (s scope) cloudinary(operator string, subject, operand any) bool {
	if list, isList := subject.([]any); isList && operator == "contains" {
		return slices.ContainsFunc(list, func(element any) bool { return s.deeplyEqual(element, operand) })
	}
	text, isText := subject.(string)
	other, isOtherText := operand.(string)
	if !isText || !isOtherText {
		return false
	}
	switch operator {
	case "startsWith":
		return strings.HasPrefix(text, other)
	case "endsWith":
		return strings.HasSuffix(text, other)
	case "contains":
		return strings.Contains(text, other)
	default: // matches
		return s.matches(text, other)
	}
}

const (
	maxPattern = 1000 // bytes
	// compiling is the work of a pattern beside what it looks at.
	compiling = 1000
)

func (s scope) matches(text, pattern string) bool {
	expression, known := s.patterns[pattern]
	if !known {
		if len(pattern) > maxPattern {
			s.fail(fmt.Errorf("matches: a pattern may have %d bytes at most", maxPattern))
			return false
		}
		if !s.spend(compiling) {
			return false
		}
		var err error
		if expression, err = regexp.Compile(pattern); err != nil {
			s.fail(fmt.Errorf("matches: %w", err))
			return false
		}
		s.patterns[pattern] = expression
	}
	return s.spend(len(text)*len(pattern)/bytesPerStep) && expression.MatchString(text)
}
