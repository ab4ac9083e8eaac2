// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Hold is what the process remembers of its finalizer on one Secret.
type Hold struct {
	uid     string
	Held    bool // it was there when this process looked last
	taken   Backoff
	takenAt time.Time
	Waits   string // what the last Event on a deletion that waits said
}

const (
	// A finalizer that somebody else takes off is put back at once the first time, then after
	// firstHoldBackoff, and each time after twice as long as before, up to maxBackoff. Whoever
	// writes the whole of a Secret would else write as often as the manager does.
	firstHoldBackoff = time.Second
	// ContestedFrom is how often it was taken off when people are told.
	ContestedFrom = 3
	// contestedFor is how long after the last time they are. It is more than maxBackoff, so that a
	// fight does not look settled in between.
	contestedFor = 3 * maxBackoff
)

// Hold is what is remembered of a Secret, which may be another one under the same name.
func (d *Directory) Hold(k plan.Key, uid string) *Hold {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.holds[k]; h != nil && h.uid == uid {
		return h
	}
	d.holds[k] = &Hold{uid: uid}
	return d.holds[k]
}

// lost notes that the finalizer is not there any more, though nobody here took it off.
func (h *Hold) lost(now time.Time) {
	if now.Sub(h.takenAt) > contestedFor {
		h.taken = Backoff{}
	}
	h.Held, h.takenAt = false, now
	if h.taken.failures > 0 {
		h.taken.NotBefore = now.Add(min(maxBackoff, firstHoldBackoff<<min(h.taken.failures-1, 30)))
	}
	h.taken.failures++
}

// Contested reports whether people are to know that somebody keeps taking the finalizer off, and until
// when.
func (h *Hold) Contested(now time.Time) (until time.Time, is bool) {
	until = h.takenAt.Add(contestedFor)
	return until, h.taken.failures >= ContestedFrom && now.Before(until)
}

// NextLook is when the Secret is to be looked at again for the sake of its finalizer; zero: at no
// time in particular.
func (h *Hold) NextLook(now time.Time) time.Time {
	until, contested := h.Contested(now)
	switch {
	case !h.Held && h.taken.Waiting(now):
		return h.taken.NotBefore
	case contested:
		return until
	default:
		return time.Time{}
	}
}

// Missing records that the finalizer is not on a Secret, and reports whether it may be put there
// now.
func (h *Hold) Missing(deleting bool, now time.Time) bool {
	if h.Held && !deleting {
		h.lost(now)
	}
	return !h.taken.Waiting(now)
}
