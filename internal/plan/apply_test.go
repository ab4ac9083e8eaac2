// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestApply(t *testing.T) {
	at := listed.Add(2 * time.Second)
	hash, changed := SentHash(urlA, plain()), SentHash(urlB, filtered())
	create := Step{Action: Create, Object: key("x"), Secret: key("secret"), EventType: "upload", URL: urlA, Settings: plain(), Hash: hash, Origin: Created}
	update := Step{
		Action: Update, Object: key("x"), ID: "1", EventType: "upload", URL: urlB, Settings: filtered(), Hash: changed,
		Origin: Created, Repair: Repair{ReadHash: "r", Updates: 1},
	}
	remove := Step{Action: Delete, Object: key("x"), ID: "1", EventType: "upload", URL: urlA, Hash: hashOf("1"), Origin: Created}
	intent := intended(listed)
	record, trigger := made("1", urlA, "upload"), there("1", urlA, "upload", plain())
	other, otherTrigger := made("2", urlA, "delete"), there("2", urlA, "delete", plain())
	moved := trigger.with(func(o *Observed) { o.URL, o.Written = urlB, true })
	inUse := hashOf(urlA)

	for name, tc := range map[string]struct {
		why      string
		step     Step
		outcome  Outcome
		records  []Record
		observed []Observed
		refusal  Refusal
	}{
		"a create is done": {
			why: "id and time go into the intent; the list does not show the trigger", step: create,
			outcome:  Outcome{Result: Done, Trigger: there("3", "", "", plain())},
			records:  []Record{intent.with(func(r *Record) { r.ID, r.SentAt, r.IntendedAt = "3", at, time.Time{} })},
			observed: []Observed{there("3", urlA, "upload", plain()).with(func(o *Observed) { o.Written = true })},
		},
		"a create has an unknown end": {
			why: "the intent stands until a list tells", step: create, outcome: Outcome{Result: Unknown}, records: []Record{intent},
		},
		"a create was not sent": {why: "there is nothing to wait for", step: create, outcome: Outcome{Result: NotSent}},
		"a create was refused": {
			why: "not asked again for a while", step: create, outcome: Outcome{Result: Refused, Message: "no"},
			refusal: Refusal{Action: Create, Hash: hash, Message: "no", Until: at.Add(RefusalMemory)},
		},
		"a create hit the limit": {
			why: "not asked again while the URLs are the same", step: create, outcome: Outcome{Result: Refused, Limit: true, Message: "limit_reached"},
			refusal: Refusal{Action: Create, Hash: hash, Limit: true, Message: "limit_reached", Until: at.Add(RefusalMemory)},
		},
		"a create found one there": {
			why: "a list begun after it tells whether it still is", step: create, outcome: Outcome{Result: Exists, Message: "record_already_exists"},
			refusal: Refusal{Action: Create, Hash: hash, Exists: true, Message: "record_already_exists", Until: at.Add(RefusalMemory)},
		},
		"an update is done": {
			why: "sent, not confirmed; of what was listed id, place and type hold", step: update, outcome: Outcome{Result: Done},
			records: []Record{record.with(func(r *Record) {
				r.URL, r.SentHash, r.SentAt, r.ConfirmedHash, r.Repair = urlB, changed, at, "", update.Repair
			})},
			observed: []Observed{moved},
		},
		"an update found nothing": {why: "no trigger, no record", step: update, outcome: Outcome{Result: Gone}},
		"an update has an unknown end": {
			why: "nothing counts as sent; no list before Settle says what is there", step: update, outcome: Outcome{Result: Unknown},
			records:  []Record{record.with(func(r *Record) { r.SentHash, r.ConfirmedHash, r.SentAt = "", "", at })},
			observed: []Observed{trigger},
		},
		"an update was not sent": {
			why: "nothing has changed", step: update, outcome: Outcome{Result: NotSent}, records: []Record{record}, observed: []Observed{trigger},
		},
		"an update was refused": {
			why: "what there was stays", step: update, outcome: Outcome{Result: Refused, Message: "no"}, records: []Record{record}, observed: []Observed{trigger},
			refusal: Refusal{Action: Update, Hash: changed, Message: "no", Until: at.Add(RefusalMemory)},
		},
		"a delete is done":            {why: "no trigger, no record", step: remove, outcome: Outcome{Result: Done}},
		"a delete found nothing":      {why: "as good as done", step: remove, outcome: Outcome{Result: Gone}},
		"a delete was not sent":       {why: "nothing has changed", step: remove, outcome: Outcome{Result: NotSent}, records: []Record{record}, observed: []Observed{trigger}},
		"a delete has an unknown end": {why: "the next list tells", step: remove, outcome: Outcome{Result: Unknown}, records: []Record{record}, observed: []Observed{trigger}},
		"a delete was refused": {
			why: "asked again after the next list: an object waits for it", step: remove, outcome: Outcome{Result: Refused, Message: "no"},
			records: []Record{record}, observed: []Observed{trigger},
			refusal: Refusal{Action: Delete, Hash: hashOf("1"), Message: "no", Until: at.Add(RefusalMemory)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{
				Objects:  []Object{object("w", urlC), object("x", urlA, "upload").recorded(other, record)},
				Observed: []Observed{otherTrigger, trigger}, ListedAt: listed, Now: at, Settle: settle,
				Refusals: map[Place]Refusal{{urlC, "old"}: {Until: at}},
			}
			if tc.step.Action == Create {
				in.Objects[1].Records, in.Observed = []Record{other}, []Observed{otherTrigger}
				Intend(in, tc.step, listed)
			}
			before := *in
			before.Objects = append([]Object(nil), in.Objects...)
			held := clone(before)
			tc.outcome.At = at
			Apply(in, tc.step, tc.outcome)

			if diff := cmp.Diff(append([]Record{other}, tc.records...), in.Objects[1].Records); diff != "" {
				t.Errorf("records (-want +got):\n%s\nwhy: %s", diff, tc.why)
			}
			if diff := cmp.Diff(append([]Observed{otherTrigger}, tc.observed...), in.Observed); diff != "" {
				t.Errorf("observed (-want +got):\n%s\nwhy: %s", diff, tc.why)
			}
			if tc.refusal.Until.IsZero() {
				if len(in.Refusals) != 1 {
					t.Errorf("refusals: %+v\nwhy: %s", in.Refusals, tc.why)
				}
			} else {
				tc.refusal.URLs, tc.refusal.At, tc.refusal.Times = inUse, at, 1
				if diff := cmp.Diff(map[Place]Refusal{tc.step.place(): tc.refusal}, in.Refusals); diff != "" {
					t.Errorf("refusals, without those that are over (-want +got):\n%s\nwhy: %s", diff, tc.why)
				}
			}
			before.Refusals = held.Refusals
			if diff := cmp.Diff(held, before); diff != "" {
				t.Errorf("what the slices held has changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASuccessEndsARefusal(t *testing.T) {
	step := Step{Action: Create, Object: key("x"), EventType: "upload", URL: urlA, Hash: "h"}
	in := &Input{Objects: []Object{object("x", urlA, "upload")}, Now: listed}
	for want := range 4 {
		Apply(in, step, Outcome{Result: Exists, At: listed})
		if got := in.Refusals[step.place()].Times; got != want+1 {
			t.Errorf("refused %d times in a row, want %d", got, want+1)
		}
	}
	Apply(in, step, Outcome{Result: Done})
	if len(in.Refusals) != 0 {
		t.Errorf("after a success there is %+v", in.Refusals)
	}
}

func TestStatePause(t *testing.T) {
	for times, want := range map[int]time.Duration{1: 0, 2: firstStatePause, 3: 2 * firstStatePause, 7: 320 * time.Second, 8: longestStatePause, 1000: longestStatePause} {
		if got := statePause(times); got != want {
			t.Errorf("after %d refusals in a row: %s, want %s", times, got, want)
		}
	}
}

func TestHalves(t *testing.T) {
	s := Step{Action: Replace, Object: key("x"), ID: "1", EventType: "upload", URL: urlA, Hash: "h", Origin: Adopted, Repair: Repair{Replacements: 1}}
	del, create := s.Halves()
	wantDelete, wantCreate := s, s
	wantDelete.Action = Delete
	wantCreate.Action, wantCreate.ID = Create, ""
	if diff := cmp.Diff([]Step{wantDelete, wantCreate}, []Step{del, create}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHalfAReplacementKeepsItsOrigin(t *testing.T) {
	in := &Input{
		Objects: []Object{{
			Key: Key{"shop", "images"}, URL: urlA, EventTypes: []string{"upload"}, Settings: Settings{AuthScheme: DefaultAuthScheme},
			Records: []Record{{EventType: "upload", URL: urlA, ID: "old", Origin: Adopted}},
		}},
		URLLimit: 30,
	}
	_, create := Step{Action: Replace, Object: Key{"shop", "images"}, EventType: "upload", URL: urlA, ID: "old", Origin: Adopted}.Halves()
	Intend(in, create, in.Now)
	in.forget(Step{Object: create.Object, ID: "old"})
	Apply(in, create, Outcome{Result: NotSent})
	for pass := range 3 { // it may have to wait for a new budget, over several passes
		p := Make(*in)
		if len(p.Steps) != 1 || p.Steps[0].Action != Create || p.Steps[0].Origin != Adopted {
			t.Fatalf("pass %d: want a create that stays adopted, have %+v", pass, p.Steps)
		}
		in.Objects[0].Records = p.Verdicts[create.Object].Records
	}
	step := Make(*in).Steps[0]
	Intend(in, step, in.Now.Add(time.Second))
	Apply(in, step, Outcome{Result: Done, Trigger: Observed{ID: "new"}})
	if records := in.Objects[0].Records; len(records) != 1 || records[0].ID != "new" || records[0].Origin != Adopted {
		t.Errorf("want one record of what was made, adopted; have %+v", records)
	}
}
