// SPDX-License-Identifier: Apache-2.0

package plan

import "slices"

// A list is a hint that a trigger is gone, and no proof: a cache, a page or a fault may leave out
// any number of them. If a list were enough, the operator would forget a trigger of its own, and
// leave it behind when it returns. So no list makes the operator forget an id. Only Cloudinary's
// answer to a call that names the id does:
//
//	the list does not show it | and                              | then
//	--------------------------+----------------------------------+-------------------------------------------------------------------
//	wanted                    | written within Settle            | look at the next list
//	wanted                    | -                                | send an update: it sets the trigger right, or says that there is none
//	wanted                    | updates said maxUpdates times    | look at the next list; ask again repairMemory after the last time
//	                          | that there is one                |
//	wanted or released, and a | -                                | look at the next list: the operator never touches another uri_type,
//	trigger of another kind   |                                  | and a created webhook does not become one
//	has its id                |                                  |
//	released, to be deleted   | -                                | delete it, which may say that there is none
//	released, to be deleted   | deleting it was refused          | let it go: nobody can say more than the list does
//	released, to be kept      | -                                | let it go
//	kept or observed          | -                                | keep the record
//
// If an update says that there is none, the next plan creates a trigger in its place.

// unlistedHash in Repair.ReadHash means "exists, but not in the list".
const unlistedHash = "unlisted"

// unlistedRecord looks up a record whose id is not in the list, although the list is recent enough.
func (m *matcher) unlistedRecord(s *subject, r Record) *heldRecord {
	other, isNonWebhook := m.nonWebhooks[r.ID]
	observes := s.Stance == Observes // another object may want its triggers
	switch {
	case s.Stance == Keeps:
		return &heldRecord{Record: r, kept: true}
	case isNonWebhook:
		return &heldRecord{Record: r, absence: pending, kept: observes, nonWebhook: &NonWebhook{ID: other.ID, URIType: other.URIType}}
	default:
		return &heldRecord{Record: r, absence: unlisted, kept: observes}
	}
}

// currentPlace is the place of a record's trigger, as far as is known.
func (h *heldRecord) currentPlace() Place {
	if h.observed != nil {
		return h.observed.place()
	}
	return h.place()
}

// confirmUnlisted plans the update that shows whether an unlisted trigger exists.
func (m *matcher) confirmUnlisted(w *wish) {
	h := w.record
	step := m.step(Update, CauseDrift, w)
	step.ID, step.Origin, step.Unlisted = h.ID, h.Origin, true
	if h.SentHash != "" && h.SentHash != step.Hash {
		// Should we not live to see the outcome, no list may tell it: from now on nothing is known
		// to have been sent.
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

// recordGone records that a trigger is gone, after an update to one that no list showed. The record
// remembers that somebody deleted it, unless the spec has changed meanwhile: then nobody wants that
// trigger any more.
func (in *Input) recordGone(s Step) {
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

// recordFound records that a trigger exists although no list shows it.
func (in *Input) recordFound(s Step) {
	in.Observed = append(slices.Clip(in.Observed), Observed{ID: s.ID, URIType: WebhookType, URL: s.URL, EventType: s.EventType, Written: true})
}

// Absent returns the triggers that the objects hold and that the list leaves out, sorted. The list
// must have begun long enough after the last write to them. expected is how many such triggers the
// list should show. A create without an answer counts as one. Two do not count: a trigger that is
// known to exist in spite of the lists, and an overdue call.
func Absent(in Input) (absent []string, expected int) {
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
			expected++
			if !shown {
				absent = append(absent, name)
			}
		}
	}
	slices.Sort(absent)
	return absent, expected
}

// listed are the ids and places that the list shows.
func (in *Input) listed() (ids map[string]bool, places map[Place]bool) {
	ids, places = map[string]bool{}, map[Place]bool{}
	for _, o := range in.Observed {
		if o.isWebhook() {
			ids[o.ID], places[o.place()] = true, true
		}
	}
	return ids, places
}

// expected reports whether the list should show the trigger of a record.
func (in *Input) expected(r Record) bool {
	switch {
	case r.originOnly(), r.overdue(), r.Repair.ReadHash == unlistedHash && r.Repair.recent(in.Now):
		return false
	case r.ID == "":
		return !in.ListedAt.Before(r.IntendedAt.Add(in.Settle))
	default:
		return in.settled(r)
	}
}

// Doubtful reports whether a list is in doubt: it leaves out most of the held triggers, and the
// list before, with its own absent triggers, does not say the same. before is nil if that one was
// not in doubt, or if there was none.
func Doubtful(absent []string, expected int, before []string) bool {
	return 2*len(absent) > expected && slices.ContainsFunc(absent, func(id string) bool {
		_, same := slices.BinarySearch(before, id)
		return !same
	})
}
