// SPDX-License-Identifier: Apache-2.0

// Package jsonlogic evaluates JSONLogic rules as the reference implementation does, json-logic-js 2, with JavaScript's idea of what is
// true and equal; and the operators that Cloudinary adds. Values are those of encoding/json.
//
// It is pure. Rules and data may come from anyone, so nesting and work are bounded. It must not know what a rule is for.
package jsonlogic

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// MaxDepth is how deep what is evaluated may nest.
const MaxDepth = 100

const (
	// maxWork bounds an evaluation, in steps of well under a microsecond: a rule's node, a list's element, or so many bytes of text.
	maxWork      = 1_000_000
	bytesPerStep = 16
)

var (
	errDepth = errors.New("nested too deeply")
	errWork  = errors.New("takes too much work")
)

// Operators are those of json-logic-js 2, then those that Cloudinary adds. A rule that has others cannot be evaluated.
func Operators() []string {
	return []string{
		"==", "===", "!=", "!==", ">", ">=", "<", "<=", "!!", "!", "%", "log", "in", "cat", "substr", "+", "*", "-", "/",
		"min", "max", "merge", "var", "missing", "missing_some", "if", "?:", "and", "or", "filter", "map", "reduce", "all",
		"none", "some",
		"startsWith", "endsWith", "contains", "matches",
	}
}

// Holds reports whether what a rule evaluates to counts as true. An error means that the rule cannot be evaluated with this data:
// the reference implementation would throw, it is too much work, or a pattern is none.
func Holds(rule, data any) (bool, error) {
	result, err := evaluate(rule, data)
	return err == nil && truthy(result), err
}

// Compute applies one operator to values that its operands have been evaluated to already, and returns the value that comes of it. The
// operators that choose among their operands, or repeat one, are none of those. The error is that of Holds.
func Compute(operator string, values []any) (any, error) {
	e := &evaluation{left: maxWork, patterns: map[string]*regexp.Regexp{}}
	s := scope{evaluation: e}
	a := make(arguments, 0, len(values))
	for _, value := range values {
		a = append(a, plain(value))
	}
	if !s.spendOn(a) {
		return nil, e.err
	}
	result := s.compute(operator, a)
	if isUndefined(result) {
		result = nil
	}
	return result, e.err
}

// Truthy reports whether a value counts as true: as in JavaScript, but for an empty list, which does not.
func Truthy(value any) bool { return truthy(plain(value)) }

func evaluate(rule, data any) (any, error) {
	e := &evaluation{left: maxWork, patterns: map[string]*regexp.Regexp{}}
	result := scope{evaluation: e, data: plain(data)}.apply(plain(rule))
	return result, e.err
}

// evaluation is what the whole of a rule shares. After an error nothing is evaluated any more.
type evaluation struct {
	left     int // work
	err      error
	patterns map[string]*regexp.Regexp
}

func (e *evaluation) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// spend reports whether there is work left to go on with.
func (e *evaluation) spend(steps int) bool {
	if e.left -= steps; e.left < 0 {
		e.fail(errWork)
	}
	return e.err == nil
}

// spendOn counts what an operator has to look at, whatever it does with it.
func (e *evaluation) spendOn(values []any) bool {
	steps := len(values)
	for _, value := range values {
		switch v := value.(type) {
		case string:
			steps += len(v) / bytesPerStep
		case []any:
			steps += len(v)
		}
	}
	return e.spend(steps)
}

// scope is where a rule stands: how deep, and with which data.
type scope struct {
	*evaluation

	data  any
	depth int
}

// of is the scope of a rule that looks at an element of a list.
func (s scope) of(data any) scope {
	s.data = data
	return s
}

func (s scope) deeper() scope {
	if s.depth++; s.depth > MaxDepth {
		s.fail(errDepth)
	}
	return s
}

// arguments are an operator's; one that is not given is undefined.
type arguments []any

func (a arguments) at(i int) any {
	if i < len(a) {
		return a[i]
	}
	return undefined{}
}

// apply evaluates a rule. Whatever is neither a list nor an object with exactly one member stands for itself.
func (s scope) apply(rule any) any {
	inner := s.deeper()
	if !s.spend(1) {
		return nil
	}
	switch r := rule.(type) {
	case []any:
		return mapped(r, inner.apply)
	case map[string]any:
		if len(r) != 1 {
			return rule
		}
		for operator, operands := range r {
			return inner.operate(operator, operands)
		}
	}
	return rule
}

// operate evaluates the operands before the operator, but for the operators that choose among them or repeat one.
func (s scope) operate(operator string, operands any) any {
	rules, isList := operands.([]any)
	if !isList {
		rules = []any{operands}
	}
	switch operator {
	case "if", "?:":
		return s.choose(rules)
	case "and":
		return s.until(rules, false)
	case "or":
		return s.until(rules, true)
	case "filter", "map", "reduce", "all", "some", "none":
		return s.loop(operator, rules)
	}
	values := mapped(rules, s.apply)
	if !s.spendOn(values) {
		return nil
	}
	return s.compute(operator, values)
}

// choose goes by pairs of a condition and its consequence; a last one without a pair is the alternative.
func (s scope) choose(rules arguments) any {
	i := 0
	for ; i < len(rules)-1; i += 2 {
		if truthy(s.apply(rules[i])) {
			return s.apply(rules[i+1])
		}
	}
	if i == len(rules)-1 {
		return s.apply(rules[i])
	}
	return nil
}

// until returns the first operand that counts as wanted, else the last one.
func (s scope) until(rules arguments, wanted bool) any {
	var value any = undefined{}
	for _, rule := range rules {
		if value = s.apply(rule); s.err != nil || truthy(value) == wanted {
			break
		}
	}
	return value
}

// loop evaluates a rule for each element of a list, which is its data. What is no list counts as an empty one.
func (s scope) loop(operator string, rules arguments) any {
	list, _ := s.apply(rules.at(0)).([]any)
	of := func(element any) any { return s.of(element).apply(rules.at(1)) }
	holds := func(element any) bool { return truthy(of(element)) }
	fails := func(element any) bool { return !holds(element) }
	switch operator {
	case "map":
		return mapped(list, of)
	case "filter":
		kept := newList(len(list))
		for _, element := range list {
			if holds(element) {
				kept = append(kept, element)
			}
		}
		return kept
	case "reduce":
		return s.reduce(list, rules)
	case "all":
		return len(list) > 0 && !slices.ContainsFunc(list, fails)
	case "some":
		return slices.ContainsFunc(list, holds)
	default: // none
		return !slices.ContainsFunc(list, holds)
	}
}

func (s scope) reduce(list []any, rules arguments) any {
	var result any
	if len(rules) > 2 {
		result = s.apply(rules[2])
	}
	for _, element := range list {
		if s.err != nil {
			break
		}
		result = s.of(map[string]any{"current": element, "accumulator": result}).apply(rules.at(1))
	}
	return result
}

// compute applies an operator to what its operands evaluated to.
func (s scope) compute(operator string, a arguments) any {
	switch operator {
	case "==":
		return s.looselyEqual(a.at(0), a.at(1))
	case "!=":
		return !s.looselyEqual(a.at(0), a.at(1))
	case "===":
		return strictlyEqual(a.at(0), a.at(1))
	case "!==":
		return !strictlyEqual(a.at(0), a.at(1))
	case "<", "<=", ">", ">=":
		return s.isOrdered(operator, a)
	case "!!":
		return truthy(a.at(0))
	case "!":
		return !truthy(a.at(0))
	case "log":
		return a.at(0)
	case "in":
		return s.isIn(a.at(0), a.at(1))
	case "cat":
		return s.join(a, "")
	case "substr":
		return s.part(a.at(0), a.at(1), a.at(2))
	case "+", "*", "-", "/", "%", "min", "max":
		return s.calculate(operator, a)
	case "merge":
		return s.merge(a)
	case "var":
		return s.variable(a)
	case "missing":
		return s.missing(a)
	case "missing_some":
		return s.missingSome(a.at(0), a.at(1))
	case "startsWith", "endsWith", "contains", "matches":
		return len(a) == 2 && s.cloudinary(operator, a[0], a[1])
	default:
		s.fail(fmt.Errorf("%q is not an operator", operator))
		return nil
	}
}
