// SPDX-License-Identifier: Apache-2.0

// Package eventbody is what is known of the bodies of Cloudinary's notifications, by event type:
// which members they have, and where that is from. Cloudinary publishes no schema of them. Samples
// are made from it, and filters and payload templates are judged by it: one that reads what
// notifications of an event type do not have never does what it was written for, and nothing at
// Cloudinary says so.
//
// It is pure. What is not known for certain is never told as a fault: a body of which nothing is
// known has everything.
package eventbody

import (
	"slices"
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Source says where what is known of a body is from.
type Source string

// The sources, the best one first.
const (
	// Captured: somebody has published a body that Cloudinary had sent.
	Captured Source = "captured"
	// Documented: Cloudinary's documentation shows it, or says so.
	Documented Source = "documented"
	// Consumed: nobody has published one, but published programs that are notified read it so.
	Consumed Source = "consumed"
	// Assumed: made up after the likeness of others. Nothing is concluded from it.
	Assumed Source = "assumed"
)

// all is Cloudinary's word for every event type.
const all = "all"

// Body is what is known of the notifications of an event type.
type Body struct {
	EventType string
	// Source is that of the members that have none of their own.
	Source Source
	// Members are in the order in which they are sent.
	Members []Member
	// Open means that there are more members than are known, as after an upload with everything
	// that one can ask for.
	Open bool
}

// Member is one of a body's, or of an object's within it.
type Member struct {
	Name string
	// Source is empty where it is that of the body.
	Source Source
	// value is what a sample has: nil where samples do not have the member.
	value any
	shape shape
}

// Sampled reports whether a sample has the member.
func (m *Member) Sampled() bool { return m.value != nil }

// Kind describes the member's value in a word or two; empty where it is not known.
func (m *Member) Kind() string { return string(m.shape.kind) }

// Members are those of an object, or of each entry of a list or of an object by public ID.
func (m *Member) Members() []Member { return m.shape.members }

// kind is what a value can be.
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

// shape is what is known of a value.
type shape struct {
	kind kind
	// members are an object's, or those of each entry. open: there may be more.
	members []Member
	open    bool
	// whole says that it is a whole body.
	whole bool
	// entry is what each entry of a list is; nil: an object with the members.
	entry *shape
	// constant is the value, if it is always the same.
	constant string
}

// of is what each entry of a list, or of an object by public ID, is.
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

// table is made once, since a manager asks for it time and again. Nobody changes what is in it.
var table = sync.OnceValue(func() map[string]Body { //nolint:gochecknoglobals // as said
	bodies := map[string]Body{}
	for _, eventType := range notification.EventTypes() {
		if eventType != all {
			bodies[eventType] = known(eventType, Values{})
		}
	}
	return bodies
})

// Known returns what is known of an event type's notifications. Of an event type that is not known,
// that is nothing but what all have.
func Known(eventType string) Body {
	if eventType == all { // whatever any of them has
		return Body{EventType: eventType, Source: Consumed, Members: may(memberNames()...), Open: true}
	}
	if b, found := table()[eventType]; found {
		return b
	}
	return known(eventType, Values{})
}

// SourceOf says where what is known of an event type's notifications is from.
func SourceOf(eventType string) Source {
	b := Known(eventType)
	return b.Source
}

// Sample is a made-up notification of an event type, as JSON. Members that are replaced have
// another value than the table's.
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
