// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Anybody who may write a Secret can make the operator list triggers at a host of theirs. So a list
// is decoded while it arrives, and each trigger is cut to the size that Cloudinary's can have: a
// hostile answer costs its sender more than the reader.
const (
	// maxTriggers is ten times the number of 30 URLs with all event types.
	maxTriggers = 10_000
	// maxElement is room for a filter and a template of 16 KB, each of their bytes written as
	// \u00xx, and the rest.
	maxElement = 256 << 10
	maxID      = 256
	maxURI     = 8 << 10 // four times what a NotificationEndpoint can have
	maxName    = 256
	// maxEmbedded is more than a filter or a template of ours can have, however it is escaped.
	maxEmbedded = 128 << 10
)

// decodeList reads the answer to a list. An answer that may lack triggers is an error: otherwise
// missing triggers would look deleted. An answer with more, or larger, triggers than Cloudinary's
// can be is an error too.
func decodeList(body io.Reader) ([]Trigger, error) {
	bounded := &elementReader{from: body}
	l := list{decoder: json.NewDecoder(bounded), window: bounded, rest: object{}}
	if err := l.read(); err != nil {
		return nil, bounded.cause(err)
	}
	total, hasTotal := integer(l.rest["total"])
	switch {
	case l.triggers == nil && (!l.null || !hasTotal || total != 0):
		return nil, errUnreadable
	case hasTotal && total > len(l.triggers), hasMore(l.rest):
		return nil, errIncompleteList
	}
	return append([]Trigger{}, l.triggers...), nil
}

// list is an answer to a list that is being read.
type list struct {
	decoder  *json.Decoder
	window   *elementReader
	triggers []Trigger // nil: not seen
	ids      map[string]bool
	null     bool   // null was seen in their place
	rest     object // the answer's other members
}

func (l *list) read() error {
	if err := l.expect(json.Delim('{')); err != nil {
		return err
	}
	for l.decoder.More() {
		name, err := l.name()
		if err != nil {
			return err
		}
		if name == "triggers" {
			err = l.readTriggers()
		} else {
			l.rest[name], err = l.value()
		}
		if err != nil {
			return err
		}
	}
	if err := l.expect(json.Delim('}')); err != nil {
		return err
	}
	if _, err := l.token(); !errors.Is(err, io.EOF) {
		return errUnreadable // something comes after it
	}
	return nil
}

// readTriggers tolerates two ways in which servers write short lists: one trigger without the
// brackets, and null beside a total of 0.
func (l *list) readTriggers() error {
	l.triggers, l.null = nil, false
	token, err := l.token()
	switch {
	case err != nil:
		return err
	case token == nil:
		l.null = true
		return nil
	case token == json.Delim('{'):
		return l.readBare()
	case token != json.Delim('['):
		return errUnreadable
	}
	l.triggers, l.ids = []Trigger{}, map[string]bool{}
	for l.decoder.More() {
		raw, err := l.value()
		if err != nil {
			return err
		}
		trigger, ok := decodeTrigger(raw)
		if !ok {
			return errIncompleteList
		}
		if l.ids[trigger.ID] {
			continue // a trigger that moved from one page to the next while they were put together
		}
		l.ids[trigger.ID] = true
		if l.triggers = append(l.triggers, trigger); len(l.triggers) > maxTriggers {
			return errTooLarge
		}
	}
	return l.expect(json.Delim(']'))
}

// readBare reads a trigger whose brace was read.
func (l *list) readBare() error {
	members := object{}
	for l.decoder.More() {
		name, err := l.name()
		if err != nil {
			return err
		}
		if members[name], err = l.value(); err != nil {
			return err
		}
	}
	trigger, ok := triggerFrom(members)
	if !ok {
		return errIncompleteList
	}
	l.triggers = []Trigger{trigger}
	return l.expect(json.Delim('}'))
}

func (l *list) token() (json.Token, error) {
	l.window.open()
	return l.decoder.Token()
}

func (l *list) name() (string, error) {
	token, err := l.token()
	name, ok := token.(string)
	if err == nil && !ok {
		err = errUnreadable
	}
	return name, err
}

func (l *list) value() (json.RawMessage, error) {
	l.window.open()
	var raw json.RawMessage
	err := l.decoder.Decode(&raw)
	return raw, err
}

func (l *list) expect(want json.Delim) error {
	got, err := l.token()
	if err == nil && got != want {
		return fmt.Errorf("%w: no %s", errUnreadable, want)
	}
	return err
}

// elementReader bounds the bytes of one element: a decoder keeps all of it.
type elementReader struct {
	from io.Reader
	left int
	err  error // of from, or that there was too much
}

// open begins an element.
func (r *elementReader) open() { r.left = maxElement }

func (r *elementReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		r.err = errTooLarge
		return 0, r.err
	}
	n, err := r.from.Read(p[:min(len(p), r.left)])
	r.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// cause is why reading failed: the reader's error, else that the answer is not a list.
func (r *elementReader) cause(err error) error {
	switch {
	case r.err != nil:
		return r.err
	case errors.Is(err, errIncompleteList), errors.Is(err, errTooLarge):
		return err
	default:
		return errUnreadable
	}
}

// hasMore reports whether the answer points at a further page, in any of the words used for that.
func hasMore(answer object) bool {
	for _, name := range []string{"next_cursor", "nextCursor", "next_page", "next", "has_more", "truncated"} {
		switch string(bytes.TrimSpace(answer[name])) {
		case "", "null", "false", `""`, "0", "{}", "[]":
		default:
			return true
		}
	}
	return false
}
