// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// TypePath is where bodies of a template have their event type, and which ones the template's trigger is for; all stands for every one.
type TypePath struct {
	Path       []string
	EventTypes []string
}

// treeOf is the paths as they are looked for.
func treeOf(paths []TypePath) *TypePaths {
	t := &TypePaths{}
	for _, p := range paths {
		t.Add(p.Path, slices.Sorted(slices.Values(p.EventTypes)))
	}
	return t
}

// unescapedByJSON leaves all to encoding/json.
func unescapedByJSON(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return raw
	}
	var text string
	if err := json.Unmarshal([]byte(`"`+string(raw)+`"`), &text); err != nil {
		panic(err) // it was scanned
	}
	return []byte(text)
}

// plainTypeAt is typeIn, one path after the other: it goes over the body once for each. It returns the event type that stands at one of paths, or nothing. Which template a body is made from is not known, and another one
// may have something else at the path, such as image. So of all that look like an event type, one that is named by a trigger with
// that path counts most; then, where the trigger is for all, one that Cloudinary documents; then any. Of equals the first counts.
func plainTypeAt(body []byte, paths []TypePath) string {
	var known, other string
	for i := range paths {
		p := &paths[i]
		text := unescapedByJSON(stringAt(body, p.Path))
		if !looksLikeEventType(text) || string(text) == allEventTypes {
			continue
		}
		switch value := string(text); {
		case slices.Contains(p.EventTypes, value):
			return value
		case !slices.Contains(p.EventTypes, allEventTypes):
		case KnownEventType(value):
			known = cmp.Or(known, value)
		default:
			other = cmp.Or(other, value)
		}
	}
	return cmp.Or(known, other)
}

// stringAt returns the string at path as it is written, or nil. Of members with the same name the last counts.
func stringAt(body []byte, path []string) []byte {
	d := decoder{scanner: scanner{data: body}}
	for _, step := range path {
		at := -1
		switch d.peek() {
		case '{':
			at = d.lastMember(step)
		case '[':
			at = d.elementAt(step)
		}
		if at < 0 {
			return nil
		}
		d.scanner = scanner{data: body, pos: at}
	}
	return d.string()
}

// lastMember returns where the value of the last member with the name is, or a negative number.
func (s *scanner) lastMember(wanted string) int {
	at := -1
	for name, more := s.member(true); more; name, more = s.member(false) {
		if string(unescapedByJSON(name)) == wanted {
			at = s.pos
		}
		s.value()
	}
	return at
}

// elementAt returns where the element with the index is, or a negative number.
func (s *scanner) elementAt(wanted string) int {
	i := 0
	for more := s.element(true); more; more = s.element(false) {
		if strconv.Itoa(i) == wanted {
			return s.pos
		}
		s.value()
		i++
	}
	return -1
}
