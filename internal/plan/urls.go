// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
)

// moveAndCreate fulfills what wishes are left: by moving a trigger that the object has of the same type, else by a new
// one. URLs that are not in use yet are admitted in the order of the objects that want them, as far as the limit allows; one to
// which a trigger is fetched back is no exception.
func (m *matcher) moveAndCreate() {
	m.awaitPending()
	m.turnedAway()
	uses := m.urlUses()
	for _, url := range m.arrivalURLs() {
		var moves []*wish
		group := m.arrivalsAt(url)
		for _, w := range group {
			if w.holding == nil {
				w.holding = m.movable(w)
			}
			if w.holding != nil {
				moves = append(moves, w)
			}
		}
		if m.admit(uses, url, moves, len(group)) {
			m.book(group)
		} else {
			for _, w := range group {
				m.turnAway(w, "")
			}
		}
	}
}

// turnedAway are the arrivals for which Cloudinary has said that there is no room, and still has none. They are not booked: the URLs that
// they would leave stay in use, and may be used by others.
func (m *matcher) turnedAway() {
	for _, w := range m.wishes {
		if !w.arrives() {
			continue
		}
		hash := SentHash(w.subject.URL, w.subject.Settings)
		if r, found := m.in.Refusals[w.place]; found && r.Limit && r.Hash == hash && m.remembered(r) {
			m.turnAway(w, r.Message)
		}
	}
}

func (m *matcher) book(group []*wish) {
	for _, w := range group {
		w.create = w.holding == nil
		if w.holding != nil {
			w.holding.taken, m.used[w.holding.ID] = true, true
		}
	}
}

// turnAway refuses a wish for the limit of URLs; message is Cloudinary's word, if that was asked.
func (m *matcher) turnAway(w *wish, message string) {
	if w.holding != nil {
		m.used[w.holding.ID] = false
		w.holding.taken, w.holding = false, nil
	}
	w.refuse(URLLimitReached).Message = message
}

// arrives reports whether the wish brings a trigger to a URL: one that is new, or is elsewhere now.
func (w *wish) arrives() bool {
	if h := w.holding; h != nil {
		return h.where() != w.place
	}
	return !w.closed
}

// awaitPending leaves wishes open whose object has a trigger of that type of which it is not known whether it exists: once it
// is, it can be moved.
func (m *matcher) awaitPending() {
	for _, w := range m.wishes {
		if w.open() && slices.ContainsFunc(w.subject.have, func(h *holding) bool {
			return h.pending && h.EventType == w.place.EventType && !h.taken && !h.handed
		}) {
			w.waits()
		}
	}
}

// movable is a trigger of that type which the object has at another URL, and which nothing else needs. One that the list shows comes first.
func (m *matcher) movable(w *wish) *holding {
	var unlisted *holding
	for _, h := range w.subject.have {
		switch {
		case h.EventType != w.place.EventType || h.kept || !m.free(h):
		case h.observed != nil:
			return h
		case h.unlisted && unlisted == nil:
			unlisted = h
		}
	}
	return unlisted
}

// arrivalURLs are those at which triggers arrive, in the order of the oldest object that wants each.
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

// urlUses counts the triggers at each URL, those that are perhaps there, and the calls under way.
func (m *matcher) urlUses() map[string]int {
	uses := map[string]int{}
	for place, triggers := range m.byPlace {
		uses[place.URL] += len(triggers)
	}
	for _, s := range m.objects {
		for _, h := range s.have {
			if h.pending || h.unlisted {
				uses[h.place().URL]++
			}
		}
	}
	return uses
}

// admit books the arrival of triggers at a URL, some of them by a move from another, unless that takes the environment beyond its
// limit. A change that leaves the number of URLs as it is, or lowers it, is always admitted.
func (m *matcher) admit(uses map[string]int, url string, moves []*wish, arrivals int) bool {
	after := maps.Clone(uses)
	for _, w := range moves {
		old := w.holding.where().URL
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
		if o.webhook() {
			urls[CanonicalURL(o.URL)] = true
		}
	}
	return slices.Sorted(maps.Keys(urls))
}
