// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"
)

// Schedule alone knows when an environment's triggers are to be listed. All times are by this
// process's clock.
//
//	a list is due                                   | unless
//	------------------------------------------------+------------------------------------------
//	where there was none that is believed           | one is in doubt: the second one has its time
//	where one was due and nobody had credentials    |
//	at its regular time                             |
//	to verify a write, as soon as the pace allows   | steps are left: all are verified at once
//
// Whether calls are left for it is another question, see mayList.
type Schedule struct {
	interval time.Duration // the least time between two lists, on average
	Listed   time.Time     // when the list that counts was begun; zero: never
	paced    time.Time     // see pace
	Next     time.Time     // the regular time of the next one
	// mustRelist is set where a list was due and nobody had credentials: whoever comes to have some
	// lists before anything is decided.
	mustRelist bool
	unfinished bool // the last pass left steps for the next one, for the time it took
	Verify     bool // a write is to be verified
}

// due reports whether a list is due; doubting, whether the last one is in doubt.
func (s *Schedule) due(now time.Time, doubting bool) bool {
	return !s.Known() && !doubting || s.mustRelist || !now.Before(s.Next) ||
		s.Verify && !s.unfinished && !now.Before(s.verifyAt())
}

// mayList reports whether calls are left for a list that is due, of those for changes and for
// lists. One that verifies a write waits for the regular one where calls are short.
func (s *Schedule) mayList(now time.Time, changing, listing int) bool {
	switch {
	case !s.Known(), changing > 0:
		return true
	case now.Before(s.Next):
		return false
	default:
		return listing > 0
	}
}

// called counts a list that was answered, and sets the regular time of the next one.
func (s *Schedule) called(begun, next time.Time) {
	s.paced = pace(s.paced, begun, s.interval)
	s.Next = next
	s.Verify, s.mustRelist = false, false
}

// believed has the list count that was begun then.
func (s *Schedule) believed(begun time.Time) { s.Listed = begun }

// retry has the next list follow soon, since the last one is in doubt.
func (s *Schedule) retry(now time.Time) { s.Next = now.Add(s.interval) }

// Unable records that nobody had credentials for a list that was due. Who brings some has a pass
// made; until then there is nothing to do in a hurry. What was listed grows old meanwhile.
func (s *Schedule) Unable(next time.Time) {
	s.mustRelist = s.Known()
	s.Next, s.Verify = next, false
}

// Known reports whether a list counts: something is known of the environment.
func (s *Schedule) Known() bool { return !s.Listed.IsZero() }

// Finished records whether all steps of a pass were taken. What is left is for the next one, and
// what was written is verified after that.
func (s *Schedule) Finished(all bool) { s.unfinished = !all }

// Wrote has what was written verified by a list.
func (s *Schedule) Wrote() { s.Verify = true }

// nextList is when the next list is due. One that verifies a write waits for the regular one where
// there are no calls for changes.
func (s *Schedule) nextList(changing int) time.Time {
	if at := s.verifyAt(); s.Verify && at.Before(s.Next) && changing > 0 {
		return at
	}
	return s.Next
}

// listBurst is how many lists may follow each other at once, so that a single change is verified
// without a wait.
const listBurst = 3

// verifyAt is when a list may follow a write: after listBurst lists in a row there is one each
// interval.
func (s *Schedule) verifyAt() time.Time { return s.paced.Add(-(listBurst - 1) * s.interval) }

// pace counts a list: it returns when the lists so far would all have been called, had each waited
// interval for the next one.
func pace(paced, begun time.Time, interval time.Duration) time.Time {
	if paced.Before(begun) {
		paced = begun
	}
	return paced.Add(interval)
}
