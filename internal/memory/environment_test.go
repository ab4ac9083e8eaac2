// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func exactly(d time.Duration) time.Duration { return d }

func why(reason string) *resolve.Problem { return &resolve.Problem{Reason: reason} }

func TestFailuresWaitEverLonger(t *testing.T) {
	t.Parallel()
	var b Backoff
	for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		b.fail(noon, time.Time{}, why("a"), 10*time.Second, exactly)
		if got := b.NotBefore.Sub(noon); got != want {
			t.Errorf("failure %d waits %s, want %s", i+1, got, want)
		}
	}
	if !b.Waiting(noon) || b.Waiting(noon.Add(10*time.Second)) {
		t.Error("it does not wait until its time, or beyond it")
	}
	b.Succeed()
	if b.Waiting(noon) || b.Problem != nil {
		t.Errorf("after a success: %+v", b)
	}
}

// A server may name a time, and not have the manager wait for days.
func TestAServerMayNameWhenToTryAgain(t *testing.T) {
	t.Parallel()
	for named, want := range map[time.Duration]time.Duration{
		time.Second: FirstBackoff, time.Minute: time.Minute + dateSlack, 48 * time.Hour: maxWait,
	} {
		var b Backoff
		b.fail(noon, noon.Add(named), why("a"), maxBackoff, exactly)
		if got := b.NotBefore.Sub(noon); got != want {
			t.Errorf("a server that names %s has us wait %s, want %s", named, got, want)
		}
	}
}

func refused() error { return &cloudinary.Error{StatusCode: http.StatusUnauthorized} }

func TestRefusedCredentialsMakeNobodyElseWait(t *testing.T) {
	t.Parallel()
	var e EnvironmentState
	e.Failed(refused(), why("rejected"), noon, exactly)
	if e.Backoff.Waiting(noon) || e.Schedule.Verify || e.refused == nil {
		t.Errorf("after 401: %+v", &e)
	}
	var probe Backoff
	probe.FailProbe(&e, noon, exactly)
	if probe.Problem.Reason != "rejected" || !probe.Waiting(noon) {
		t.Errorf("the probe: %+v", probe)
	}
	e.Failed(errors.New("cut"), why("unavailable"), noon, exactly)
	if !e.Backoff.Waiting(noon) || !e.Schedule.Verify {
		t.Errorf("after a cut: %+v", &e)
	}
	probe = Backoff{}
	probe.FailProbe(&e, noon, exactly)
	if probe.Problem.Reason != "unavailable" || probe.NotBefore.Before(e.Backoff.NotBefore) {
		t.Errorf("the probe: %+v", probe)
	}
}

// held are objects that hold so many triggers each.
func held(n int) []plan.Object {
	o := plan.Object{Key: plan.Key{Namespace: "shop", Name: "a"}, Stance: plan.Wants}
	for i := range n {
		o.Records = append(o.Records, plan.Record{ID: fmt.Sprint(i), EventType: "upload", URL: "https://a.example.com/", Origin: plan.Created})
	}
	return []plan.Object{o}
}

func TestAListThatLeavesOutMostIsBelievedTheSecondTime(t *testing.T) {
	t.Parallel()
	var e EnvironmentState
	weigh := func() *Doubt { return e.Weigh(e.Input(held(10), Settings{}, noon), noon) }
	if weigh() != nil || e.Schedule.Known() {
		t.Fatal("there was no list")
	}
	e.KeepList(nil, noon, time.Minute)
	if d := weigh(); d == nil || d.Absent != 10 || d.Expected != 10 || e.Schedule.Known() {
		t.Fatalf("the first list is believed, or not for what it leaves out: %+v", d)
	}
	e.KeepList(nil, noon.Add(time.Minute), time.Minute)
	if d := weigh(); d != nil || !e.Schedule.Listed.Equal(noon.Add(time.Minute)) {
		t.Errorf("the second one is not believed: %+v, listed %s", d, e.Schedule.Listed)
	}
}

func TestPeopleComeBeforeRepairs(t *testing.T) {
	t.Parallel()
	step := func(action plan.Action, cause plan.Cause) plan.Step { return plan.Step{Action: action, Cause: cause} }
	for name, test := range map[string]struct {
		left  int // calls for what people ask for
		steps []plan.Step
		want  int
	}{
		"nothing to do":                    {left: 10},
		"room for all":                     {10, []plan.Step{step(plan.Create, plan.CauseSpec), step(plan.Delete, plan.CauseReleased)}, 2},
		"room for one":                     {1, []plan.Step{step(plan.Create, plan.CauseSpec), step(plan.Create, plan.CauseSpec)}, 1},
		"a replace is two calls":           {1, []plan.Step{step(plan.Replace, plan.CauseSpec)}, 0},
		"no step is taken before its turn": {2, []plan.Step{step(plan.Create, plan.CauseSpec), step(plan.Replace, plan.CauseSpec), step(plan.Create, plan.CauseSpec)}, 1},
		"repairs leave some to people":     {26, []plan.Step{step(plan.Create, plan.CauseSpec), step(plan.Update, plan.CauseDrift)}, 1},
		"repairs with calls enough":        {27, []plan.Step{step(plan.Create, plan.CauseSpec), step(plan.Update, plan.CauseDrift)}, 2},
	} {
		const never = 5 // of a hundred, which are not touched
		e := EnvironmentState{Budget: cloudinary.Budget{Share: 1}}
		e.Budget.Learn(cloudinary.RateLimit{Limit: 100, Remaining: test.left + never, Reset: noon.Add(time.Hour)}, noon)
		if got := e.Affordable(test.steps, noon); got != test.want {
			t.Errorf("%s: %d steps, want %d", name, got, test.want)
		}
	}
}

func TestBarredCredentialsTryOneChangeAtATime(t *testing.T) {
	t.Parallel()
	step := func(name, id string) plan.Step {
		return plan.Step{Action: plan.Update, ID: id, Object: plan.Key{Namespace: "shop", Name: name}}
	}
	steps := []plan.Step{step("a", "1"), step("a", "2"), step("b", "3")}
	whose := func(s plan.Step) string { return map[string]string{"a": "barred", "b": "free"}[s.Object.Name] }
	ids := func(steps []plan.Step) (all []string) {
		for _, s := range steps {
			all = append(all, s.ID)
		}
		return all
	}
	var e EnvironmentState
	if free, barred := e.WriteBlocks.Admit(steps, whose, noon); len(free) != 3 || len(barred) != 0 {
		t.Fatalf("without a bar %d steps are free, %v barred", len(free), barred)
	}
	e.BlockWrites("barred", steps[0], why("rejected"), noon, exactly)
	free, barred := e.WriteBlocks.Admit(steps, whose, noon)
	if diff := cmp.Diff([]string{"3"}, ids(free)); diff != "" || barred[steps[0].Object] == nil || barred[steps[2].Object] != nil {
		t.Errorf("while it waits (-want +got):\n%s\nbarred %v", diff, barred)
	}
	if !e.WriteBlocks.Blocked("barred", noon) || e.WriteBlocks.Blocked("free", noon) || e.WriteBlocks.Cause("barred") == nil {
		t.Error("the bar is not where it was raised")
	}
	later := noon.Add(time.Hour)
	free, _ = e.WriteBlocks.Admit(steps, whose, later)
	if diff := cmp.Diff([]string{"3", "2"}, ids(free)); diff != "" {
		t.Errorf("the next try is another change (-want +got):\n%s", diff)
	}
	e.WriteBlocks.Unblock("barred")
	if free, _ := e.WriteBlocks.Admit(steps, whose, later); len(free) != 3 {
		t.Errorf("once one succeeded %d steps are free", len(free))
	}
	e.BlockWrites("barred", steps[0], why("rejected"), noon, exactly)
	if e.WriteBlocks.Admit(steps[2:], whose, later); len(e.WriteBlocks) != 0 {
		t.Error("a bar stays without a step that could show that it is gone")
	}
}
