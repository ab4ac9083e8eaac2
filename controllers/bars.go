// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// bar keeps credentials from writing that may list and not write: a key without the right, or one that was disabled a moment ago. The list
// that follows tells the second from the first. Only one change at a time is tried with them, ever less often, until one succeeds.
type bar struct {
	backoff
	// tried are the changes that were refused since one succeeded. The next try is another one, so that a trigger that may not be
	// changed is no bar to those that may.
	tried map[attempt]bool
}

// attempt tells a step from others.
type attempt struct {
	action             plan.Action
	id, url, eventType string
}

func attemptOf(s plan.Step) attempt { return attempt{s.Action, s.ID, s.URL, s.EventType} }

// bars are an environment's, by the credentials' fingerprint: what changes in a Secret is tried at once.
type bars map[string]*bar

// raise notes that a change was refused, and why.
func (r *Reconciler) raise(env *environment, creds cloudinary.Credentials, s plan.Step, err error) {
	f := r.directory.fingerprints.Fingerprint(creds)
	if env.bars == nil {
		env.bars = bars{}
	}
	if env.bars[f] == nil {
		env.bars[f] = &bar{tried: map[attempt]bool{}}
	}
	env.bars[f].tried[attemptOf(s)] = true
	r.fail(&env.bars[f].backoff, r.Now(), time.Time{}, writesRefused(err), maxProbeBackoff)
}

func writesRefused(err error) *problem {
	return &problem{v1alpha1.ReasonCredentialsRejected, fmt.Sprintf(
		"Cloudinary lets the credentials list triggers, but not change them (%v); let the key do so in the Console, or use another one", err)}
}

// barred is why nothing can be written with credentials; nil where it can.
func (r *Reconciler) barred(env *environment, creds cloudinary.Credentials) *problem {
	if b := env.bars[r.directory.fingerprints.Fingerprint(creds)]; b != nil {
		return b.problem
	}
	return nil
}

// shut says whether credentials have to wait, also since a moment ago.
func (a *applier) shut(creds cloudinary.Credentials) bool {
	b := a.env.bars[a.directory.fingerprints.Fingerprint(creds)]
	return b != nil && b.waiting(a.Now())
}

// unbarred are the steps that may be taken: of those with barred credentials none while these have to wait, then one. What is kept
// back is noted with its object. Bars without a step are forgotten, for there is nothing that could show that they are not there any more.
func (a *applier) unbarred(steps []plan.Step) []plan.Step {
	a.g.barred = map[plan.Key]*problem{}
	if len(a.env.bars) == 0 {
		return steps
	}
	var free []plan.Step
	byBar := map[string][]plan.Step{}
	for _, s := range steps {
		creds, _ := a.credentials(s)
		f := a.directory.fingerprints.Fingerprint(creds)
		if b := a.env.bars[f]; b != nil {
			byBar[f] = append(byBar[f], s)
			a.g.barred[s.Object] = b.problem
		} else {
			free = append(free, s)
		}
	}
	maps.DeleteFunc(a.env.bars, func(f string, _ *bar) bool { return len(byBar[f]) == 0 })
	for f, b := range a.env.bars {
		if !b.waiting(a.Now()) {
			free = append(free, b.next(byBar[f]))
		}
	}
	return free
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
func (b bars) opensAt(now time.Time) time.Time {
	var first time.Time
	for _, one := range b {
		if one.waiting(now) && (first.IsZero() || one.notBefore.Before(first)) {
			first = one.notBefore
		}
	}
	return first
}
