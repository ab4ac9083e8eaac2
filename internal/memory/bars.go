// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"maps"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// bar keeps credentials from writing that may list and not write: a key without the right, or one
// that was disabled a moment ago. The list that follows tells the second from the first. Only one
// change at a time is tried with them, ever less often, until one succeeds.
type bar struct {
	Backoff
	// tried are the changes that were refused since one succeeded. The next try is another one, so
	// that a trigger that may not be changed is no bar to those that may.
	tried map[attempt]bool
}

// attempt tells a step from others.
type attempt struct {
	action             plan.Action
	id, url, eventType string
}

func attemptOf(s plan.Step) attempt {
	return attempt{action: s.Action, id: s.ID, url: s.URL, eventType: s.EventType}
}

// Bars are an environment's, by the credentials' fingerprint: what changes in a Secret is tried at
// once.
type Bars map[string]*bar

// Raise records that a change was refused to credentials, and why.
func (e *Environment) Raise(fingerprint string, s plan.Step, p *resolve.Problem, now time.Time, jittered Jitter) {
	if e.Bars == nil {
		e.Bars = Bars{}
	}
	if e.Bars[fingerprint] == nil {
		e.Bars[fingerprint] = &bar{tried: map[attempt]bool{}}
	}
	e.Bars[fingerprint].tried[attemptOf(s)] = true
	e.Bars[fingerprint].fail(now, time.Time{}, p, maxProbeBackoff, jittered)
}

// Lower removes the bar of credentials that have changed a trigger.
func (b Bars) Lower(fingerprint string) { delete(b, fingerprint) }

// Why is why nothing can be written with credentials; nil where it can.
func (b Bars) Why(fingerprint string) *resolve.Problem {
	if one := b[fingerprint]; one != nil {
		return one.Problem
	}
	return nil
}

// Shut reports whether credentials have to wait. An earlier step of the same round may have begun
// that.
func (b Bars) Shut(fingerprint string, now time.Time) bool {
	one := b[fingerprint]
	return one != nil && one.Waiting(now)
}

// Pass returns the steps that may be taken: of those with barred credentials none while these have
// to wait, then one. It returns too why which objects are kept back. Bars without a step are
// forgotten, for there is nothing that could show that they are not there any more.
func (b Bars) Pass(steps []plan.Step, whose func(plan.Step) string, now time.Time) (free []plan.Step, barred map[plan.Key]*resolve.Problem) {
	barred = map[plan.Key]*resolve.Problem{}
	if len(b) == 0 {
		return steps, barred
	}
	byBar := map[string][]plan.Step{}
	for _, s := range steps {
		f := whose(s)
		if one := b[f]; one != nil {
			byBar[f] = append(byBar[f], s)
			barred[s.Object] = one.Problem
		} else {
			free = append(free, s)
		}
	}
	maps.DeleteFunc(b, func(f string, _ *bar) bool { return len(byBar[f]) == 0 })
	for f, one := range b {
		if !one.Waiting(now) {
			free = append(free, one.next(byBar[f]))
		}
	}
	return free, barred
}

// next is the change to try: the first that was not refused yet.
func (b *bar) next(steps []plan.Step) plan.Step {
	for _, s := range steps {
		if !b.tried[attemptOf(s)] {
			return s
		}
	}
	clear(b.tried)
	return steps[0]
}

// opensAt is when the first bar may be tried that has to wait now; zero: there is none.
func (b Bars) opensAt(now time.Time) time.Time {
	var first time.Time
	for _, one := range b {
		if one.Waiting(now) && (first.IsZero() || one.NotBefore.Before(first)) {
			first = one.NotBefore
		}
	}
	return first
}
