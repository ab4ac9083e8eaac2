// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Backoff is the time of the next attempt after failed calls, and the reason for the wait.
type Backoff struct {
	NotBefore time.Time // by this process's clock
	failures  int
	Problem   *resolve.Problem // of the last call; nil after a success
}

const (
	// FirstBackoff is the wait after the first failure.
	FirstBackoff = 2 * time.Second
	maxBackoff   = 5 * time.Minute
	// maxProbeBackoff is the longest wait between two attempts with refused credentials.
	maxProbeBackoff = time.Hour
	// dateSlack is added to a time by the server's clock, because its header Date has whole
	// seconds.
	dateSlack = time.Second
	// maxWait is the longest wait that a server can ask for.
	maxWait = 2 * time.Hour
)

// Jitter lengthens a wait at random, so that many environments do not call at once.
type Jitter func(time.Duration) time.Duration

// fail records a failed call. The wait doubles up to longest, and ends no earlier than retryAt, if
// the server named that time.
func (b *Backoff) fail(now, retryAt time.Time, p *resolve.Problem, longest time.Duration, jittered Jitter) {
	wait := min(longest, FirstBackoff<<min(b.failures, 30))
	b.failures++
	b.Problem = p
	b.NotBefore = now.Add(jittered(wait))
	if !retryAt.IsZero() && retryAt.After(b.NotBefore) {
		b.NotBefore = now.Add(jittered(min(retryAt.Sub(now)+dateSlack, maxWait)))
	}
}

// FailProbe records that Cloudinary did not accept credentials, as the list of a probe has shown.
func (b *Backoff) FailProbe(probe *EnvironmentState, now time.Time, jittered Jitter) {
	if probe.Backoff.Problem == nil {
		b.fail(now, time.Time{}, probe.refused, maxProbeBackoff, jittered)
		return
	}
	b.fail(now, probe.Backoff.NotBefore, probe.Backoff.Problem, maxBackoff, jittered)
}

// Succeed ends the wait.
func (b *Backoff) Succeed() { *b = Backoff{} }

// Waiting reports whether the next attempt has to wait.
func (b *Backoff) Waiting(now time.Time) bool { return now.Before(b.NotBefore) }
