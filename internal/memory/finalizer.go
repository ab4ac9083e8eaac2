// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// SecretFinalizer is the knowledge of the process about its finalizer on one Secret.
type SecretFinalizer struct {
	uid       string
	Present   bool // this process saw it at its last look
	removals  Backoff
	removedAt time.Time
	LastEvent string // the text of the last Event about a deletion that waits
}

const (
	// A finalizer that somebody else removes is restored at once the first time, then after
	// firstRestoreBackoff, then after twice the time before, up to maxBackoff. Otherwise a tool
	// that writes the whole Secret would write as often as the manager does.
	firstRestoreBackoff = time.Second
	// ContestedFrom is the number of removals after which people are told.
	ContestedFrom = 3
	// contestedFor is how long after the last removal people are told. It is longer than
	// maxBackoff, so that a fight does not look finished in between.
	contestedFor = 3 * maxBackoff
)

// Finalizer is the knowledge about the finalizer of a Secret, which may be a new Secret with the
// name of a former one.
func (d *Directory) Finalizer(k plan.Key, uid string) *SecretFinalizer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.finalizers[k]; h != nil && h.uid == uid {
		return h
	}
	d.finalizers[k] = &SecretFinalizer{uid: uid}
	return d.finalizers[k]
}

// removed records that somebody else removed the finalizer.
func (h *SecretFinalizer) removed(now time.Time) {
	if now.Sub(h.removedAt) > contestedFor {
		h.removals = Backoff{}
	}
	h.Present, h.removedAt = false, now
	if h.removals.failures > 0 {
		h.removals.NotBefore = now.Add(min(maxBackoff, firstRestoreBackoff<<min(h.removals.failures-1, 30)))
	}
	h.removals.failures++
}

// Contested reports whether to tell people that somebody keeps removing the finalizer, and until
// when.
func (h *SecretFinalizer) Contested(now time.Time) (until time.Time, is bool) {
	until = h.removedAt.Add(contestedFor)
	return until, h.removals.failures >= ContestedFrom && now.Before(until)
}

// NextLook is when to look at the Secret again because of its finalizer. Zero: at no particular
// time.
func (h *SecretFinalizer) NextLook(now time.Time) time.Time {
	until, contested := h.Contested(now)
	switch {
	case !h.Present && h.removals.Waiting(now):
		return h.removals.NotBefore
	case contested:
		return until
	default:
		return time.Time{}
	}
}

// Missing records that a Secret lacks the finalizer, and reports whether it may be added now.
func (h *SecretFinalizer) Missing(deleting bool, now time.Time) bool {
	if h.Present && !deleting {
		h.removed(now)
	}
	return !h.removals.Waiting(now)
}
