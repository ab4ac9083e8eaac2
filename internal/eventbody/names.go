// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Namespace is a set of names for payload templates, and their source in the notification.
type Namespace struct {
	Name string
	// Members are its names. Nil: the whole notification.
	Members []Alias
	// Within is the member of the notification with the names. Empty: the notification itself.
	Within string
}

// Alias is one of its members. From is empty where Cloudinary knows it otherwise.
type Alias struct{ Name, From string }

// The namespace of the event itself, and that of the whole notification.
const (
	eventNamespace = "event"
	rawNamespace   = "raw"
)

// Namespaces are those that Cloudinary documents, with their members. The source of each member is
// probable.
func Namespaces() []Namespace {
	same := func(names ...string) []Alias {
		aliases := make([]Alias, 0, len(names))
		for _, name := range names {
			aliases = append(aliases, Alias{name, name})
		}
		return aliases
	}
	return []Namespace{
		{Name: eventNamespace, Members: []Alias{{"type", ""}, {"timestamp", "timestamp"}, {"request_id", "request_id"}}},
		{Name: "asset", Members: append(
			[]Alias{{"id", "asset_id"}, {"delivery_type", "type"}, {"folder", "asset_folder"}},
			same("public_id", "resource_type", "format", "version", "width", "height", "bytes", "url", "secure_url", "tags", "context", "metadata")...,
		)},
		{Name: "folder", Members: []Alias{{"path", "folder_path"}, {"name", "folder_name"}}},
		{Name: "eager", Members: append([]Alias{{"transformations", "eager"}}, same("batch_id", "status")...)},
		{Name: "error", Members: same("message", "code"), Within: "error"},
		{Name: rawNamespace},
	}
}

func namespace(name string) (*Namespace, bool) {
	all := Namespaces()
	i := slices.IndexFunc(all, func(n Namespace) bool { return n.Name == name })
	if i < 0 {
		return nil, false
	}
	return &all[i], true
}

func namespaceNames() []string {
	var names []string
	for _, n := range Namespaces() {
		names = append(names, n.Name)
	}
	return names
}

// namespaces is the shape of what a template for an event type's notifications may name.
func (b *Body) namespaces() shape {
	var members []Member
	for _, n := range Namespaces() {
		if n.Members == nil {
			members = append(members, Member{Name: n.Name, shape: b.root()})
			continue
		}
		members = append(members, Member{Name: n.Name, shape: b.namespace(&n)})
	}
	return shape{kind: object, members: members}
}

// namespace is the shape of one namespace. It lacks members that the notification lacks, unless
// Cloudinary knows them otherwise.
func (b *Body) namespace(n *Namespace) shape {
	inside := b.root()
	if n.Within != "" {
		var there bool
		if inside, there = b.walk(inside, n.Within); !there {
			inside = shape{kind: object}
		}
	}
	s := shape{kind: object}
	for _, alias := range n.Members {
		value, there := shape{}, n.Name == eventNamespace
		if !there {
			value, there = b.walk(inside, alias.From)
		}
		if there {
			s.members = append(s.members, Member{Name: alias.Name, shape: value})
		}
	}
	return s
}

// walk follows the names and indexes of a path, as JSONLogic and Mustache do. It reports that the
// value is missing only if that is certain.
func (b *Body) walk(from shape, path string) (to shape, there bool) {
	for step := range strings.SplitSeq(path, ".") {
		if from.kind == unknown || from.kind == keyed {
			return shape{}, true // a public ID may have points in it
		}
		if from, there = b.step(from, step); !there {
			return shape{}, false
		}
	}
	return from, true
}

func (b *Body) step(from shape, name string) (to shape, there bool) {
	switch from.kind { //nolint:exhaustive // the rest has no members
	case object:
		if m, found := find(from.members, name); found {
			return m.shape, true
		}
		return shape{}, from.open && (!from.whole || !foreign(name))
	case list, either:
		switch {
		case name == "length":
			return shape{kind: number}, true
		case strings.Trim(name, "0123456789") == "":
			return from.of(), true
		}
		return shape{}, from.kind == either
	case text:
		return shape{}, name == "length" || strings.Trim(name, "0123456789") == ""
	default: // numbers and booleans have nothing in them
		return shape{}, false
	}
}

// foreign reports whether an unknown name is most probably no member of an open body: it is a
// namespace of templates, a member of other event types only, or misspelled.
func foreign(name string) bool {
	names := memberNames()
	if _, found := slices.BinarySearch(names, name); found {
		return true
	}
	return slices.Contains(namespaceNames(), name) || notification.Closest(name, names) != ""
}
