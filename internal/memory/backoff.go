// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Backoff is when a call may be tried again, and why it has to wait.
type Backoff struct {
	NotBefore time.Time // by this process's clock
	failures  int
	Problem   *resolve.Problem // of the last call; nil after a success
}

const (
	// FirstBackoff is how long the first failure waits.
	FirstBackoff = 2 * time.Second
	maxBackoff   = 5 * time.Minute
	// maxProbeBackoff is the longest wait between two tries of credentials that were refused.
	maxProbeBackoff = time.Hour
	// dateSlack is added to a time by the server's clock, since its header Date has whole seconds.
	dateSlack = time.Second
	// maxWait bounds how long a server can make the manager wait.
	maxWait = 2 * time.Hour
)

// Jitter lengthens a wait at random, so that many environments do not call at once.
type Jitter func(time.Duration) time.Duration

// fail records a failed call: the next try comes after a wait that doubles up to longest, and not
// before retryAt, which the server may have named.
func (b *Backoff) fail(now, retryAt time.Time, p *resolve.Problem, longest time.Duration, jittered Jitter) {
	wait := min(longest, FirstBackoff<<min(b.failures, 30))
	b.failures++
	b.Problem = p
	b.NotBefore = now.Add(jittered(wait))
	if !retryAt.IsZero() && retryAt.After(b.NotBefore) {
		b.NotBefore = now.Add(jittered(min(retryAt.Sub(now)+dateSlack, maxWait)))
	}
}

// FailProbe records that credentials were not accepted, as the list of a probe has shown.
func (b *Backoff) FailProbe(probe *Environment, now time.Time, jittered Jitter) {
	if probe.Backoff.Problem == nil {
		b.fail(now, time.Time{}, probe.refused, maxProbeBackoff, jittered)
		return
	}
	b.fail(now, probe.Backoff.NotBefore, probe.Backoff.Problem, maxBackoff, jittered)
}

// Succeed ends the wait.
func (b *Backoff) Succeed() { *b = Backoff{} }

// Waiting reports whether the next try has to wait.
func (b *Backoff) Waiting(now time.Time) bool { return now.Before(b.NotBefore) }
