// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"maps"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// writeBlock stops writes with credentials that may list but not write: a key without the
// permission, or one that was disabled a moment ago. The next list tells the second from the first.
// Only one change at a time is tried with them, less and less often, until one succeeds.
type writeBlock struct {
	Backoff
	// tried are the changes that were refused since one succeeded. The next attempt is another
	// change, so that one trigger that may not be changed does not stop the others.
	tried map[attempt]bool
}

// attempt identifies a step.
type attempt struct {
	action             plan.Action
	id, url, eventType string
}

func attemptOf(s plan.Step) attempt {
	return attempt{action: s.Action, id: s.ID, url: s.URL, eventType: s.EventType}
}

// WriteBlocks are an environment's, by the fingerprint of the credentials: a changed Secret is
// tried at once.
type WriteBlocks map[string]*writeBlock

// BlockWrites records that Cloudinary refused a change to credentials, and why.
func (e *EnvironmentState) BlockWrites(fingerprint string, s plan.Step, p *resolve.Problem, now time.Time, jittered Jitter) {
	if e.WriteBlocks == nil {
		e.WriteBlocks = WriteBlocks{}
	}
	if e.WriteBlocks[fingerprint] == nil {
		e.WriteBlocks[fingerprint] = &writeBlock{tried: map[attempt]bool{}}
	}
	e.WriteBlocks[fingerprint].tried[attemptOf(s)] = true
	e.WriteBlocks[fingerprint].fail(now, time.Time{}, p, maxProbeBackoff, jittered)
}

// Unblock removes the block of credentials that have changed a trigger.
func (b WriteBlocks) Unblock(fingerprint string) { delete(b, fingerprint) }

// Cause is the reason why writes with credentials are blocked. Nil: they are not.
func (b WriteBlocks) Cause(fingerprint string) *resolve.Problem {
	if one := b[fingerprint]; one != nil {
		return one.Problem
	}
	return nil
}

// Blocked reports whether writes with credentials have to wait. It is checked before each step: an
// earlier step of this round may have started the back-off.
func (b WriteBlocks) Blocked(fingerprint string, now time.Time) bool {
	one := b[fingerprint]
	return one != nil && one.Waiting(now)
}

// Admit returns the steps that may be taken now. Of the steps of blocked credentials it returns
// none during the back-off, and one after it. It also returns the objects whose steps are blocked,
// and why. It forgets blocks without steps, since no step could show that they have ended.
func (b WriteBlocks) Admit(steps []plan.Step, whose func(plan.Step) string, now time.Time) (free []plan.Step, blocked map[plan.Key]*resolve.Problem) {
	blocked = map[plan.Key]*resolve.Problem{}
	if len(b) == 0 {
		return steps, blocked
	}
	byBlock := map[string][]plan.Step{}
	for _, s := range steps {
		f := whose(s)
		if one := b[f]; one != nil {
			byBlock[f] = append(byBlock[f], s)
			blocked[s.Object] = one.Problem
		} else {
			free = append(free, s)
		}
	}
	maps.DeleteFunc(b, func(f string, _ *writeBlock) bool { return len(byBlock[f]) == 0 })
	for f, one := range b {
		if !one.Waiting(now) {
			free = append(free, one.next(byBlock[f]))
		}
	}
	return free, blocked
}

// next is the change to try: the first one that was not refused yet.
func (b *writeBlock) next(steps []plan.Step) plan.Step {
	for _, s := range steps {
		if !b.tried[attemptOf(s)] {
			return s
		}
	}
	clear(b.tried)
	return steps[0]
}

// nextTry is the earliest end of a back-off. Zero: there is none.
func (b WriteBlocks) nextTry(now time.Time) time.Time {
	var first time.Time
	for _, one := range b {
		if one.Waiting(now) && (first.IsZero() || one.NotBefore.Before(first)) {
			first = one.NotBefore
		}
	}
	return first
}
