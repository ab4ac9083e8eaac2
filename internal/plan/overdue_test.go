// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// overdue is the record of a call that was to create an upload trigger, and whose result no list
// has shown in time.
func overdue(at time.Time) Record {
	return intended(at).with(func(r *Record) { r.OverdueAt = at })
}

// madeAt is a trigger as a list shows it that was created at a time.
func madeAt(id string, at time.Time) Observed {
	return there(id, urlA, "upload", plain()).with(func(o *Observed) { o.CreatedAt = at })
}

func TestMakeWhereACallIsOverdue(t *testing.T) {
	const upload = "upload " + urlA
	called := listed.Add(-time.Hour)
	ours, remembered := []string{"x 1 " + upload + " Created"}, []string{"x " + upload + " Created"}
	refusesAdoption := func(o *Object) { o.RefuseAdopt = true }
	runMake(t, map[string]makeCase{
		"and a list shows its result after all": {
			why:      "it is the object's own, and no adoption",
			objects:  []Object{object("x", urlA, "upload").recorded(overdue(called)).with(refusesAdoption)},
			observed: []Observed{madeAt("1", called.Add(settle))},
			want:     said{records: ours},
		},
		"and a list shows one that was there before it": {
			why:      "somebody else made that one",
			objects:  []Object{object("x", urlA, "upload").recorded(overdue(called)).with(refusesAdoption)},
			observed: []Observed{madeAt("1", called.Add(-2*time.Second))},
			want:     said{records: remembered, findings: []string{"x AlreadyExists upload"}},
		},
		"and a list shows one that came later": {
			why:      "the call has ended by then",
			objects:  []Object{object("x", urlA, "upload").recorded(overdue(called)).with(refusesAdoption)},
			observed: []Observed{madeAt("1", called.Add(settle+clockSlack+time.Second))},
			want:     said{records: remembered, findings: []string{"x AlreadyExists upload"}},
		},
		"and the second call's trigger is there, too": {
			why: "the object has two, and keeps the newer one",
			objects: []Object{object("x", urlA, "upload").recorded(
				overdue(called), made("2", urlA, "upload").with(func(r *Record) { r.SentAt = called.Add(time.Minute) }),
			)},
			observed: []Observed{madeAt("1", called), madeAt("2", called.Add(time.Minute))},
			want: said{
				steps:    []string{"delete 1 " + upload + " for x released"},
				records:  []string{"x 1 " + upload + " Created", "x 2 " + upload + " Created"},
				findings: []string{"x Releasing upload"},
			},
		},
		"and the object wants something else by now": {
			why:      "the trigger serves that",
			objects:  []Object{object("x", urlB, "upload").recorded(overdue(called))},
			observed: []Observed{madeAt("1", called)},
			want:     said{steps: []string{"update 1 upload " + urlB + " for x spec"}, records: ours, findings: []string{"x Pending upload"}},
		},
		"and another object wants the place": {
			why: "it gets the trigger: there is one for both",
			objects: []Object{
				object("x", urlB, "delete").recorded(overdue(called), made("3", urlB, "delete")), object("y", urlA, "upload"),
			},
			observed: []Observed{madeAt("1", called), there("3", urlB, "delete", plain())},
			want:     said{records: []string{"x 3 delete " + urlB + " Created", "y 1 " + upload + " Created"}},
		},
		"and another object has its result": {
			why: "it was handed over, and the process ended before this object's status said so",
			objects: []Object{
				object("x", urlA, "upload").recorded(overdue(called)).is(Keeps), object("y", urlA, "upload").recorded(made("1", urlA, "upload")),
			},
			observed: []Observed{madeAt("1", called)},
			want:     said{records: []string{"y 1 " + upload + " Created"}},
		},
		"and its settings cannot be known now": {
			why:     "its place is nobody's",
			objects: []Object{object("x", urlA, "upload").recorded(overdue(called)).is(Keeps), object("y", urlA, "upload")},
			want: said{
				steps: []string{"create " + upload + " for y spec"}, records: remembered, findings: []string{"y Pending upload"},
			},
		},
		"and the object goes": {
			why:     "nobody waits a day for its finalizer",
			objects: []Object{object("x", urlA, "upload").recorded(overdue(called)).is(Releases)},
		},
		"and a day has passed": {
			why:     "then it came to nothing",
			objects: []Object{object("x", urlA, "upload").recorded(overdue(listed.Add(time.Second - overdueMemory)))},
			want:    said{steps: []string{"create " + upload + " for x spec"}, findings: []string{"x Pending upload"}},
		},
		"and a day has nearly passed": {
			why:     "it is looked for to the end",
			objects: []Object{object("x", urlA, "upload").recorded(overdue(listed.Add(time.Second - overdueMemory + 1)))},
			want: said{
				steps: []string{"create " + upload + " for x spec"}, records: remembered, findings: []string{"x Pending upload"},
			},
		},
	})
}

// Calls that nobody has answered are one record of each place, however many there were, and the
// result of the first is found as well as that of the last.
func TestOverdueCallsAreOneRecord(t *testing.T) {
	in := Input{
		Objects:  []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-settle)))},
		ListedAt: listed, Now: listed, URLLimit: 30, Settle: settle,
	}
	for range 50 {
		p := Make(in)
		in.Objects[0].Records = p.Verdicts[key("x")].Records
		if len(in.Objects[0].Records) != 1 {
			t.Fatalf("there are %d records: %+v", len(in.Objects[0].Records), in.Objects[0].Records)
		}
		Intend(&in, p.Steps[0], in.Now)
		Apply(&in, p.Steps[0], Outcome{Result: Unknown})
		in.ListedAt, in.Now = in.Now.Add(settle), in.Now.Add(settle)
	}
	last := listed.Add(49 * settle)
	records := Make(in).Verdicts[key("x")].Records
	want := []Record{intended(listed.Add(-settle)).with(func(r *Record) { r.OverdueAt = last })}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	in.Objects[0] = in.Objects[0].recorded(records...).with(func(o *Object) { o.RefuseAdopt = true })
	for _, at := range []time.Time{listed.Add(-settle), last.Add(settle)} {
		in.Observed = []Observed{madeAt("1", at)}
		if p := Make(in); len(p.Verdicts[key("x")].Findings) > 0 || p.Verdicts[key("x")].Records[0].ID != "1" {
			t.Errorf("what was made at %v is not found: %+v", at, p.Verdicts[key("x")])
		}
	}
	in.Objects[0].Records[0].SentHash = SentHash(urlA, filtered())
	in.Objects[0].Records = append(in.Objects[0].Records, intended(last.Add(settle)))
	in.Observed, in.ListedAt, in.Now = nil, last.Add(3*settle), last.Add(3*settle)
	if r := Make(in).Verdicts[key("x")].Records; len(r) != 1 || r[0].SentHash != "" {
		t.Errorf("it is not known which of two settings were sent, and remembered is %+v", r)
	}
}

// The outcome of a call belongs to its own intent, and not to an overdue one at the same place. A
// success shows that an overdue call which sent the same was without effect.
func TestApplyWhereACallIsOverdue(t *testing.T) {
	same := overdue(listed.Add(-time.Hour))
	other := same.with(func(r *Record) { r.SentHash = SentHash(urlA, filtered()) })
	spelled := same.with(func(r *Record) { r.URL = "https://A.example:443/" })
	created := made("2", urlA, "upload").with(func(r *Record) { r.ConfirmedHash, r.SentAt = "", listed })
	for name, tc := range map[string]struct {
		overdue []Record
		outcome Outcome
		want    []Record
	}{
		"it sent the same": {[]Record{same}, Outcome{Result: Done, At: listed, Trigger: Observed{ID: "2"}}, []Record{created}},
		"it spelled the URL in another way": {
			[]Record{spelled}, Outcome{Result: Done, At: listed, Trigger: Observed{ID: "2"}}, []Record{spelled, created},
		},
		"it sent something else":   {[]Record{other}, Outcome{Result: Done, At: listed, Trigger: Observed{ID: "2"}}, []Record{other, created}},
		"there is a trigger":       {[]Record{same}, Outcome{Result: Exists, At: listed}, []Record{same}},
		"the outcome is not known": {[]Record{same}, Outcome{Result: Unknown, At: listed}, []Record{same, intended(listed)}},
	} {
		in := Input{Objects: []Object{object("x", urlA, "upload").recorded(tc.overdue...)}, ListedAt: listed, Now: listed, URLLimit: 30, Settle: settle}
		step := Make(in).Steps[0]
		Intend(&in, step, listed)
		Apply(&in, step, tc.outcome)
		if diff := cmp.Diff(tc.want, in.Objects[0].Records); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A call's answer is lost, all lists after it are wrong for an hour, and then right: the trigger is
// the object's, as one that it created, whatever its adoption policy, and it goes with the object.
func TestALostCallIsOursHoweverLongListsHideIt(t *testing.T) {
	env := newEnvironment(switches{Limit: 30})
	x := newExecutor(env, t.Fatalf)
	x.specs[key("x")] = object("x", urlA, "upload").with(func(o *Object) { o.RefuseAdopt = true })
	lost := true
	x.chance.lost = func() lostness {
		if lost {
			lost = false
			return lostAfter
		}
		return arrived
	}
	x.chance.distort = func([]Observed) []Observed { return nil }
	for range 60 {
		if _, err := x.pass(); err != nil {
			t.Fatal(err)
		}
		env.now = env.now.Add(time.Minute)
	}
	x.chance.distort = nil
	for range 5 {
		if _, err := x.pass(); err != nil {
			t.Fatal(err)
		}
		env.now = env.now.Add(time.Minute)
	}
	if len(env.triggers) != 1 {
		t.Fatalf("%d triggers: %+v", len(env.triggers), env.triggers)
	}
	held := x.stored[key("x")]
	if len(held) == 0 || held[len(held)-1].ID != env.triggers[0].ID || held[len(held)-1].Origin != Created {
		t.Fatalf("the object has %+v, and there is %+v", held, env.triggers)
	}
	o := x.specs[key("x")]
	o.Stance = Releases
	x.specs[key("x")] = o
	for range 3 {
		if _, err := x.pass(); err != nil {
			t.Fatal(err)
		}
		env.now = env.now.Add(time.Minute)
	}
	if len(env.triggers) > 0 {
		t.Errorf("it is left behind: %+v", env.triggers)
	}
}

// Lists that hide triggers can lead to two at one place, each with a record of its own.
func TestMakeWhereTwoObjectsHaveATriggerAtOnePlace(t *testing.T) {
	observed := []Observed{there("1", urlA, "upload", plain()), there("2", urlA, "upload", plain())}
	older, younger := object("x", urlA, "upload").recorded(made("1", urlA, "upload")), object("y", urlA, "upload").recorded(made("2", urlA, "upload"))
	first, second := "x 1 upload "+urlA+" Created", "y 2 upload "+urlA+" Created"
	runMake(t, map[string]makeCase{
		"one was created": {
			why: "each event would be sent twice", objects: []Object{older, younger}, observed: observed,
			want: said{
				steps:    []string{"delete 2 upload " + urlA + " for y released"},
				records:  []string{first, second},
				findings: []string{"y Conflict upload x", "y Releasing upload"},
			},
		},
		"one is retained": {
			why:     "the policy says that it stays",
			objects: []Object{older, younger.with(func(o *Object) { o.Deletion = RetainAll })}, observed: observed,
			want: said{records: []string{first, second}, findings: []string{"y Conflict upload x"}},
		},
		"one was written a moment ago": {
			why:     "the list may be older than a move",
			objects: []Object{older, younger.recorded(made("2", urlA, "upload").with(func(r *Record) { r.SentAt = listed }))}, observed: observed,
			want: said{records: []string{first, second}, findings: []string{"y Conflict upload x"}},
		},
	})
}
