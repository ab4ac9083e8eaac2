// SPDX-License-Identifier: Apache-2.0

package plan

import "time"

const (
	// goneHash in Repair.ReadHash means "no such trigger".
	goneHash = "gone"
	// maxRecreations is how often the operator creates a trigger again that somebody deletes, as
	// long as no two of them are repairMemory apart.
	maxRecreations = 3
)

// rememberLoss remembers the content of a record whose trigger is gone:
//
//	the record has     | it means
//	-------------------+---------------------------------------------------------------------------------------------------
//	goneHash           | somebody deleted the trigger, perhaps too often for another one to be created at once
//	something else     | a create came to nothing. It may have been half of a replacement, and what was adopted stays adopted
func (s *subject) rememberLoss(r Record) {
	if r.Repair.ReadHash == goneHash {
		s.lost[r.place()] = r
	}
	s.origins[r.place()] = r.Origin
}

// recreation returns what to record with a create in place of a trigger that somebody deleted, or
// that there were too many of them: somebody wants it gone.
func recreation(lost Record, hash string, now time.Time) (_ Cause, _ Repair, tooMany bool) {
	if lost.SentHash != "" && lost.SentHash != hash {
		return CauseSpec, Repair{}, false // that one is not wanted any more either
	}
	repair := Repair{ReadHash: goneHash, Updates: 1, Total: lost.Repair.next(now), LastAt: now}
	if lost.Repair.ReadHash == goneHash && lost.Repair.recent(now) {
		repair.Updates += lost.Repair.Updates
	}
	return CauseDrift, repair, repair.Updates > maxRecreations || repair.Total > maxRepairs
}

// stopRecreating leaves a trigger deleted that somebody keeps deleting, and remembers that.
func (m *matcher) stopRecreating(w *wish, lost Record, origin Origin) {
	f := w.subject.find(NotConverging, w.place.EventType)
	f.Missing = append(f.Missing, w.place.EventType)
	lost.Repair.ReadHash = goneHash // replaces the last repair
	w.fulfill(&heldRecord{owner: w.subject, use: assigned, Record: Record{
		EventType: w.place.EventType, URL: w.subject.URL, Secret: w.subject.Secret, Origin: origin, SentHash: lost.SentHash, Repair: lost.Repair,
	}})
}
