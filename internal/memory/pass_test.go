// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// known is an environment that was listed a minute ago and is due in an hour, with calls of a
// hundred left.
func known(calls int) *EnvironmentState {
	e := &EnvironmentState{Budget: cloudinary.Budget{Share: 1}}
	e.Schedule = Schedule{interval: time.Second, Listed: noon.Add(-time.Minute), paced: noon.Add(-time.Minute), Next: noon.Add(time.Hour)}
	const never = 5 // which are not touched
	e.Budget.Learn(cloudinary.RateLimit{Limit: 100, Remaining: calls + never, Reset: noon.Add(10 * time.Minute)}, noon)
	return e
}

// When an environment is looked at again, and whether its triggers are listed now.
func TestWhenTheNextPassIs(t *testing.T) {
	t.Parallel()
	const reset = 10*time.Minute + time.Second
	for name, test := range map[string]struct {
		calls  int
		change func(*EnvironmentState)
		want   time.Duration
		lists  bool
	}{
		"nothing is to be done":              {calls: 10, want: time.Hour},
		"the list is due":                    {calls: 10, change: func(e *EnvironmentState) { e.Schedule.Next = noon }, want: 0, lists: true},
		"a write is to be verified":          {calls: 10, change: func(e *EnvironmentState) { e.Schedule.Wrote() }, want: -62 * time.Second, lists: true},
		"the same, without calls":            {calls: 0, change: func(e *EnvironmentState) { e.Schedule.Wrote() }, want: reset},
		"changes wait for calls":             {calls: 10, change: func(e *EnvironmentState) { e.Short = 1 }, want: reset},
		"steps are left":                     {calls: 10, change: func(e *EnvironmentState) { e.Schedule.Finished(false) }, want: 0},
		"credentials are barred":             {calls: 10, change: func(e *EnvironmentState) { e.BlockWrites("f", plan.Step{}, why("a"), noon, exactly) }, want: FirstBackoff},
		"the last call failed":               {calls: 10, change: func(e *EnvironmentState) { e.Failed(errCut, why("a"), noon, exactly) }, want: FirstBackoff},
		"it failed, and the list is due too": {calls: 10, change: func(e *EnvironmentState) { e.Schedule.Next = noon; e.Failed(errCut, why("a"), noon, exactly) }, want: FirstBackoff},
	} {
		e := known(test.calls)
		if test.change != nil {
			test.change(e)
		}
		if got := e.NextPass(noon).Sub(noon); got != test.want {
			t.Errorf("%s: in %s, want %s", name, got, test.want)
		}
		if got := e.WantsList(noon); got != test.lists {
			t.Errorf("%s: lists %t, want %t", name, got, test.lists)
		}
	}
}

var errCut = &cloudinary.Error{Operation: cloudinary.OpList}

// A probe's list is the environment's first. Later ones tell no more than how many calls are left.
func TestTheListOfAProbeIsTheFirstOne(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, time.Second)
	probe := d.NewState()
	probe.Called(cloudinary.Meta{Date: noon.Add(time.Minute), RateLimit: &cloudinary.RateLimit{Limit: 100, Remaining: 50}}, noon)
	probe.KeepList([]plan.Observed{{ID: "1"}}, noon, time.Hour)
	e := d.State(cloudinary.Environment{CloudName: "demo"})
	e.Failed(errCut, why("a"), noon, exactly)
	e.MergeProbe(probe, noon)
	if e.Fresh == nil || e.Backoff.Waiting(noon) || !e.Clock.At(noon).Equal(noon.Add(time.Minute)) || !e.Schedule.Next.Equal(noon.Add(time.Hour)) {
		t.Errorf("after the first: %+v", e)
	}
	if share, plan := e.Budget.Allowance(); share != 100 || plan != 100 {
		t.Errorf("calls: %d of %d", share, plan)
	}
	second := d.NewState()
	second.KeepList([]plan.Observed{{ID: "2"}}, noon, time.Minute)
	e.MergeProbe(second, noon)
	if e.Fresh.Observed[0].ID != "1" || !e.Schedule.Next.Equal(noon.Add(time.Hour)) {
		t.Errorf("after the second: %+v", e)
	}
}

// A call that contradicts lists makes them wait ever longer, until one shows all again.
func TestListsThatAreContradictedWaitEverLonger(t *testing.T) {
	t.Parallel()
	e := known(10)
	for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second} {
		e.Backoff.Succeed()
		e.Refute(why("wrong"), noon, exactly)
		if got := e.Backoff.NotBefore.Sub(noon); got != want {
			t.Errorf("time %d waits %s, want %s", i+1, got, want)
		}
	}
	e.ConfirmAbsent()
	e.Refute(why("wrong"), noon, exactly)
	if got := e.Backoff.NotBefore.Sub(noon); got != 2*time.Second {
		t.Errorf("after a list that was right it waits %s", got)
	}
}

func TestCredentialsWaitWhereThereAreNoCalls(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, time.Second)
	env := cloudinary.Environment{CloudName: "demo"}
	if at := d.WaitForCalls(env, noon); !at.IsZero() {
		t.Errorf("of what nothing is known they wait until %s", at)
	}
	d.State(env).Called(cloudinary.Meta{RateLimit: &cloudinary.RateLimit{Limit: 100, Remaining: 50, Reset: noon.Add(time.Minute)}}, noon)
	if at := d.WaitForCalls(env, noon); !at.IsZero() {
		t.Errorf("with calls they wait until %s", at)
	}
	d.State(env).Called(cloudinary.Meta{RateLimit: &cloudinary.RateLimit{Limit: 100, Remaining: 1, Reset: noon.Add(time.Minute)}}, noon)
	if at := d.WaitForCalls(env, noon); !at.Equal(noon.Add(time.Minute + time.Second)) {
		t.Errorf("without calls they wait until %s", at)
	}
}

func TestAUnitIsTheEnvironmentOnceItIsAccepted(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, time.Second)
	key, creds := plan.Key{Namespace: "shop", Name: "one"}, cloudinary.Credentials{CloudName: "demo", APIKey: "k", APISecret: "s"}
	if got := d.UnitOf(key); got != resolve.UnitOfSecret(key) {
		t.Errorf("of what is not known it is %s", got)
	}
	d.SetSecret(key, resolve.Secret{Credentials: creds})
	if got := d.UnitOf(key); got != resolve.UnitOfSecret(key) {
		t.Errorf("before it is accepted it is %s", got)
	}
	d.SetAccepted(creds, true)
	if got := d.UnitOf(key); got != resolve.UnitOfEnvironment(creds.Environment()) {
		t.Errorf("once it is accepted it is %s", got)
	}
	b := d.Probe(key)
	b.fail(noon, time.Time{}, why("a"), maxBackoff, exactly)
	d.SetSecret(key, resolve.Secret{Credentials: creds, ResourceVersion: "2"})
	if d.Probe(key).Waiting(noon) {
		t.Error("what has changed is not tried at once")
	}
}

func TestWhenAFinalizerIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, time.Second)
	h := d.Finalizer(plan.Key{Name: "one"}, "1")
	if !h.NextLook(noon).IsZero() || !h.Missing(false, noon) {
		t.Error("one that never was there waits")
	}
	for i := range ContestedFrom {
		h.Present = true
		if got := h.Missing(false, noon); got != (i == 0) {
			t.Errorf("it may be put there after %d times: %t", i+1, got)
		}
	}
	if at := h.NextLook(noon); !at.Equal(h.removals.NotBefore) {
		t.Errorf("while it waits it is looked at again at %s", at)
	}
	h.Present = true
	if until, _ := h.Contested(noon); !h.NextLook(noon).Equal(until) {
		t.Errorf("while people are told it is looked at again at %s, want %s", h.NextLook(noon), until)
	}
	if d.Finalizer(plan.Key{Name: "one"}, "1") != h || d.Finalizer(plan.Key{Name: "one"}, "2") == h {
		t.Error("a Secret that was made anew is taken for the former one")
	}
}

// The header Date has whole seconds. A time that is read from it does not go back and forth.
func TestTheServersTimeKeepsItsOrder(t *testing.T) {
	t.Parallel()
	var c ServerClock
	c.learn(time.Time{}, noon)
	if !c.At(noon).Equal(noon) {
		t.Error("a time is known that nobody has told")
	}
	c.learn(noon.Add(time.Minute), noon)
	c.learn(noon.Add(time.Minute+time.Second), noon)
	if got := c.At(noon).Sub(noon); got != time.Minute {
		t.Errorf("it is ahead by %s, want a minute: a second is within what Date tells", got)
	}
	c.learn(noon.Add(time.Hour), noon)
	if got := c.At(noon).Sub(noon); got != time.Hour || !c.local(c.At(noon)).Equal(noon) {
		t.Errorf("it is ahead by %s, want an hour", got)
	}
}
