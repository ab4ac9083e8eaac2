// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestMakeWhereATriggerIsGone(t *testing.T) {
	// lost is the record of a trigger of which Cloudinary has said that it is gone, after so many
	// were created in its place.
	lost := func(times int, last time.Time) Record {
		return made("", urlA, "upload").with(func(r *Record) {
			r.SentAt, r.ConfirmedHash = time.Time{}, ""
			r.Repair = Repair{ReadHash: goneHash, Updates: times, LastAt: last}
		})
	}
	tomb := func(last time.Time) Record { return lost(maxRecreations, last) }
	again := said{steps: []string{"create upload " + urlA + " for x drift"}, findings: []string{"x Pending upload"}}
	enough := said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x NotConverging upload"}}
	runMake(t, map[string]makeCase{
		"for the first time": {
			why:     "drift is repaired",
			objects: []Object{object("x", urlA, "upload").recorded(lost(0, listed))},
			want:    again,
		},
		"for the third time within an hour of the last": {
			why:     "it may still be an accident",
			objects: []Object{object("x", urlA, "upload").recorded(lost(maxRecreations-1, listed.Add(-time.Minute)))},
			want:    again,
		},
		"for the fourth time": {
			why:     "somebody wants it gone",
			objects: []Object{object("x", urlA, "upload").recorded(lost(maxRecreations, listed.Add(-time.Minute)))},
			want:    enough,
		},
		"after many repairs of other kinds": {
			why:     "whoever changes and deletes it by turns does not want it either",
			objects: []Object{object("x", urlA, "upload").recorded(lost(0, listed.Add(-time.Minute)).with(func(r *Record) { r.Repair.Total = maxRepairs }))},
			want:    enough,
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

// tugOfWar passes once a minute over an object that wants an upload trigger; meddle is what
// somebody does after each pass. It returns what the object is told in the end.
func tugOfWar(t *testing.T, minutes int, meddle func(minute int, x *executor, p Plan)) []Finding {
	t.Helper()
	x := newExecutor(newEnvironment(switches{Limit: 30}), t.Fatalf)
	o := object("x", urlA, "upload")
	x.specs[o.Key] = o
	var last Plan
	for minute := range minutes {
		p, err := x.pass()
		if err != nil {
			t.Fatal(err)
		}
		meddle(minute, x, p)
		x.env.now = x.env.now.Add(time.Minute)
		x.env.changed()
		last = p
	}
	return last.Verdicts[o.Key].Findings
}

func TestATugOfWarOverATriggersExistenceEnds(t *testing.T) {
	created := 0
	findings := tugOfWar(t, 50, func(_ int, x *executor, _ Plan) {
		created += len(x.env.triggers)
		x.env.triggers = nil
	})
	if want := 1 + maxRecreations; created != want {
		t.Errorf("created %d times in 50 minutes, want %d", created, want)
	}
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Problem == NotConverging && len(f.Missing) == 1 }) {
		t.Errorf("in the end it is told %+v", findings)
	}
}

// Somebody gives the trigger another filter each time that the operator has confirmed its own.
func TestATugOfWarInWhichNothingComesTwiceEnds(t *testing.T) {
	repairs := 0
	findings := tugOfWar(t, 60, func(minute int, x *executor, p Plan) {
		for _, s := range p.Steps {
			if s.Cause == CauseDrift {
				repairs++
			}
		}
		if confirmed := x.stored[key("x")][0].ConfirmedHash != ""; confirmed {
			x.env.triggers[0].Settings.Filter = fmt.Sprintf(`{"==":[{"var":"n"},%d]}`, minute)
		}
	})
	if repairs != maxRepairs {
		t.Errorf("repaired %d times within an hour, want %d", repairs, maxRepairs)
	}
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Problem == NotConverging && len(f.Fields) == 1 }) {
		t.Errorf("in the end it is told %+v", findings)
	}
}
