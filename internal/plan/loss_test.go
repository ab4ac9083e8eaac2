// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestMakeWhereATriggerIsGone(t *testing.T) {
	gone := func(times int, last time.Time) func(*Record) {
		return func(r *Record) { r.Repair = Repair{ReadHash: goneHash, Updates: times, LastAt: last} }
	}
	tomb := func(last time.Time) Record {
		return made("", urlA, "upload").with(gone(maxRecreations, last)).with(func(r *Record) { r.SentAt, r.ConfirmedHash = time.Time{}, "" })
	}
	again := said{steps: []string{"create upload " + urlA + " for x drift"}, findings: []string{"x Pending upload"}}
	enough := said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x NotConverging upload"}}
	runMake(t, map[string]makeCase{
		"for the first time": {
			why:     "drift is repaired",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			want:    again,
		},
		"for the third time within an hour of the last": {
			why:     "it may still be an accident",
			objects: []Object{object("x", urlA, "upload").recorded(made("3", urlA, "upload").with(gone(maxRecreations-1, listed.Add(-time.Minute))))},
			want:    again,
		},
		"for the fourth time": {
			why:     "somebody wants it gone",
			objects: []Object{object("x", urlA, "upload").recorded(made("4", urlA, "upload").with(gone(maxRecreations, listed.Add(-time.Minute))))},
			want:    enough,
		},
		"after many repairs of other kinds": {
			why: "whoever changes and deletes it by turns does not want it either",
			objects: []Object{object("x", urlA, "upload").recorded(made("4", urlA, "upload").with(func(r *Record) {
				r.Repair = Repair{ReadHash: "other", Updates: 1, Total: maxRepairs, LastAt: listed.Add(-time.Minute)}
			}))},
			want: enough,
		},
		"and stays so, whatever was repaired before": {
			why:     "what was given up is remembered",
			objects: []Object{object("x", urlA, "upload").recorded(tomb(listed.Add(-time.Minute)).with(func(r *Record) { r.Repair.Updates, r.Repair.Total = 1, maxRepairs }))},
			want:    enough,
		},
		"and stays so": {
			why:     "what was given up is remembered",
			objects: []Object{object("x", urlA, "upload").recorded(tomb(listed.Add(-time.Minute)))},
			want:    enough,
		},
		"an hour later": {
			why:     "whoever it was may have stopped",
			objects: []Object{object("x", urlA, "upload").recorded(tomb(listed.Add(-time.Hour)))},
			want:    again,
		},
		"and the spec has changed since": {
			why:     "what is wanted now was never deleted",
			objects: []Object{object("x", urlA, "upload").recorded(tomb(listed.Add(-time.Minute))).with(func(o *Object) { o.Settings = filtered() })},
			want:    said{steps: []string{"create upload " + urlA + " for x spec"}, findings: []string{"x Pending upload"}},
		},
		"and somebody made one": {
			why:      "it is taken over, as any that is there",
			objects:  []Object{object("x", urlA, "upload").recorded(tomb(listed.Add(-time.Minute)))},
			observed: []Observed{there("9", urlA, "upload", plain())},
			want:     said{records: []string{"x 9 upload " + urlA + " Adopted"}},
		},
		"and the object is being deleted": {
			why:     "there is nothing to release",
			objects: []Object{object("x", urlA, "upload").recorded(tomb(listed.Add(-time.Minute))).is(Releases)},
		},
	})
}

// Somebody deletes the trigger after each list.
func TestATugOfWarOverATriggersExistenceEnds(t *testing.T) {
	env := newEnvironment(switches{Limit: 30})
	x := newExecutor(env, t.Fatalf)
	o := object("x", urlA, "upload")
	x.specs[o.Key] = o
	created, last := 0, Plan{}
	for range 50 { // minutes
		if p, err := x.pass(); err != nil {
			t.Fatal(err)
		} else {
			last = p
		}
		created += len(env.triggers)
		env.triggers = nil
		env.now = env.now.Add(time.Minute)
		env.changed()
	}
	if want := 1 + maxRecreations; created != want {
		t.Errorf("created %d times in 50 minutes, want %d", created, want)
	}
	if !slices.ContainsFunc(last.Verdicts[o.Key].Findings, func(f Finding) bool { return f.Problem == NotConverging && len(f.Missing) == 1 }) {
		t.Errorf("in the end the verdict is %+v", last.Verdicts[o.Key])
	}
}

// Somebody gives the trigger another filter each time that the operator has confirmed its own.
func TestATugOfWarInWhichNothingComesTwiceEnds(t *testing.T) {
	env := newEnvironment(switches{Limit: 30})
	x := newExecutor(env, t.Fatalf)
	o := object("x", urlA, "upload")
	x.specs[o.Key] = o
	repairs, last := 0, Plan{}
	for minute := range 60 {
		p, err := x.pass()
		if err != nil {
			t.Fatal(err)
		}
		last = p
		for _, s := range p.Steps {
			if s.Cause == CauseDrift {
				repairs++
			}
		}
		if confirmed := x.stored[o.Key][0].ConfirmedHash != ""; confirmed {
			env.triggers[0].Settings.Filter = fmt.Sprintf(`{"==":[{"var":"n"},%d]}`, minute)
		}
		env.now = env.now.Add(time.Minute)
		env.changed()
	}
	if repairs != maxRepairs {
		t.Errorf("repaired %d times within an hour, want %d", repairs, maxRepairs)
	}
	if !slices.ContainsFunc(last.Verdicts[o.Key].Findings, func(f Finding) bool { return f.Problem == NotConverging && len(f.Fields) == 1 }) {
		t.Errorf("in the end the verdict is %+v", last.Verdicts[o.Key])
	}
}
