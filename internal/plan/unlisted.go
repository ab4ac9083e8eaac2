// SPDX-License-Identifier: Apache-2.0

package plan

import "slices"

// A list is a hint that a trigger is gone, and no proof: a cache, a page or a fault may leave out any number of them. Were a list's word
// enough, the operator would forget that a trigger is its own, and when the trigger comes back, leave it behind as somebody else's. So no list
// makes it forget an id. What does is Cloudinary's answer to a call that names the id:
//
//	the list does not show it | and                              | then
//	--------------------------+----------------------------------+-------------------------------------------------------------------
//	wanted                    | written within Settle            | look at the next list
//	wanted                    | -                                | send an update: it sets the trigger right, or says that there is none
//	wanted                    | updates said maxUpdates times    | look at the next list; ask again repairMemory after the last time
//	                          | that there is one                |
//	wanted or released, and a | -                                | look at the next list: what is no webhook is never touched, and what
//	trigger of another kind   |                                  | a call has created as one does not become another
//	has its id                |                                  |
//	released, to be deleted   | -                                | delete it, which may say that there is none
//	released, to be deleted   | deleting it was refused          | let it go: nobody can say more than the list does
//	released, to be kept      | -                                | let it go
//	held or observed          | -                                | keep the record
//
// Where an update says that there is none, a trigger is created in its place by the next plan.

// unlistedHash stands for "not in the list, and yet there" where Repair.ReadHash is what was read.
const unlistedHash = "unlisted"

// vanished is a record with an id that the list does not show, although it is old enough to be there.
func (m *matcher) vanished(s *subject, r Record) *holding {
	other, isAlien := m.aliens[r.ID]
	observes := s.Stance == Observes // what it has may be wanted by another object
	switch {
	case s.Stance == Holds:
		return &holding{Record: r, kept: true}
	case isAlien:
		return &holding{Record: r, pending: true, kept: observes, alien: &Alien{ID: other.ID, URIType: other.URIType}}
	default:
		return &holding{Record: r, unlisted: true, kept: observes}
	}
}

// where is the place at which a record's trigger is, as far as is known.
func (h *holding) where() Place {
	if h.observed != nil {
		return h.observed.place()
	}
	return h.place()
}

// ask plans the update that tells whether a trigger exists which the list does not show.
func (m *matcher) ask(w *wish) {
	h := w.holding
	step := m.step(Update, CauseDrift, w)
	step.ID, step.Origin, step.Unlisted = h.ID, h.Origin, true
	if h.SentHash != "" && h.SentHash != step.Hash {
		// Should we not live to see the outcome, no list may tell it: from now on nothing is known to have been sent.
		step.Cause, h.SentHash, h.ConfirmedHash = CauseSpec, "", ""
	}
	last := h.Repair
	step.Repair = Repair{ReadHash: unlistedHash, Updates: 1, Total: last.Total, LastAt: m.in.Now}
	if last.ReadHash == unlistedHash && last.recent(m.in.Now) {
		if last.Updates >= maxUpdates {
			w.subject.find(Confirming, w.place.EventType)
			return
		}
		step.Repair.Updates += last.Updates
	}
	m.addStep(w, step)
}

// lose notes that there is no trigger any more where an update was sent to one that no list showed. What is left is the memory that
// somebody deleted it, unless the spec has changed meanwhile: that one is not wanted any more either.
func (in *Input) lose(s Step) {
	o, i := in.record(s)
	r := o.edit(i)
	lost := Record{EventType: s.EventType, URL: s.URL, Secret: s.Secret, Origin: Created}
	if s.Cause != CauseSpec {
		lost.SentHash, lost.Repair = r.SentHash, Repair{ReadHash: goneHash, LastAt: in.Now}
		if r.Repair.recent(in.Now) {
			lost.Repair.Total, lost.Repair.LastAt = r.Repair.Total, r.Repair.LastAt
		}
		if r.Repair.recent(in.Now) && r.Repair.ReadHash == goneHash {
			lost.Repair.Updates = r.Repair.Updates
		}
	}
	*r = lost
	in.Observed = slices.DeleteFunc(slices.Clone(in.Observed), func(t Observed) bool { return t.ID == s.ID })
}

// found notes that a trigger exists which no list shows.
func (in *Input) found(s Step) {
	in.Observed = append(slices.Clip(in.Observed), Observed{ID: s.ID, URIType: WebhookType, URL: s.URL, EventType: s.EventType, Written: true})
}

// Absent are the triggers that the objects have and the list does not show, although it is begun long enough after the last write to them,
// sorted; held is how many such triggers the list should show. A call that was to create a trigger counts as one. Neither
// a trigger that is known to exist in spite of the lists, nor a call that is overdue counts.
func Absent(in Input) (absent []string, held int) {
	ids, places := in.listed()
	seen := map[string]bool{}
	for _, o := range in.Objects {
		for _, r := range o.Records {
			name, shown := r.ID, ids[r.ID]
			if name == "" {
				name, shown = "a call for "+r.EventType+" at "+r.URL, places[r.place()]
			}
			if !in.expected(r) || seen[name] {
				continue
			}
			seen[name] = true
			held++
			if !shown {
				absent = append(absent, name)
			}
		}
	}
	slices.Sort(absent)
	return absent, held
}

// listed are the ids and places that the list shows.
func (in *Input) listed() (ids map[string]bool, places map[Place]bool) {
	ids, places = map[string]bool{}, map[Place]bool{}
	for _, o := range in.Observed {
		if o.webhook() {
			ids[o.ID], places[o.place()] = true, true
		}
	}
	return ids, places
}

// expected reports whether the list ought to show what a record stands for.
func (in *Input) expected(r Record) bool {
	switch {
	case r.unmade(), r.overdue(), r.Repair.ReadHash == unlistedHash && r.Repair.recent(in.Now):
		return false
	case r.ID == "":
		return !in.ListedAt.Before(r.IntendedAt.Add(in.Settle))
	default:
		return in.settled(r)
	}
}

// Doubtful reports whether nothing is to be concluded from a list yet: all of what is held, or most of it, is absent, and the list before, with what
// was absent there, does not say the same. Nil: it was not in doubt, or there was none.
func Doubtful(absent []string, held int, before []string) bool {
	return 2*len(absent) > held && slices.ContainsFunc(absent, func(id string) bool {
		_, same := slices.BinarySearch(before, id)
		return !same
	})
}
