// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMakeWhereTheListDoesNotShowATrigger(t *testing.T) {
	asked := func(times int, last time.Time) func(*Record) {
		return func(r *Record) { r.Repair = Repair{ReadHash: unlistedHash, Updates: times, LastAt: last} }
	}
	kept := []string{"x 1 upload " + urlA + " Created"}
	runMake(t, map[string]makeCase{
		"which was written a moment ago": {
			why:     "the list may lag",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload").with(func(r *Record) { r.SentAt = listed }))},
			want:    said{records: kept, findings: []string{"x Confirming upload"}},
		},
		"and an update has said twice that it is there": {
			why:     "the lists are wrong, and not the trigger",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload").with(asked(maxUpdates, listed.Add(-time.Minute))))},
			want:    said{records: kept, findings: []string{"x Confirming upload"}},
		},
		"and an update has said twice, long ago, that it is there": {
			why:     "somebody may have deleted it since",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload").with(asked(maxUpdates, listed.Add(-time.Hour))))},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x drift"}, records: kept, findings: []string{"x Pending upload"},
			},
		},
		"and shows another one in its place": {
			why:      "perhaps there are two; what is ours is asked for first",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("2", urlA, "upload", plain())},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x drift"}, records: kept, findings: []string{"x Pending upload"},
			},
		},
		"and the object has another one there that it does show": {
			why: "half of a replacement was not recorded; what is listed serves, and the other one goes if it is there",
			objects: []Object{object("x", urlA, "upload").recorded(
				made("1", urlA, "upload"), made("2", urlA, "upload").with(func(r *Record) { r.SentAt = r.SentAt.Add(time.Hour) }),
			)},
			observed: []Observed{there("2", urlA, "upload", plain())},
			want: said{
				steps:    []string{"delete 1 upload " + urlA + " for x released"},
				records:  []string{"x 1 upload " + urlA + " Created", "x 2 upload " + urlA + " Created"},
				findings: []string{"x Releasing upload"},
			},
		},
		"and the spec has another URL by now": {
			why:     "the update moves it, if it is there",
			objects: []Object{object("x", urlB, "upload").recorded(made("1", urlA, "upload"))},
			want: said{
				steps: []string{"update 1 upload " + urlB + " for x spec"}, records: kept, findings: []string{"x Pending upload"},
			},
		},
		"and another object wants it": {
			why: "it is handed over all the same",
			objects: []Object{
				object("x", urlA, "upload"), object("y", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases),
			},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x drift"}, records: kept, findings: []string{"x Pending upload"},
			},
		},
		"but something that is no webhook by its id": {
			why:      "that is never written to",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlA, "upload", plain()).with(func(o *Observed) { o.URIType = "flow" })},
			want:     said{records: kept, findings: []string{"x Confirming upload"}},
		},
		"and nobody wants it, and it is to be kept": {
			why: "there is nothing to ask for",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases).
				with(func(o *Object) { o.Deletion = RetainAll })},
			want: said{released: kept},
		},
		"and Cloudinary has refused to delete it": {
			why:     "whoever deleted it in the Console, as the message advises, is not to wait for a call that is refused",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
			change: func(in *Input) {
				in.Refusals = map[Place]Refusal{{urlA, "upload"}: {Action: Delete, Hash: hashOf("1"), Until: listed.Add(time.Minute)}}
			},
		},
		"and the object only observes, and another one wants it": {
			why: "else a second one would be created beside it",
			objects: []Object{
				object("x", urlA, "upload"), object("y", urlA, "upload").recorded(made("1", urlA, "upload")).is(Observes),
			},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x drift"}, records: kept, findings: []string{"x Pending upload", "y Drifted upload"},
			},
		},
		"and the object only observes": {
			why:     "it is told, and keeps what it has",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Observes)},
			want:    said{records: kept, findings: []string{"x Drifted upload"}},
		},
	})
}

func TestApplyWhereTheListDoesNotShowATrigger(t *testing.T) {
	at := listed.Add(2 * time.Second)
	update := Step{
		Action: Update, Cause: CauseDrift, Object: key("x"), Secret: key("secret"), ID: "1", EventType: "upload", URL: urlA, Settings: plain(),
		Hash: SentHash(urlA, plain()), Origin: Adopted, Unlisted: true, Repair: Repair{ReadHash: unlistedHash, Updates: 1, LastAt: at},
	}
	record := made("1", urlA, "upload").with(func(r *Record) { r.Origin = Adopted })
	lost := Record{EventType: "upload", URL: urlA, Secret: key("secret"), Origin: Created}
	for name, tc := range map[string]struct {
		why      string
		change   func(*Step)
		result   Result
		records  []Record
		observed []Observed
	}{
		"it is there": {
			why: "the id is kept, and what the list left out is known", result: Done,
			records:  []Record{record.with(func(r *Record) { r.SentAt, r.ConfirmedHash, r.Repair = at, "", update.Repair })},
			observed: []Observed{{ID: "1", URIType: WebhookType, URL: urlA, EventType: "upload", Written: true}},
		},
		"it is gone": {
			why: "what is created instead is our own, and counts as drift", result: Gone,
			records: []Record{lost.with(func(r *Record) { r.SentHash, r.Repair = update.Hash, Repair{ReadHash: goneHash, LastAt: at} })},
		},
		"it is gone, and something else is wanted by now": {
			why: "what is created now was never deleted", result: Gone, change: func(s *Step) { s.Cause = CauseSpec }, records: []Record{lost},
		},
		"nobody knows": {
			why: "the id is kept", result: Unknown,
			records: []Record{record.with(func(r *Record) { r.SentHash, r.ConfirmedHash, r.SentAt = "", "", at })},
		},
		"it is refused": {why: "the id is kept", result: Refused, records: []Record{record}},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Objects: []Object{object("x", urlA, "upload").recorded(record)}, ListedAt: listed, Now: at, Settle: settle}
			step := update
			if tc.change != nil {
				tc.change(&step)
			}
			Apply(in, step, Outcome{Result: tc.result, At: at})
			if diff := cmp.Diff(tc.records, in.Objects[0].Records); diff != "" {
				t.Errorf("records (-want +got):\n%s\nwhy: %s", diff, tc.why)
			}
			if diff := cmp.Diff(tc.observed, in.Observed); diff != "" {
				t.Errorf("observed (-want +got):\n%s\nwhy: %s", diff, tc.why)
			}
		})
	}
}

func TestDoubtful(t *testing.T) {
	ids := func(all string) []string {
		var each []string
		for _, id := range all {
			each = append(each, string(id))
		}
		return each
	}
	for name, tc := range map[string]struct {
		why            string
		records, shown string // a letter each; "i" is a call that was to create a trigger
		change         func(*Input)
		before         string
		absent         []string
		doubtful       bool
	}{
		"nothing is held":             {why: "an empty list says nothing new"},
		"all is there":                {why: "nothing is missing", records: "ab", shown: "ba"},
		"all is gone":                 {why: "that is a large claim", records: "ab", absent: ids("ab"), doubtful: true},
		"the only one is gone":        {why: "all is gone", records: "a", absent: ids("a"), doubtful: true},
		"most is gone":                {why: "that is a large claim", records: "abc", shown: "c", absent: ids("ab"), doubtful: true},
		"half is gone":                {why: "somebody may clean up", records: "abcd", shown: "cd", absent: ids("ab")},
		"a second list says the same": {why: "then it is so", records: "abc", shown: "c", before: "ab", absent: ids("ab")},
		"a second list shows a part":  {why: "of what is still missing both say the same", records: "abcde", shown: "ce", before: "abde", absent: ids("abd")},
		"a second list says otherwise": {
			why: "lists that contradict each other are both in doubt", records: "abc", shown: "a", before: "ab", absent: ids("bc"), doubtful: true,
		},
		"the list may lag": {
			why: "what was written a moment ago need not be there", records: "ab",
			change: func(in *Input) {
				for i := range in.Objects[0].Records {
					in.Objects[0].Records[i].SentAt = listed
				}
			},
		},
		"updates have said that they are there": {
			why: "that lists leave them out is known", records: "ab",
			change: func(in *Input) {
				for i := range in.Objects[0].Records {
					in.Objects[0].Records[i].Repair = Repair{ReadHash: unlistedHash, LastAt: listed}
				}
			},
		},
		"what a call was to create is not there": {
			why: "once it is forgotten, its result would be somebody else's", records: "i", absent: []string{"a call for upload at " + urlA}, doubtful: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Objects: []Object{object("x", urlA)}, ListedAt: listed, Now: listed, Settle: settle}
			for _, id := range ids(tc.records) {
				record := made(id, urlA, "upload")
				if id == "i" {
					record = intended(start)
				}
				in.Objects[0].Records = append(in.Objects[0].Records, record)
			}
			for _, id := range ids(tc.shown) {
				in.Observed = append(in.Observed, there(id, urlA, "upload", plain()))
			}
			if tc.change != nil {
				tc.change(&in)
			}
			absent, held := Absent(in)
			if !slices.Equal(absent, tc.absent) {
				t.Errorf("absent: %q, want %q: %s", absent, tc.absent, tc.why)
			}
			if got := Doubtful(absent, held, ids(tc.before)); got != tc.doubtful {
				t.Errorf("doubtful: %t, want %t: %s", got, tc.doubtful, tc.why)
			}
		})
	}
}
