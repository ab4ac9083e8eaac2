// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/jsonlogic"
)

// A filter is evaluated without a notification, over the knowledge about an event type. A member
// that certainly does not exist is null, and a possible member has any value. So a condition with a
// known result never does what its author wanted.

// read is a place in a rule that reads from the notification.
type read struct {
	path string
	// lacking means that notifications of the event type do not have it.
	lacking bool
	// guarded means that the rule asks whether it exists, or has a default for it.
	guarded bool
	// loops means that it exists and is not a list, but an operator loops over it.
	loops bool
}

// outcome is the knowledge about the value of a rule.
type outcome int

const (
	open     outcome = iota // nothing
	truthy                  // it counts as true
	falsy                   // it counts as false
	constant                // it is always the same
)

// value is the value of a rule.
type value struct {
	outcome  outcome
	constant any
	// shape is that of an open value.
	shape shape
	// lacking are the places without which more would be open.
	lacking []*read
	// bare is set where the value is what stands at a place that is not there, as it is.
	bare *read
	// from is the place that an open value was read from.
	from *read
}

// fixed is a value that is always the same.
func fixed(v any, lacking []*read) value {
	return value{outcome: constant, constant: v, lacking: lacking}
}

func (v *value) truth() outcome {
	if v.outcome != constant {
		return v.outcome
	}
	if jsonlogic.Truthy(v.constant) {
		return truthy
	}
	return falsy
}

// maxSteps bounds the work for one filter, or template, over all its event types: some
// milliseconds. There are no doubts about one that needs more.
const (
	maxSteps = 20_000
	// stepsToRead is the work of looking up a name: it may be compared with all known names.
	stepsToRead = 50
)

// evaluator evaluates rules over one event type's notifications.
type evaluator struct {
	body  *Body
	reads []*read
	steps *int
}

// scope is where the variables of a rule are read from: the notification, or an entry of a list in
// it.
type scope struct {
	shape  shape
	prefix string // of paths, in what is told
	// reducing says that the entry is called current.
	reducing bool
}

func (j *evaluator) value(rule any, s scope) value {
	if *j.steps--; *j.steps < 0 {
		return value{}
	}
	switch r := rule.(type) {
	case []any:
		return j.list(r, s)
	case map[string]any:
		if len(r) != 1 {
			return fixed(r, nil)
		}
		for operator, operands := range r {
			rules, isList := operands.([]any)
			if !isList {
				rules = []any{operands}
			}
			return j.operation(operator, rules, s)
		}
	}
	return fixed(rule, nil)
}

func (j *evaluator) values(rules []any, s scope) []value {
	values := make([]value, 0, len(rules))
	for _, rule := range rules {
		values = append(values, j.value(rule, s))
	}
	return values
}

func (j *evaluator) list(rules []any, s scope) value {
	if constants, lacking, all := constantsOf(j.values(rules, s)); all {
		return fixed(constants, lacking)
	}
	return value{outcome: truthy, shape: shape{kind: list, entry: &shape{}}}
}

// constantsOf are the values if all are known, and the places that they are known from.
func constantsOf(values []value) (constants []any, lacking []*read, all bool) {
	constants = make([]any, 0, len(values))
	for i := range values {
		if values[i].outcome != constant {
			return nil, nil, false
		}
		constants = append(constants, values[i].constant)
		lacking = append(lacking, values[i].lacking...)
	}
	return constants, lacking, true
}

func (j *evaluator) operation(operator string, rules []any, s scope) value {
	switch operator {
	case "if", "?:":
		return j.choose(rules, s)
	case "and":
		return j.until(rules, s, falsy)
	case "or":
		return j.until(rules, s, truthy)
	case "filter", "map", "reduce", "all", "some", "none":
		return j.loop(operator, rules, s)
	}
	values := j.values(rules, s)
	switch operator {
	case "var":
		return j.variable(values, s)
	case "missing":
		return j.missing(values, s)
	case "missing_some":
		return j.missingSome(values, s)
	case "!", "!!":
		return negated(operator, values)
	}
	compared(operator, values)
	constants, lacking, all := constantsOf(values)
	switch {
	// A pattern may take long, and is not worth it
	case all && (operator != "matches" || !isText(constants)):
		if result, err := jsonlogic.Compute(operator, constants); err == nil {
			return fixed(result, lacking)
		}
	case operator == "in" && len(values) > 1 && values[1].outcome == constant && values[1].constant == nil:
		return fixed(false, values[1].lacking) // for any needle
	}
	return value{}
}

func isText(values []any) bool {
	return !slices.ContainsFunc(values, func(v any) bool { _, is := v.(string); return !is })
}

// asked records that a rule asks whether something exists.
func asked(v *value) {
	if v.bare != nil {
		v.bare.guarded = true
	}
}

// compared records comparisons with null: they ask whether something exists.
func compared(operator string, values []value) {
	if len(values) != 2 || !slices.Contains([]string{"==", "===", "!=", "!==", "in"}, operator) {
		return
	}
	for i, other := range []*value{&values[1], &values[0]} {
		if other.outcome != constant || other.bare != nil {
			continue
		}
		among, _ := other.constant.([]any)
		if other.constant == nil || i == 0 && operator == "in" && slices.Contains(among, nil) {
			asked(&values[i])
		}
	}
}

func negated(operator string, values []value) value {
	if len(values) == 0 {
		return fixed(operator == "!", nil)
	}
	v := &values[0]
	asked(v)
	if v.truth() == open {
		return value{}
	}
	return fixed((v.truth() == truthy) == (operator == "!!"), v.lacking)
}

// choose evaluates pairs of a condition and its consequence. A last operand without a pair is the
// alternative.
func (j *evaluator) choose(rules []any, s scope) value {
	var possible []value
	var lacking []*read
	i := 0
	for ; i < len(rules)-1; i += 2 {
		condition := j.value(rules[i], s)
		asked(&condition)
		switch condition.truth() { //nolint:exhaustive // the rest is open
		case truthy:
			return oneOf(append(possible, j.value(rules[i+1], s)), append(lacking, condition.lacking...))
		case falsy:
			lacking = append(lacking, condition.lacking...)
		default:
			possible = append(possible, j.value(rules[i+1], s))
		}
	}
	last := fixed(nil, nil)
	if i == len(rules)-1 {
		last = j.value(rules[i], s)
	}
	return oneOf(append(possible, last), lacking)
}

// oneOf is the knowledge about a value that is one of several.
func oneOf(possible []value, lacking []*read) value {
	first := possible[0]
	for i := range possible {
		if possible[i].truth() != first.truth() {
			return value{}
		}
		lacking = append(lacking, possible[i].lacking...)
	}
	if len(possible) > 1 {
		return value{outcome: first.truth(), lacking: lacking}
	}
	first.lacking, first.bare = lacking, nil
	return first
}

// until is the first operand that counts as wanted, else the last one.
func (j *evaluator) until(rules []any, s scope, wanted outcome) value {
	last := fixed(nil, nil)
	var lacking []*read
	undecided := false
	for _, rule := range rules {
		v := j.value(rule, s)
		asked(&v)
		switch v.truth() { //nolint:exhaustive // whichever is not wanted, decides nothing
		case wanted: // or one before it counts as wanted, too
			if undecided {
				return value{outcome: wanted, lacking: v.lacking}
			}
			return v
		case open:
			undecided = true
		}
		lacking, last = append(lacking, v.lacking...), v
	}
	if undecided {
		return value{}
	}
	last.lacking = lacking
	return last
}

// loop evaluates a rule for an entry of a list. A value that is not a list counts as an empty one.
func (j *evaluator) loop(operator string, rules []any, s scope) value {
	over := fixed(nil, nil)
	if len(rules) > 0 {
		over = j.value(rules[0], s)
	}
	var rule any
	if len(rules) > 1 {
		rule = rules[1]
	}
	entry, path, empty := entries(&over)
	if empty {
		return j.overNothing(operator, rules, s, over.lacking)
	}
	inner := scope{shape: entry, prefix: path + "[]", reducing: operator == "reduce"}
	if inner.reducing {
		inner.shape = shape{kind: object, members: []Member{{Name: "current", shape: entry}, {Name: "accumulator"}}}
	}
	result := j.value(rule, inner)
	switch truth := result.truth(); operator {
	case "some", "all":
		if truth == falsy {
			return fixed(false, result.lacking)
		}
	case "none":
		if truth == falsy {
			return fixed(true, result.lacking)
		}
	case "filter":
		if truth == falsy {
			return fixed([]any{}, result.lacking)
		}
		return value{shape: shape{kind: list, entry: &entry}, from: over.from}
	case "map":
		return value{shape: shape{kind: list, entry: &shape{}}}
	}
	return value{}
}

// entries is the shape of an entry of the list, and reports whether the list is certainly empty.
func entries(over *value) (entry shape, path string, empty bool) {
	if over.outcome == constant {
		list, isList := over.constant.([]any)
		return shape{}, "", !isList || len(list) == 0
	}
	at := over.from
	if at != nil {
		path = at.path
	}
	switch over.shape.kind { //nolint:exhaustive // the rest has no entries
	case unknown:
		return shape{}, path, false
	case list, either:
		return over.shape.of(), path, false
	}
	if at != nil {
		at.lacking, at.loops = true, true
		over.lacking = append(over.lacking, at)
	}
	return shape{}, path, true
}

func (j *evaluator) overNothing(operator string, rules []any, s scope, lacking []*read) value {
	switch operator {
	case "some", "all":
		return fixed(false, lacking)
	case "none":
		return fixed(true, lacking)
	case "reduce":
		v := fixed(nil, nil)
		if len(rules) > 2 {
			v = j.value(rules[2], s)
		}
		v.lacking = append(slices.Clone(lacking), v.lacking...)
		return v
	default: // filter, map
		return fixed([]any{}, lacking)
	}
}

// variable reads from the scope. The default replaces a missing value.
func (j *evaluator) variable(values []value, s scope) value {
	if len(values) == 0 {
		return value{shape: s.shape}
	}
	name, named := nameOf(&values[0])
	switch {
	case !named:
		return value{}
	case name == "":
		return value{shape: s.shape}
	}
	to, r := j.read(name, s)
	alone := len(values) == 1 || values[1].outcome == constant && values[1].constant == nil
	switch {
	case !r.lacking && to.constant != "":
		return fixed(to.constant, nil)
	case !r.lacking && alone:
		return value{shape: to, from: r}
	case !r.lacking:
		return value{} // it, or what stands for it
	case alone:
		v := fixed(nil, []*read{r})
		v.bare = r
		return v
	}
	r.guarded = true
	fallback := values[1]
	fallback.lacking, fallback.bare = append([]*read{r}, fallback.lacking...), nil
	return fallback
}

// read records a place.
func (j *evaluator) read(name string, s scope) (shape, *read) {
	if *j.steps -= stepsToRead; *j.steps < 0 {
		return shape{}, &read{path: name}
	}
	to, there := j.body.walk(s.shape, name)
	shown := name
	if s.reducing {
		shown = strings.TrimPrefix(name, "current.")
	}
	if s.prefix != "" {
		shown = s.prefix + "." + shown
	}
	r := &read{path: shown, lacking: !there}
	j.reads = append(j.reads, r)
	return to, r
}

// nameOf is the name of a variable, if it is known.
func nameOf(v *value) (name string, known bool) {
	if v.outcome != constant {
		return "", false
	}
	switch n := v.constant.(type) {
	case nil:
		return "", true
	case string:
		return n, true
	case json.Number:
		return n.String(), true
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64), true
	default:
		return "", false
	}
}

// missing is the list of missing names: it asks for nothing else.
func (j *evaluator) missing(values []value, s scope) value {
	absent, open := j.absent(values, s)
	switch {
	case len(absent) > 0:
		return value{outcome: truthy, lacking: absent}
	case open > 0:
		return value{}
	default:
		return fixed([]any{}, nil)
	}
}

// absent are the names that are certainly missing, and the number of those that may be missing.
func (j *evaluator) absent(values []value, s scope) (absent []*read, others int) {
	for _, v := range flattened(values) {
		name, known := nameOf(&v)
		if !known || name == "" {
			others++
			continue
		}
		_, r := j.read(name, s)
		if r.guarded = true; r.lacking {
			absent = append(absent, r)
		} else {
			others++
		}
	}
	return absent, others
}

// flattened are the values, or what a first one that is a list holds.
func flattened(values []value) []value {
	if len(values) == 0 {
		return nil
	}
	names, isList := values[0].constant.([]any)
	if values[0].outcome != constant || !isList {
		return values
	}
	flat := make([]value, 0, len(names))
	for _, name := range names {
		flat = append(flat, fixed(name, nil))
	}
	return flat
}

// missingSome is a list of those that are not there, unless as many as needed are.
func (j *evaluator) missingSome(values []value, s scope) value {
	if len(values) < 2 || values[0].outcome != constant {
		return value{}
	}
	absent, others := j.absent(values[1:], s)
	needed, err := strconv.ParseFloat(fmt.Sprint(values[0].constant), 64)
	if err != nil || float64(others) >= needed || len(absent) == 0 {
		return value{}
	}
	return value{outcome: truthy, lacking: absent}
}
