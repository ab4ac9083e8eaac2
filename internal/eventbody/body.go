// SPDX-License-Identifier: Apache-2.0

// Package eventbody is the knowledge about the bodies of Cloudinary's notifications, by event type:
// their members, and the source of that knowledge. Cloudinary publishes no schema. The package
// makes samples, and checks filters and payload templates: one that reads a missing member never
// does what its author wanted, and Cloudinary does not say so.
//
// It is pure. It reports only certain faults: an unknown body may have every member.
package eventbody

import (
	"slices"
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Source is the source of the knowledge about a body.
type Source string

// The sources, the best one first.
const (
	// Captured: somebody has published a body that Cloudinary sent.
	Captured Source = "captured"
	// Documented: Cloudinary's documentation shows it, or says so.
	Documented Source = "documented"
	// Consumed: nobody has published a body, but published programs read it so.
	Consumed Source = "consumed"
	// Assumed: made up by analogy. Nothing is concluded from it.
	Assumed Source = "assumed"
)

// all is Cloudinary's name for every event type.
const all = "all"

// Body is the knowledge about the notifications of an event type.
type Body struct {
	EventType string
	// Source is the default source of the members.
	Source Source
	// Members are in the order of the body.
	Members []Member
	// Open means that there are more members than the known ones, for example after an upload with
	// all options.
	Open bool
}

// Member is a member of a body, or of an object in it.
type Member struct {
	Name string
	// Source is empty for the source of the body.
	Source Source
	// value is the sample value. Nil: samples do not have the member.
	value any
	shape shape
}

// Sampled reports whether a sample has the member.
func (m *Member) Sampled() bool { return m.value != nil }

// Kind describes the value in a word or two. Empty: unknown.
func (m *Member) Kind() string { return string(m.shape.kind) }

// Members are those of an object, or of each entry of a list or of an object by public ID.
func (m *Member) Members() []Member { return m.shape.members }

// kind is the type of a value.
type kind string

const (
	unknown kind = "" // it may have anything in it
	text    kind = "text"
	number  kind = "number"
	boolean kind = "boolean"
	object  kind = "object"
	list    kind = "list"
	keyed   kind = "object by public ID"
	either  kind = "list, or object by public ID"
)

// shape is the knowledge about a value.
type shape struct {
	kind kind
	// members are an object's, or those of each entry. open: there may be more.
	members []Member
	open    bool
	// whole means that it is a whole body.
	whole bool
	// entry is the shape of each entry of a list. Nil: an object with the members.
	entry *shape
	// constant is the value, if it is always the same.
	constant string
}

// of is the shape of each entry of a list, or of an object by public ID.
func (s *shape) of() shape {
	switch {
	case s.entry != nil:
		return *s.entry
	case len(s.members) == 0:
		return shape{}
	default:
		return shape{kind: object, members: s.members, open: s.open}
	}
}

// root is the shape of the whole body.
func (b *Body) root() shape {
	if b.Source == Assumed {
		return shape{}
	}
	return shape{kind: object, members: b.Members, open: b.Open, whole: true}
}

// Values are what a sample has in it.
type Values struct {
	At                                                     time.Time
	Cloud, APIKey                                          string
	RequestID, AssetID, PublicID, BatchID, VersionID, ETag string
}

// table is computed once, because a manager needs it again and again. Nobody changes it.
var table = sync.OnceValue(func() map[string]Body { //nolint:gochecknoglobals // as said
	bodies := map[string]Body{}
	for _, eventType := range notification.EventTypes() {
		if eventType != all {
			bodies[eventType] = known(eventType, Values{})
		}
	}
	return bodies
})

// Known returns the knowledge about an event type's notifications. For an unknown event type, that
// is only the members that all notifications have.
func Known(eventType string) Body {
	if eventType == all { // the members of any of them
		return Body{EventType: eventType, Source: Consumed, Members: may(memberNames()...), Open: true}
	}
	if b, found := table()[eventType]; found {
		return b
	}
	return known(eventType, Values{})
}

// SourceOf is the source of the knowledge about an event type's notifications.
func SourceOf(eventType string) Source {
	b := Known(eventType)
	return b.Source
}

// Sample is a made-up notification of an event type, as JSON. replaced members have their own
// values.
func Sample(eventType string, v Values, replaced ...Field) ([]byte, error) {
	b := known(eventType, v)
	body := make(Fields, 0, len(b.Members))
	for i := range b.Members {
		m := &b.Members[i]
		if at := slices.IndexFunc(replaced, func(f Field) bool { return f.Name == m.Name }); at >= 0 {
			body = append(body, replaced[at])
		} else if m.Sampled() {
			body = append(body, Field{m.Name, m.value})
		}
	}
	return body.MarshalJSON()
}

// find returns one of the members.
func find(members []Member, name string) (*Member, bool) {
	i := slices.IndexFunc(members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	return &members[i], true
}

// memberNames are those of all bodies' own members, sorted, each once.
var memberNames = sync.OnceValue(func() []string { //nolint:gochecknoglobals // made once, and changed by nobody
	var names []string
	for _, b := range table() {
		names = append(names, namesOf(b.Members)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
})

func namesOf(members []Member) []string {
	names := make([]string, 0, len(members))
	for i := range members {
		names = append(names, members[i].Name)
	}
	return names
}
