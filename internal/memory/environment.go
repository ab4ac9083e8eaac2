// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Environment is what the process knows of a product environment. Passes of one environment do not
// overlap; the probe of a Secret that joins it is the only other writer. Both hold its lock.
type Environment struct {
	sync.Mutex

	Observed []plan.Observed
	Schedule Schedule
	Fresh    *FreshList
	Doubted  []string // what was absent from the last list, where that is in doubt; nil: it is not
	refuted  int      // how often a call has contradicted the lists, since one showed all that it should
	Clock    ServerClock
	Budget   cloudinary.Budget
	limit    *cloudinary.RateLimit // as the last answer had it; nil: it did not say
	Short    int                   // changes that the last plan wanted, and for which there are no calls now

	Backoff  Backoff
	refused  *resolve.Problem // of the last credentials that were refused
	Refusals map[plan.Place]plan.Refusal
	Bars     Bars
	// ClearForms are those that Cloudinary took last for a filter and a template that are not set.
	ClearForms cloudinary.UpdateOptions
	// PlainFilters says that Cloudinary took a filter without filter_language last, having refused
	// it with it.
	PlainFilters bool
}

// FreshList is a list of which it is not decided yet whether it is believed.
type FreshList struct {
	Observed []plan.Observed
	begun    time.Time
}

// Settings are the manager's options that a plan rests on.
type Settings struct {
	URLLimit int
	Settle   time.Duration
}

// Input is what the plan of the environment rests on.
func (e *Environment) Input(objects []plan.Object, o Settings, now time.Time) plan.Input {
	return plan.Input{
		Objects: objects, Observed: e.Observed,
		ListedAt: e.Clock.At(e.Schedule.Listed), Now: e.Clock.At(now),
		URLLimit: o.URLLimit, Settle: o.Settle, Refusals: e.Refusals,
	}
}

// WantsList reports whether the triggers are to be listed now.
func (e *Environment) WantsList(now time.Time) bool {
	return e.Schedule.due(now, e.Doubted != nil) && !e.Backoff.Waiting(now) &&
		e.Schedule.mayList(now, e.Calls(cloudinary.Changing, now), e.Calls(cloudinary.Listing, now))
}

// KeepList keeps a list until weigh decides about it, and counts it: the next one is due after
// interval.
func (e *Environment) KeepList(observed []plan.Observed, begun time.Time, interval time.Duration) {
	e.Fresh = &FreshList{Observed: observed, begun: begun}
	e.Schedule.called(begun, begun.Add(interval))
}

// Doubt is a list that leaves out most of the triggers that the operator has.
type Doubt struct {
	Absent, Held int
}

// Weigh decides whether the list that came last is believed, in being the input of a plan. Until a
// second one says the same, what was known before goes on to count. It returns why the list is not
// believed; nil: it is, or there was none.
func (e *Environment) Weigh(in plan.Input, now time.Time) *Doubt {
	fresh := e.Fresh
	if fresh == nil {
		return nil
	}
	e.Fresh = nil
	in.Observed, in.ListedAt = fresh.Observed, e.Clock.At(fresh.begun)
	absent, held := plan.Absent(in)
	if plan.Doubtful(absent, held, e.Doubted) {
		e.Doubted = absent
		e.Schedule.retry(now)
		return &Doubt{Absent: len(absent), Held: held}
	}
	e.Doubted, e.Observed = nil, fresh.Observed
	e.Schedule.believed(fresh.begun)
	if len(absent) == 0 {
		e.refuted = 0
	}
	if e.refuted == 0 {
		e.Backoff.Succeed()
	}
	return nil
}

// Refute has the list count for nothing, since it leaves out a trigger that exists. What it left
// out is asked for one by one, ever less often, and so costs few calls even where lists stay wrong
// for long.
func (e *Environment) Refute(p *resolve.Problem, now time.Time, jittered Jitter) {
	e.Backoff.failures = e.refuted
	e.refuted++
	e.Backoff.fail(now, time.Time{}, p, maxBackoff, jittered)
}

// ConfirmAbsent records that a call has confirmed the list: a trigger that it leaves out does not
// exist.
func (e *Environment) ConfirmAbsent() {
	e.refuted = 0
	e.Backoff.Succeed()
}

// Called records a call that was made, and what the answer's headers say.
func (e *Environment) Called(meta cloudinary.Meta, now time.Time) {
	e.Clock.learn(meta.Date, now)
	e.Budget.Spend(1, e.Clock.At(now))
	e.limit = meta.RateLimit
	if e.limit != nil {
		e.Budget.Learn(*e.limit, e.Clock.At(now))
	}
}

// Failed records why a call failed. Refused credentials are the Secret's matter, and nothing waits
// for them here.
func (e *Environment) Failed(err error, p *resolve.Problem, now time.Time, jittered Jitter) {
	if cloudinary.IsUnauthorized(err) {
		e.refused = p
		return
	}
	retryAt := cloudinary.RetryAt(err)
	if !retryAt.IsZero() {
		retryAt = e.Clock.local(retryAt)
	}
	e.Backoff.fail(now, retryAt, p, maxBackoff, jittered)
	e.Schedule.Wrote() // whatever failed, a list shows where we stand
}

// Adopt takes the list of a probe for the environment's first, if it has none yet, and otherwise
// what the probe's answer said.
func (e *Environment) Adopt(probe *Environment, now time.Time) {
	if !e.Schedule.Listed.IsZero() || e.Fresh != nil || e.Doubted != nil {
		e.Called(cloudinary.Meta{RateLimit: probe.limit}, now)
		return
	}
	e.Fresh, e.Clock, e.Budget = probe.Fresh, probe.Clock, probe.Budget
	e.Schedule.paced, e.Schedule.Next = probe.Schedule.paced, probe.Schedule.Next
	e.Backoff.Succeed()
}

// Calls is how many calls may be made for a purpose now.
func (e *Environment) Calls(p cloudinary.Purpose, now time.Time) int {
	return e.Budget.Left(p, e.Clock.At(now))
}

// resetAt is when there will be new calls, by this process's clock; zero where that is not known.
func (e *Environment) resetAt(now time.Time) time.Time {
	at := e.Budget.ResetAt(e.Clock.At(now))
	if at.IsZero() {
		return at
	}
	return e.Clock.local(at)
}

// Stretched is how long after a list the next one comes, where calls for one each interval are not
// left.
func (e *Environment) Stretched(interval time.Duration, begun time.Time) time.Duration {
	return e.Budget.Stretch(interval, e.Clock.At(begun))
}

// Affordable is how many of the first steps there are calls for. What people asked for comes before
// repairs.
func (e *Environment) Affordable(steps []plan.Step, now time.Time) int {
	calls := 0
	for i, s := range steps {
		purpose := cloudinary.Changing
		if s.Cause.Repairs() {
			purpose = cloudinary.Repairing
		}
		if calls += callsOf(s); calls > e.Calls(purpose, now) {
			return i
		}
	}
	return len(steps)
}

// ReplaceCalls are the two calls of a replace. Between them the trigger is missing, so that the
// first is not made without room for the second.
const ReplaceCalls = 2

func callsOf(s plan.Step) int {
	if s.Action == plan.Replace {
		return ReplaceCalls
	}
	return 1
}

// NextPass is when the environment is to be looked at again, so that a pass in between pushes
// nothing away.
func (e *Environment) NextPass(now time.Time) time.Time {
	at, reset := e.Schedule.nextList(e.Calls(cloudinary.Changing, now)), e.resetAt(now)
	if !reset.IsZero() && (e.Calls(cloudinary.Listing, now) == 0 || e.Short > 0 && reset.Before(at)) {
		at = reset
	}
	if e.Schedule.unfinished {
		at = now
	}
	if opens := e.Bars.opensAt(now); !opens.IsZero() && opens.Before(at) {
		at = opens
	}
	if e.Backoff.Waiting(now) {
		at = e.Backoff.NotBefore
	}
	return at
}
