// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"time"
)

// IntendedTogether is how many of the first steps are creates for one object: their intents are
// stored in one write.
func IntendedTogether(steps []Step) int {
	n := 0
	for n < len(steps) && (steps[n].Action == Create || steps[n].Action == Replace) && steps[n].Object == steps[0].Object {
		n++
	}
	return n
}

// TooLate reports whether a create comes too long after its intent. The settle time is counted from
// the intent, and has to be enough for the call to arrive and for a list to show what came of it.
// Otherwise a list would drop the intent of a call that has just been made.
func (s Step) TooLate(intended, now time.Time, settle time.Duration) bool {
	return s.Action == Create && now.Sub(intended) > max(time.Second, settle/6)
}

// StoredFirst reports whether the records of an update have to be stored before the call. They have
// to if no list will show its effect: after a crash the status would have the hash of an earlier
// write. The same holds for a trigger that was found or adopted in this pass: once it is moved,
// only its id tells whose it is.
func (s Step) StoredFirst(stored, planned []Record) bool {
	if s.Action != Update {
		return false
	}
	sent := func(records []Record) bool {
		return slices.ContainsFunc(records, func(r Record) bool { return r.ID == s.ID && r.SentHash != "" })
	}
	known := slices.ContainsFunc(stored, func(r Record) bool { return r.ID == s.ID })
	return !known || sent(stored) && !sent(planned)
}
