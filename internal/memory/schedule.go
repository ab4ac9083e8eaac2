// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"
)

// Schedule alone knows when to list an environment's triggers. All times are by this process's
// clock.
//
//	a list is due                                   | unless
//	------------------------------------------------+------------------------------------------
//	where there was none that is believed           | one is in doubt: the second one has its time
//	where one was due and nobody had credentials    |
//	at its regular time                             |
//	to verify a write, as soon as the pace allows   | steps are left: all are verified at once
//
// mayList decides whether calls are left for a list that is due.
type Schedule struct {
	interval time.Duration // the shortest average time between two lists
	Listed   time.Time     // the begin of the list that counts; zero: there is none
	paced    time.Time     // see pace
	Next     time.Time     // the regular time of the next list
	// mustRelist is set when a list was due but no Secret had accepted credentials. The next pass
	// with credentials must list before it plans.
	mustRelist bool
	unfinished bool // the last pass ran out of time and left steps
	Verify     bool // a list should verify a write
}

// due reports whether a list is due. doubting is true if the last list is in doubt.
func (s *Schedule) due(now time.Time, doubting bool) bool {
	return !s.Known() && !doubting || s.mustRelist || !now.Before(s.Next) ||
		s.Verify && !s.unfinished && !now.Before(s.verifyAt())
}

// mayList reports whether calls are left for a list that is due, among those for changes and those
// for lists. If calls are short, a write is verified by the regular list.
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

// called counts an answered list, and sets the regular time of the next one.
func (s *Schedule) called(begun, next time.Time) {
	s.paced = pace(s.paced, begun, s.interval)
	s.Next = next
	s.Verify, s.mustRelist = false, false
}

// believed makes the list that began at a time the one that counts.
func (s *Schedule) believed(begun time.Time) { s.Listed = begun }

// retry makes the next list follow soon, because the last one is in doubt.
func (s *Schedule) retry(now time.Time) { s.Next = now.Add(s.interval) }

// NoCredentials records that a list was due and no Secret had accepted credentials. A Secret that
// gets some starts a pass, so there is no hurry until then. The last list grows old meanwhile.
func (s *Schedule) NoCredentials(next time.Time) {
	s.mustRelist = s.Known()
	s.Next, s.Verify = next, false
}

// Known reports whether there is a list that counts.
func (s *Schedule) Known() bool { return !s.Listed.IsZero() }

// Finished records whether a pass took all its steps. The next pass takes the others, and the
// writes are verified after that.
func (s *Schedule) Finished(all bool) { s.unfinished = !all }

// Wrote asks for a list that verifies a write.
func (s *Schedule) Wrote() { s.Verify = true }

// nextList is when the next list is due. Without calls for changes, a write is verified by the
// regular list.
func (s *Schedule) nextList(changing int) time.Time {
	if at := s.verifyAt(); s.Verify && at.Before(s.Next) && changing > 0 {
		return at
	}
	return s.Next
}

// listBurst is the number of lists that may follow each other at once, so that a single change is
// verified without a wait.
const listBurst = 3

// verifyAt is when a list may verify a write: after listBurst lists in a row there is one in each
// interval.
func (s *Schedule) verifyAt() time.Time { return s.paced.Add(-(listBurst - 1) * s.interval) }

// pace counts a list. It returns when the lists so far would have been called at one in each
// interval.
func pace(paced, begun time.Time, interval time.Duration) time.Time {
	if paced.Before(begun) {
		paced = begun
	}
	return paced.Add(interval)
}
