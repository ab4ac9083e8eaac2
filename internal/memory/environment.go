// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// EnvironmentState is the knowledge of the process about a product environment. Passes of one
// environment do not overlap. The only other writer is the probe of a Secret that joins it. Both
// lock it.
type EnvironmentState struct {
	sync.Mutex

	Observed []plan.Observed
	Schedule Schedule
	Fresh    *FreshList
	Doubted  []string // the absent triggers of a list that is in doubt; nil: the last list is not
	refuted  int      // how often a call contradicted the lists, since a complete list
	Clock    ServerClock
	Budget   cloudinary.Budget
	limit    *cloudinary.RateLimit // of the last answer; nil: it had none
	Short    int                   // changes of the last plan for which no calls are left

	Backoff     Backoff
	refused     *resolve.Problem // of the last credentials that were refused
	Refusals    map[plan.Place]plan.Refusal
	WriteBlocks WriteBlocks
	// ClearForms are the forms of an unset filter and an unset template that Cloudinary accepted
	// last.
	ClearForms cloudinary.UpdateOptions
	// PlainFilters means that Cloudinary accepted a filter only without filter_language.
	PlainFilters bool
}

// FreshList is a list that was not weighed yet, see Weigh.
type FreshList struct {
	Observed []plan.Observed
	begun    time.Time
}

// Settings are the manager's options for a plan.
type Settings struct {
	URLLimit int
	Settle   time.Duration
}

// Input is the input of the environment's plan.
func (e *EnvironmentState) Input(objects []plan.Object, o Settings, now time.Time) plan.Input {
	return plan.Input{
		Objects: objects, Observed: e.Observed,
		ListedAt: e.Clock.At(e.Schedule.Listed), Now: e.Clock.At(now),
		URLLimit: o.URLLimit, Settle: o.Settle, Refusals: e.Refusals,
	}
}

// WantsList reports whether the triggers should be listed now.
func (e *EnvironmentState) WantsList(now time.Time) bool {
	return e.Schedule.due(now, e.Doubted != nil) && !e.Backoff.Waiting(now) &&
		e.Schedule.mayList(now, e.Calls(cloudinary.Changing, now), e.Calls(cloudinary.Listing, now))
}

// KeepList keeps a list until Weigh decides about it, and counts it. The next one is due after
// interval.
func (e *EnvironmentState) KeepList(observed []plan.Observed, begun time.Time, interval time.Duration) {
	e.Fresh = &FreshList{Observed: observed, begun: begun}
	e.Schedule.called(begun, begun.Add(interval))
}

// Doubt is a list that leaves out most of the operator's triggers.
type Doubt struct {
	Absent, Expected int
}

// Weigh decides whether the process believes its last list, that is, uses it for plans. Until a
// second list says the same, the former knowledge counts. It returns why the list is not believed.
// Nil: it is believed, or there was none.
func (e *EnvironmentState) Weigh(in plan.Input, now time.Time) *Doubt {
	fresh := e.Fresh
	if fresh == nil {
		return nil
	}
	e.Fresh = nil
	in.Observed, in.ListedAt = fresh.Observed, e.Clock.At(fresh.begun)
	absent, expected := plan.Absent(in)
	if plan.Doubtful(absent, expected, e.Doubted) {
		e.Doubted = absent
		e.Schedule.retry(now)
		return &Doubt{Absent: len(absent), Expected: expected}
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

// Refute ignores the list, because it leaves out a trigger that exists. The operator asks for each
// of the absent triggers by a call, less and less often, so that wrong lists cost few calls even if
// they last.
func (e *EnvironmentState) Refute(p *resolve.Problem, now time.Time, jittered Jitter) {
	e.Backoff.failures = e.refuted
	e.refuted++
	e.Backoff.fail(now, time.Time{}, p, maxBackoff, jittered)
}

// ConfirmAbsent records that a call has confirmed the list: an absent trigger does not exist.
func (e *EnvironmentState) ConfirmAbsent() {
	e.refuted = 0
	e.Backoff.Succeed()
}

// Called records a call, and the headers of its answer.
func (e *EnvironmentState) Called(meta cloudinary.Meta, now time.Time) {
	e.Clock.learn(meta.Date, now)
	e.Budget.Spend(1, e.Clock.At(now))
	e.limit = meta.RateLimit
	if e.limit != nil {
		e.Budget.Learn(*e.limit, e.Clock.At(now))
	}
}

// Failed records the cause of a failed call. Refused credentials concern their Secret alone, and
// nothing waits for them here.
func (e *EnvironmentState) Failed(err error, p *resolve.Problem, now time.Time, jittered Jitter) {
	if cloudinary.IsUnauthorized(err) {
		e.refused = p
		return
	}
	retryAt := cloudinary.RetryAt(err)
	if !retryAt.IsZero() {
		retryAt = e.Clock.local(retryAt)
	}
	e.Backoff.fail(now, retryAt, p, maxBackoff, jittered)
	e.Schedule.Wrote() // the next list shows the state
}

// MergeProbe uses the list of a probe as the environment's first, if it has none yet. Otherwise it
// uses the headers of the answer alone.
func (e *EnvironmentState) MergeProbe(probe *EnvironmentState, now time.Time) {
	if !e.Schedule.Listed.IsZero() || e.Fresh != nil || e.Doubted != nil {
		e.Called(cloudinary.Meta{RateLimit: probe.limit}, now)
		return
	}
	e.Fresh, e.Clock, e.Budget = probe.Fresh, probe.Clock, probe.Budget
	e.Schedule.paced, e.Schedule.Next = probe.Schedule.paced, probe.Schedule.Next
	e.Backoff.Succeed()
}

// Calls is the number of calls that may be made for a purpose now.
func (e *EnvironmentState) Calls(p cloudinary.Purpose, now time.Time) int {
	return e.Budget.Left(p, e.Clock.At(now))
}

// resetAt is when there are new calls, by this process's clock. Zero: unknown.
func (e *EnvironmentState) resetAt(now time.Time) time.Time {
	at := e.Budget.ResetAt(e.Clock.At(now))
	if at.IsZero() {
		return at
	}
	return e.Clock.local(at)
}

// Stretched is the time between two lists if there are not enough calls for one in each interval.
func (e *EnvironmentState) Stretched(interval time.Duration, begun time.Time) time.Duration {
	return e.Budget.Stretch(interval, e.Clock.At(begun))
}

// Affordable is how many of the first steps there are calls for. Changes that people ask for come
// before repairs.
func (e *EnvironmentState) Affordable(steps []plan.Step, now time.Time) int {
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

// ReplaceCalls are the two calls of a replace. The trigger is missing between them, so the first
// one needs room for both.
const ReplaceCalls = 2

func callsOf(s plan.Step) int {
	if s.Action == plan.Replace {
		return ReplaceCalls
	}
	return 1
}

// NextPass is the time of the environment's next pass. It is a point in time, so that a pass in
// between postpones nothing.
func (e *EnvironmentState) NextPass(now time.Time) time.Time {
	at, reset := e.Schedule.nextList(e.Calls(cloudinary.Changing, now)), e.resetAt(now)
	if !reset.IsZero() && (e.Calls(cloudinary.Listing, now) == 0 || e.Short > 0 && reset.Before(at)) {
		at = reset
	}
	if e.Schedule.unfinished {
		at = now
	}
	if nextTry := e.WriteBlocks.nextTry(now); !nextTry.IsZero() && nextTry.Before(at) {
		at = nextTry
	}
	if e.Backoff.Waiting(now) {
		at = e.Backoff.NotBefore
	}
	return at
}
