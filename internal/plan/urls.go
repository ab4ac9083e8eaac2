// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
)

// moveAndCreate fulfills the wishes that are left: with a trigger of the same type that the object
// has elsewhere, else with a new one. New URLs are admitted in the order of the objects that want
// them, up to the limit. That includes a URL to which a trigger is fetched back.
func (m *matcher) moveAndCreate() {
	m.awaitPending()
	m.refuseWithoutRoom()
	uses := m.urlUses()
	for _, url := range m.arrivalURLs() {
		var moves []*wish
		group := m.arrivalsAt(url)
		for _, w := range group {
			if w.record == nil {
				w.record = m.movable(w)
			}
			if w.record != nil {
				moves = append(moves, w)
			}
		}
		if m.admit(uses, url, moves, len(group)) {
			m.assignArrivals(group)
		} else {
			for _, w := range group {
				m.refuseForLimit(w, "")
			}
		}
	}
}

// refuseWithoutRoom refuses the arrivals for which Cloudinary still has no room. They count at no
// URL: the URLs that they would leave stay in use, and other objects may use them.
func (m *matcher) refuseWithoutRoom() {
	for _, w := range m.wishes {
		if !w.arrives() {
			continue
		}
		hash := SentHash(w.subject.URL, w.subject.Settings)
		if r, found := m.in.Refusals[w.place]; found && r.Limit && r.Hash == hash && m.stillRefused(r) {
			m.refuseForLimit(w, r.Message)
		}
	}
}

func (m *matcher) assignArrivals(group []*wish) {
	for _, w := range group {
		w.create = w.record == nil
		if w.record != nil {
			w.record.use, m.used[w.record.ID] = assigned, true
		}
	}
}

// refuseForLimit refuses a wish because of the URL limit. message is Cloudinary's, if the operator
// has asked.
func (m *matcher) refuseForLimit(w *wish, message string) {
	if w.record != nil {
		m.used[w.record.ID] = false
		w.record.use, w.record = unused, nil
	}
	w.refuse(URLLimitReached).Message = message
}

// arrives reports whether the wish brings a trigger to a URL: a new one, or one that is elsewhere
// now.
func (w *wish) arrives() bool {
	if h := w.record; h != nil {
		return h.currentPlace() != w.place
	}
	return !w.closed
}

// awaitPending leaves wishes open if the object has a trigger of that type whose existence is not
// known yet. Once it exists, it can be moved.
func (m *matcher) awaitPending() {
	for _, w := range m.wishes {
		if w.open() && slices.ContainsFunc(w.subject.have, func(h *heldRecord) bool {
			return h.absence == pending && h.EventType == w.place.EventType && h.use == unused
		}) {
			w.waits()
		}
	}
}

// movable is a trigger of that type that the object has at another URL and that no wish uses. A
// listed one comes first.
func (m *matcher) movable(w *wish) *heldRecord {
	var fallback *heldRecord
	for _, h := range w.subject.have {
		switch {
		case h.EventType != w.place.EventType || h.kept || !m.free(h):
		case h.observed != nil:
			return h
		case h.absence == unlisted && fallback == nil:
			fallback = h
		}
	}
	return fallback
}

// arrivalURLs are the URLs where triggers arrive, in the order of the oldest object that wants
// each.
func (m *matcher) arrivalURLs() []string {
	var urls []string
	for _, w := range m.wishes {
		if w.arrives() && !slices.Contains(urls, w.place.URL) {
			urls = append(urls, w.place.URL)
		}
	}
	return urls
}

func (m *matcher) arrivalsAt(url string) []*wish {
	var group []*wish
	for _, w := range m.wishes {
		if w.place.URL == url && w.arrives() {
			group = append(group, w)
		}
	}
	return group
}

// urlUses counts at each URL the triggers, those that may be there, and the calls under way.
func (m *matcher) urlUses() map[string]int {
	uses := map[string]int{}
	for place, triggers := range m.byPlace {
		uses[place.URL] += len(triggers)
	}
	for _, s := range m.objects {
		for _, h := range s.have {
			if h.absence != ignored {
				uses[h.place().URL]++
			}
		}
	}
	return uses
}

// admit counts the arrival of triggers at a URL, some of them moved from another, unless the
// environment would exceed its limit. It always admits a change that does not raise the number of
// URLs.
func (m *matcher) admit(uses map[string]int, url string, moves []*wish, arrivals int) bool {
	after := maps.Clone(uses)
	for _, w := range moves {
		old := w.record.currentPlace().URL
		if after[old]--; after[old] <= 0 {
			delete(after, old)
		}
	}
	after[url] += arrivals
	if len(after) > m.in.URLLimit && len(after) > len(uses) {
		return false
	}
	clear(uses)
	maps.Copy(uses, after)
	return true
}

// urlsOf are the different notification URLs, sorted.
func urlsOf(observed []Observed) []string {
	urls := map[string]bool{}
	for _, o := range observed {
		if o.isWebhook() {
			urls[CanonicalURL(o.URL)] = true
		}
	}
	return slices.Sorted(maps.Keys(urls))
}
