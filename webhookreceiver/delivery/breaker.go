// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"math"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const (
	// breakAfter is how many different notifications have to fail, with no success between, before a lane is paused.
	breakAfter = 5

	minPause = time.Second
	maxPause = 2 * time.Minute

	minBackoff = time.Second
	maxBackoff = 5 * time.Minute

	// maxRetryAfter bounds how long a target can ask to be left alone.
	maxRetryAfter = time.Hour
)

// backoff is the pause after the n-th failure in a row, from 1: it doubles from least to most, and from half of it upwards
// jitter, from 0 to 1, decides.
func backoff(n int, least, most time.Duration, jitter float64) time.Duration {
	pause := most
	if doubled := float64(least) * math.Pow(2, float64(n-1)); doubled < float64(most) {
		pause = time.Duration(doubled)
	}
	return pause/2 + time.Duration(jitter*float64(pause/2))
}

// breaker tells a target that does not work from a notification that the target cannot stomach: only failures of different
// notifications count. The zero value is closed, which is to say that everything may be tried.
type breaker struct {
	failed  [breakAfter]queue.ID // since the last success
	n       int
	until   int64 // when to probe; 0: closed
	pauses  int   // in a row
	asked   bool  // the target itself asked for the pause
	probing bool
}

func (b *breaker) closed() bool { return b.until == 0 }

// allows reports whether an attempt may begin, and whether it would be a probe.
func (b *breaker) allows(now int64) (ok, probe bool) {
	if b.closed() {
		return true, false
	}
	return now >= b.until && !b.probing, true
}

// succeeded notes that the target works. What was begun before the target asked for a pause does not end it.
func (b *breaker) succeeded(probe bool) {
	if b.closed() || probe || !b.asked {
		*b = breaker{}
	}
}

// failedFor notes that id failed, and that the target asked to be left alone for as long as asked, if that is positive.
func (b *breaker) failedFor(id queue.ID, probe bool, asked time.Duration, now int64, jitter float64) {
	open := probe
	if b.closed() {
		b.count(id)
		open = b.n == breakAfter
	}
	if probe {
		b.probing = false
	}
	if open {
		b.pauses++
		b.asked = false
		b.until = now + int64(backoff(b.pauses, minPause, maxPause, jitter))
	}
	if until := now + int64(asked); asked > 0 && until > b.until {
		b.until, b.asked = until, true
	}
}

func (b *breaker) count(id queue.ID) {
	if !slices.Contains(b.failed[:b.n], id) {
		b.failed[b.n] = id
		b.n++
	}
}
