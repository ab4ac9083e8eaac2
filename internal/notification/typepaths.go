// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"cmp"
	"slices"
	"strconv"
)

// What counts of all templates that one endpoint's bodies are made from. They bound the work for each body, and what it takes of memory.
const (
	// MaxTypePaths is how many different paths count.
	MaxTypePaths = 256
	// maxNodes is how many different places there may be on the way.
	maxNodes = 2048
	// maxPathTypes is how many event types count at one path.
	maxPathTypes = 64
)

// TypePaths is where an endpoint's bodies may have their event type. It is a tree of the paths, so that one walk over a body finds what
// stands at all of them. Nil and the zero value have none. Once it is used, it must not be added to.
type TypePaths struct {
	paths []typePath
	nodes []node // the first is the body itself
}

// typePath is where bodies of a template have their event type, and which ones, sorted, the template's trigger is for; all stands for
// every one.
type typePath struct {
	node       int32
	eventTypes []string
}

// node is a value in a body.
type node struct {
	parent int32
	// path is the index of the path that ends here, or negative.
	path int32
	// members are those of an object by name, and longest is the length of the longest of their names.
	members map[string]int32
	longest int
	// elements are those of an array by index, in ascending order.
	elements []element
}

type element struct {
	index int
	node  int32
}

// Len is how many paths there are.
func (t *TypePaths) Len() int {
	if t == nil {
		return 0
	}
	return len(t.paths)
}

// Add has a path looked at, after those that are there, for the event types of a trigger, which must be sorted. A path that is there
// already gets the event types in addition. It reports whether the path counts: it does not where there are too many.
func (t *TypePaths) Add(path, eventTypes []string) bool {
	if len(path) > MaxSteps {
		return false
	}
	if len(t.nodes) == 0 {
		t.nodes = []node{{path: -1}}
	}
	at := int32(0)
	for i, step := range path {
		next, known := t.nodes[at].members[step]
		if !known && (len(t.paths) >= MaxTypePaths || len(t.nodes)+len(path)-i > maxNodes) {
			return false
		}
		if !known {
			next = t.grow(at, step)
		}
		at = next
	}
	if t.nodes[at].path >= 0 {
		p := &t.paths[t.nodes[at].path]
		p.eventTypes = union(p.eventTypes, eventTypes)
		return true
	}
	if len(t.paths) >= MaxTypePaths {
		return false
	}
	t.nodes[at].path = int32(len(t.paths)) //nolint:gosec // there are no more than MaxTypePaths
	t.paths = append(t.paths, typePath{at, slices.Clip(eventTypes)})
	return true
}

// grow adds a node below another.
func (t *TypePaths) grow(parent int32, step string) int32 {
	added := int32(len(t.nodes)) //nolint:gosec // there are no more than maxNodes
	t.nodes = append(t.nodes, node{parent: parent, path: -1})
	p := &t.nodes[parent]
	if p.members == nil {
		p.members = map[string]int32{}
	}
	p.members[step] = added
	p.longest = max(p.longest, len(step))
	if i, err := strconv.Atoi(step); err == nil && strconv.Itoa(i) == step && i >= 0 {
		at, _ := slices.BinarySearchFunc(p.elements, i, func(e element, i int) int { return cmp.Compare(e.index, i) })
		p.elements = slices.Insert(p.elements, at, element{i, added})
	}
	return added
}

// union adds event types to others; both are sorted. The others are not changed, since triggers have them too.
func union(all, more []string) []string {
	var added []string
	for _, one := range more {
		if _, known := slices.BinarySearch(all, one); !known && (len(all)+len(added) < maxPathTypes || one == allEventTypes) {
			added = append(added, one)
		}
	}
	if added == nil {
		return all
	}
	return slices.Sorted(slices.Values(slices.Concat(all, added)))
}

// typeIn returns the event type that stands at one of the paths, or nothing. Which template a body is made from is not known, and another one
// may have something else at the path, such as image. So of all that look like an event type, one that is named by a trigger with
// that path counts most; then, where the trigger is for all, one that Cloudinary documents; then any. Of equals the first counts.
func (t *TypePaths) typeIn(body []byte) string {
	if t.Len() == 0 {
		return ""
	}
	w := newBodyWalk(t, body)
	w.look(0)
	var known, other string
	for i := range t.paths {
		p := &t.paths[i]
		text := w.textAt(p.node)
		if !looksLikeEventType(text) || string(text) == allEventTypes {
			continue
		}
		switch value := string(text); {
		case has(p.eventTypes, value):
			return value
		case !has(p.eventTypes, allEventTypes):
		case KnownEventType(value):
			known = cmp.Or(known, value)
		default:
			other = cmp.Or(other, value)
		}
	}
	return cmp.Or(known, other)
}

func has(eventTypes []string, one string) bool {
	_, found := slices.BinarySearch(eventTypes, one)
	return found
}

// bodyWalk goes over a body once, and notes what stands where the nodes are.
type bodyWalk struct {
	scanner
	nodes  []node
	places []place
	visits uint32
	name   []byte // as it is read, if it is written otherwise
}

// place is what was found of a node: of members with the same name the last counts, so a place holds only if its node was visited within
// the last visit of its parent.
type place struct {
	visit, within uint32
	// start and end are where the text of a string is; end is 0 where there is none.
	start, end int32
}

func newBodyWalk(t *TypePaths, body []byte) bodyWalk {
	w := bodyWalk{scanner: scanner{data: body}, nodes: t.nodes, places: make([]place, len(t.nodes)), visits: 1}
	w.places[0].visit = w.visits
	return w
}

// look reads the value that is the node.
func (w *bodyWalk) look(at int32) {
	n := &w.nodes[at]
	switch c := w.peek(); {
	case c == '{' && n.members != nil:
		w.object(at, n)
	case c == '[' && n.elements != nil:
		w.array(at, n)
	case c == '"' && n.path >= 0:
		text := w.text()
		if end := w.pos - 1; w.err == nil {
			w.places[at].start, w.places[at].end = int32(end-len(text)), int32(end) //nolint:gosec // no body has gigabytes
		}
	default:
		w.value()
	}
}

func (w *bodyWalk) object(at int32, n *node) {
	for name, more := w.member(true); more; name, more = w.member(false) {
		if child, wanted := w.child(n, name); wanted {
			w.visit(at, child)
		} else {
			w.value()
		}
	}
}

// longestEscape is how many bytes of JSON one byte of a string may be written with: \u0041.
const longestEscape = 6

func (w *bodyWalk) child(n *node, name []byte) (int32, bool) {
	if len(name) > longestEscape*n.longest {
		return 0, false
	}
	if !plainly(name) {
		w.name = appendUnescaped(w.name[:0], name)
		name = w.name
	}
	child, wanted := n.members[string(name)]
	return child, wanted
}

func (w *bodyWalk) array(at int32, n *node) {
	wanted, i := n.elements, 0
	for more := w.element(true); more; more = w.element(false) {
		if len(wanted) > 0 && wanted[0].index == i {
			w.visit(at, wanted[0].node)
			wanted = wanted[1:]
		} else {
			w.value()
		}
		i++
	}
}

func (w *bodyWalk) visit(parent, child int32) {
	w.visits++
	w.places[child] = place{visit: w.visits, within: w.places[parent].visit}
	w.look(child)
}

// textAt returns the string that the node is in the end, as it is read, or nil. One that is too long for an event type is nil as well.
func (w *bodyWalk) textAt(at int32) []byte {
	p := &w.places[at]
	if p.end == 0 || p.end-p.start > longestEscape*maxEventTypeBytes {
		return nil
	}
	for ; at != 0; at = w.nodes[at].parent {
		if w.places[at].within != w.places[w.nodes[at].parent].visit {
			return nil
		}
	}
	return unescaped(w.data[p.start:p.end])
}
