// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Bounds of a doubt, so that it fits into a condition.
const (
	maxDoubts     = 5 // of a filter, and of a template
	maxNames      = 4
	maxNameBytes  = 64
	maxEventTypes = 5
)

// effect is the consequence of reading a missing member.
type effect int

const (
	never  effect = iota // the filter is never true
	always               // the filter is always true
	reads                // part of the filter does nothing
	empty                // the placeholder stands for nothing
)

// Doubt is a read of a filter or a template of members that notifications of some of its event
// types are not known to have.
type Doubt struct {
	effect     effect
	eventTypes []string
	names      []string
	advice     string
}

// Doubts returns the doubts about a trigger's filter and payload template, ten at most. There are
// none if too little is known about the notifications, or if the filter itself asks whether they
// have the member. Filter and template must be valid for the operator. A text that is not JSON has
// no doubts.
func Doubts(filter, template json.RawMessage, eventTypes []string) []Doubt {
	var doubts []Doubt
	if rule, is := decoded(filter); is {
		doubts = atMost(filterDoubts(rule, eventTypes))
	}
	if value, is := decoded(template); is {
		doubts = append(doubts, atMost(templateDoubts(value, eventTypes))...)
	}
	return doubts
}

// Concerns reports whether the doubt is about an event type.
func (d Doubt) Concerns(eventType string) bool {
	return slices.Contains(d.eventTypes, eventType) || slices.Contains(d.eventTypes, all)
}

// Refuted reports whether a notification has the members of the doubt.
func (d Doubt) Refuted(notification json.RawMessage) bool {
	body, is := decoded(notification)
	return is && slices.ContainsFunc(d.names, func(name string) bool {
		first, rest, _ := strings.Cut(strings.TrimPrefix(name, rawNamespace+"."), ".")
		if n, templates := namespace(first); templates && d.effect == empty {
			i := slices.IndexFunc(n.Members, func(a Alias) bool { return a.Name == rest })
			return i >= 0 && n.Within == "" && body[n.Members[i].From] != nil
		}
		return body[first] != nil
	})
}

func atMost(doubts []Doubt) []Doubt { return doubts[:min(len(doubts), maxDoubts)] }

// Unsure are the unknown members of notifications that a filter reads. Without them, a sample
// cannot show the result of the filter.
func Unsure(filter json.RawMessage, eventType string) []string {
	rule, is := decoded(filter)
	body := Known(eventType)
	if !is || body.Source != Assumed {
		return nil
	}
	j := evaluator{body: &body, steps: new(maxSteps)}
	j.value(rule, scope{})
	var names []string
	for _, r := range j.reads {
		first, _, _ := strings.Cut(r.path, ".")
		if _, sampled := find(body.Members, first); !sampled && !slices.Contains(names, r.path) {
			names = append(names, r.path)
		}
	}
	return names
}

// decoded is an object that is not empty.
func decoded(raw json.RawMessage) (map[string]any, bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil, false
	}
	object, is := value.(map[string]any)
	return object, is && len(object) > 0
}

// evaluation is the result of a filter for one event type.
type evaluation struct {
	body    Body
	outcome outcome
	lacking []*read // that the outcome depends on
	reads   []*read
}

func filterDoubts(rule map[string]any, eventTypes []string) []Doubt {
	steps := maxSteps
	results := make([]evaluation, 0, len(eventTypes))
	for _, eventType := range eventTypes {
		body := Known(eventType)
		j := evaluator{body: &body, steps: &steps}
		v := j.value(rule, scope{shape: body.root()})
		results = append(results, evaluation{body, v.truth(), v.lacking, j.reads})
	}
	if steps < 0 {
		return nil
	}
	var doubts []Doubt
	for i := range results {
		doubts = add(doubts, results[i].doubts(results)...)
	}
	return doubts
}

// doubts are the doubts of one event type. A missing member is no doubt if another event type of
// the trigger has it, unless only the first one counts.
func (r *evaluation) doubts(all []evaluation) []Doubt {
	bare := slices.DeleteFunc(slices.Clone(r.lacking), func(at *read) bool { return at.guarded })
	switch {
	case r.outcome == falsy && len(r.lacking) > 0:
		return []Doubt{r.doubt(never, r.lacking)}
	case r.outcome == truthy && len(bare) > 0:
		return []Doubt{r.doubt(always, bare)}
	case r.outcome != open:
		return nil
	}
	var doubts []Doubt
	for _, at := range r.reads {
		if at.lacking && !at.guarded && !slices.ContainsFunc(all, func(other evaluation) bool { return other.has(at.path) }) {
			doubts = append(doubts, r.doubt(reads, []*read{at}))
		}
	}
	return doubts
}

func (r *evaluation) has(path string) bool {
	return slices.ContainsFunc(r.reads, func(at *read) bool { return at.path == path && !at.lacking })
}

func (r *evaluation) doubt(e effect, lacking []*read) Doubt {
	d := Doubt{effect: e, eventTypes: []string{r.body.EventType}}
	for _, at := range lacking {
		if slices.Contains(d.names, at.path) {
			continue
		}
		if d.names = append(d.names, at.path); d.advice == "" {
			d.advice = r.body.filterAdvice(at)
		}
	}
	return d
}

func templateDoubts(template map[string]any, eventTypes []string) []Doubt {
	steps := maxSteps
	var doubts []Doubt
	for _, eventType := range eventTypes {
		body := Known(eventType)
		j := templateChecker{body: &body, steps: &steps}
		j.value(template, body.namespaces())
		own := make([]Doubt, 0, len(j.empty))
		for _, name := range j.empty {
			own = append(own, Doubt{effect: empty, eventTypes: []string{eventType}, names: []string{name}, advice: body.templateAdvice(name)})
		}
		doubts = add(doubts, own...)
	}
	if steps < 0 {
		return nil
	}
	return doubts
}

// add merges doubts that differ only in the names, for one event type, or only in the event type.
func add(doubts []Doubt, ofType ...Doubt) []Doubt {
	var own []Doubt
	for _, d := range ofType {
		if i := slices.IndexFunc(own, d.resembles); i >= 0 && d.effect != never && d.effect != always {
			own[i].names = append(own[i].names, d.names...)
		} else {
			own = append(own, d)
		}
	}
	for _, d := range own {
		i := slices.IndexFunc(doubts, func(other Doubt) bool { return d.resembles(other) && slices.Equal(d.names, other.names) })
		if i >= 0 {
			doubts[i].eventTypes = append(doubts[i].eventTypes, d.eventTypes...)
		} else {
			doubts = append(doubts, d)
		}
	}
	return doubts
}

func (d Doubt) resembles(other Doubt) bool {
	return d.effect == other.effect && d.advice == other.advice
}

// String is the doubt in one sentence, of a few hundred bytes.
func (d Doubt) String() string {
	types := some(d.eventTypes, maxEventTypes, func(name string) string { return name })
	var b strings.Builder
	switch d.effect {
	case never, always:
		word := map[effect]string{never: "never", always: "always"}[d.effect]
		fmt.Fprintf(&b, "spec.filter is %s true for %s: such notifications are not known to have %s", word, types, names(d.names))
	case reads:
		fmt.Fprintf(&b, "spec.filter reads %s, which notifications of %s are not known to have", names(d.names), types)
	case empty:
		placeholders := some(d.names, maxNames, func(name string) string { return "{{" + quotable(name) + "}}" })
		fmt.Fprintf(&b, "spec.payloadTemplate: %s is likely to stay empty for %s", placeholders, types)
	}
	if d.advice != "" {
		b.WriteString(" (" + d.advice + ")")
	}
	return b.String()
}

func names(all []string) string { return some(all, maxNames, quotable) }

// some lists the first of many.
func some(all []string, limit int, show func(string) string) string {
	shown := make([]string, 0, limit)
	for _, one := range all[:min(len(all), limit)] {
		shown = append(shown, show(one))
	}
	if more := len(all) - limit; more > 0 {
		return strings.Join(shown, ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(shown, ", ")
}

// quotable is a plain name unchanged, and any other name in quotes.
func quotable(name string) string {
	plain := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.[]-", r)
	}) < 0
	name = excerpt.Shorten(name, maxNameBytes)
	if plain {
		return name
	}
	return strconv.Quote(name)
}

// filterAdvice says where the notifications of an event type have a member.
func (b *Body) filterAdvice(at *read) string {
	first, rest, _ := strings.Cut(at.path, ".")
	switch {
	case at.loops:
		if s, _ := b.walk(b.root(), at.path); s.kind == keyed {
			return at.path + " is an object by public ID, and operators on lists find nothing in it"
		}
		return at.path + " is no list"
	case strings.Contains(at.path, "[]."):
		return ""
	case slices.Contains(namespaceNames(), first):
		return first + " is a name of templates; a filter reads the notification's own members"
	}
	if m, is := find(b.Members, first); is {
		if _, has := find(m.shape.members, rest); !has || m.shape.kind != list {
			return ""
		}
		first = rest
	}
	if parent, found := b.container(first); found {
		if parent.shape.kind == keyed {
			return parent.Name + ", an object by public ID, has it for each asset, where no filter finds it"
		}
		return fmt.Sprintf(`each of %s has it: {"some": [{"var": %q}, ...]}`, parent.Name, parent.Name)
	}
	return b.likeness(first, func(name string) string { return name })
}

// container is the member with the assets, if each of those has a member of the name.
func (b *Body) container(name string) (*Member, bool) {
	i := slices.IndexFunc(b.Members, func(m Member) bool {
		_, has := find(m.shape.members, name)
		return has && slices.Contains([]kind{list, keyed, either}, m.shape.kind)
	})
	if i < 0 {
		return nil, false
	}
	return &b.Members[i], true
}

// likeness suggests members with a similar name.
func (b *Body) likeness(name string, show func(string) string) string {
	var ending []string
	for i := range b.Members {
		if member := b.Members[i].Name; member != "notification_type" && strings.HasSuffix(member, "_"+name) {
			ending = append(ending, show(b.Members[i].Name))
		}
	}
	if len(ending) > 0 && len(ending) <= maxNames && b.EventType != all {
		return "they have " + strings.Join(ending, ", ")
	}
	if closest := notification.Closest(name, namesOf(b.Members)); closest != "" {
		return "did you mean " + show(closest) + "?"
	}
	return ""
}

// templateAdvice suggests another placeholder.
func (b *Body) templateAdvice(name string) string {
	first, rest, _ := strings.Cut(name, ".")
	n, is := namespace(first)
	if !is {
		return strayAdvice(first)
	}
	from := rest
	if n.Members != nil {
		i := slices.IndexFunc(n.Members, func(a Alias) bool { return a.Name == rest })
		if i < 0 {
			return first + " has no such member"
		}
		from = n.Members[i].From
	}
	from, _, _ = strings.Cut(from, ".")
	if parent, found := b.container(from); found && parent.shape.kind == list {
		return fmt.Sprintf("each of %s has it: {{#raw.%s}}{{%s}} {{/raw.%s}}", parent.Name, parent.Name, from, parent.Name)
	}
	return b.likeness(from, func(member string) string { return "{{raw." + member + "}}" })
}

// strayAdvice is for a placeholder outside of the namespaces.
func strayAdvice(name string) string {
	for _, n := range Namespaces() {
		for _, a := range n.Members {
			if a.Name == name || a.From == name {
				return "did you mean {{" + n.Name + "." + a.Name + "}}?"
			}
		}
	}
	return "placeholders begin with " + strings.Join(namespaceNames(), ", ")
}
