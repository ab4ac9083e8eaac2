// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/diegoholiveira/jsonlogic/v3"
)

// Bounds that keep a filter from using up the simulator's memory. They are the simulator's own; Cloudinary's are not published.
const (
	maxFilterDepth   = 100
	maxLoops         = 2
	maxPatternLength = 1000
)

var errFilter = errors.New("invalid filter")

// registerOperators adds Cloudinary's operators to the JSONLogic library, which keeps them in a map of its own without a lock.
//
//nolint:gochecknoglobals // a function that runs once a process, as the library's map is one a process
var registerOperators = sync.OnceFunc(func() {
	jsonlogic.AddOperator("startsWith", textOperator(strings.HasPrefix))
	jsonlogic.AddOperator("endsWith", textOperator(strings.HasSuffix))
	jsonlogic.AddOperator("matches", textOperator(matches))
	jsonlogic.AddOperator("contains", contains)
})

func textOperator(holds func(subject, operand string) bool) func(values, data any) any {
	return func(values, _ any) any {
		subject, operand, ok := operands(values)
		if !ok {
			return false
		}
		text, isText := subject.(string)
		other, isOtherText := operand.(string)
		return isText && isOtherText && holds(text, other)
	}
}

func matches(text, pattern string) bool {
	if len(pattern) > maxPatternLength {
		return false
	}
	expression, err := regexp.Compile(pattern)
	return err == nil && expression.MatchString(text)
}

// contains holds for a text that contains another, and for a list that contains a value.
func contains(values, _ any) any {
	subject, operand, ok := operands(values)
	if !ok {
		return false
	}
	switch s := subject.(type) {
	case string:
		other, isText := operand.(string)
		return isText && strings.Contains(s, other)
	case []any:
		return slices.ContainsFunc(s, func(element any) bool { return equalValues(element, operand) })
	default:
		return false
	}
}

func equalValues(a, b any) bool {
	first, err := json.Marshal(a)
	if err != nil {
		return false
	}
	second, err := json.Marshal(b)
	return err == nil && string(first) == string(second)
}

func operands(values any) (subject, operand any, ok bool) {
	list, isList := values.([]any)
	if !isList || len(list) != 2 {
		return nil, nil, false
	}
	return list[0], list[1], true
}

// checkFilter accepts an object that is one JSONLogic rule of known operators.
func checkFilter(filter map[string]any) error {
	if err := checkRule(filter, 0, 0); err != nil {
		return err
	}
	if !jsonlogic.IsValid(strings.NewReader(canonical(filter))) {
		return fmt.Errorf("%w: not JSONLogic", errFilter)
	}
	return nil
}

// checkRule is stricter than the library, which looks at one random operator of an object that has several.
func checkRule(value any, depth, loops int) error {
	if depth > maxFilterDepth {
		return fmt.Errorf("%w: nested too deeply", errFilter)
	}
	switch v := value.(type) {
	case map[string]any:
		return checkOperator(v, depth, loops)
	case []any:
		for _, element := range v {
			if err := checkRule(element, depth+1, loops); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkOperator(rule map[string]any, depth, loops int) error {
	if len(rule) != 1 {
		return fmt.Errorf("%w: an object must hold exactly one operator", errFilter)
	}
	for operator, operands := range rule {
		if !jsonlogic.ValidateJsonLogic(map[string]any{operator: ""}) {
			return fmt.Errorf("%w: unknown operator", errFilter)
		}
		if isLoop(operator) {
			loops++
		}
		if loops > maxLoops || (operator == "reduce" && accumulators(operands) > 1) {
			return fmt.Errorf("%w: too costly", errFilter)
		}
		return checkRule(operands, depth+1, loops)
	}
	return nil
}

func isLoop(operator string) bool {
	return slices.Contains([]string{"map", "filter", "reduce", "all", "some", "none"}, operator)
}

// accumulators counts the variables that may stand for a reduction's result so far. Two of them could double it at every step.
func accumulators(value any) int {
	count := 0
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			count += accumulators(element)
		}
	case map[string]any:
		for operator, operands := range v {
			count += accumulators(operands)
			name, isText := firstOperand(operands).(string)
			if operator == "var" && (!isText || !strings.HasPrefix(name, "current")) {
				count++
			}
		}
	}
	return count
}

func firstOperand(operands any) any {
	if list, ok := operands.([]any); ok && len(list) > 0 {
		return list[0]
	}
	return operands
}

// evaluate says whether the filter lets the notification through. A filter that cannot be evaluated does not.
func evaluate(filter, notification map[string]any) (passes bool) {
	if filter == nil {
		return true
	}
	// The library recovers from errors only, and panics anew for anything else.
	defer func() {
		if recover() != nil {
			passes = false
		}
	}()
	text, err := jsonlogic.ApplyRaw([]byte(canonical(filter)), []byte(canonical(notification)))
	if err != nil {
		return false
	}
	var result any
	return json.Unmarshal(text, &result) == nil && truthy(result)
}

func truthy(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	default:
		return true
	}
}
