// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type judgeCase struct {
	why    string
	record func(*Record) // of a trigger at urlA that is in sync
	shown  Observed
	others []Observed // in the same list
	want   Settings   // plain where AuthScheme is empty
	at     string     // the URL wanted; urlA where empty

	verdict judgment
	repair  Repair
	keeps   func(*Record) // what is recorded, set against the record before; nil: nothing changes
}

func TestJudge(t *testing.T) {
	hash := SentHash(urlA, plain())
	now := listed.Add(time.Second)
	echoed := []string{fieldAdditive, fieldAuthScheme, fieldFilter, fieldPayloadTemplate}
	readsFilter := diff{differences: []Difference{{fieldFilter, "", filtered().Filter}}}
	differs := func(r *Record) { r.Echoed, r.Differences = echoed, readsFilter.differences }
	unconfirmed := func(r *Record) { r.ConfirmedHash = "" }
	repaired := func(repair Repair, confirmed bool) func(*Record) {
		return func(r *Record) {
			r.Repair = repair
			if !confirmed {
				r.ConfirmedHash = ""
			}
		}
	}
	inOrder := func(changes ...func(*Record)) func(*Record) {
		return func(r *Record) {
			for _, c := range changes {
				c(r)
			}
		}
	}
	echoes := func(r *Record) { r.Echoed = echoed }
	read := readsFilter.hash()

	for name, tc := range map[string]judgeCase{
		"sent, and shown": {
			why: "in sync", shown: there("1", urlA, "upload", plain()), verdict: inSync, keeps: echoes,
		},
		"sent, and shown for the first time": {
			why: "the write is confirmed", record: unconfirmed, shown: there("1", urlA, "upload", plain()),
			verdict: inSync, keeps: inOrder(echoes, func(r *Record) { r.ConfirmedHash = hash }),
		},
		"sent, and written in this pass": {
			why: "what was listed says nothing any more", record: unconfirmed,
			shown: there("1", urlA, "upload", filtered()).with(func(o *Observed) { o.Written = true }), verdict: confirming,
		},
		"something else sent, and written in this pass": {
			why: "what is there is not what is wanted", want: filtered(),
			shown:   there("1", urlA, "upload", filtered()).with(func(o *Observed) { o.Written = true }),
			verdict: update, keeps: func(r *Record) { r.SentHash, r.ConfirmedHash = "", "" },
		},
		"nothing sent, and shown as wanted": {
			why: "adopted as it is", record: func(r *Record) { r.SentHash, r.ConfirmedHash, r.SentAt = "", "", time.Time{} },
			shown: there("1", urlA, "upload", plain()), verdict: inSync,
			keeps: inOrder(echoes, func(r *Record) { r.SentHash, r.ConfirmedHash = hash, hash }),
		},
		"something else sent, and shown as wanted": {
			why: "the call was made before a crash", want: filtered(), shown: there("1", urlA, "upload", filtered()), verdict: inSync,
			keeps: inOrder(echoes, func(r *Record) {
				r.SentHash, r.ConfirmedHash, r.SentAt = SentHash(urlA, filtered()), SentHash(urlA, filtered()), time.Time{}
			}),
		},
		"something else sent just now, and shown as wanted": {
			why:    "the list may be older than the last write: a spec that is changed back is sent again",
			record: func(r *Record) { r.SentAt = listed.Add(-settle / 2) }, want: filtered(),
			shown: there("1", urlA, "upload", filtered()), verdict: update, keeps: echoes,
		},
		"something else sent, and not shown": {
			why: "the spec has changed", want: filtered(), shown: there("1", urlA, "upload", plain()), verdict: update,
			keeps: inOrder(echoes, func(r *Record) { r.Differences = []Difference{{fieldFilter, filtered().Filter, ""}} }),
		},
		"something else sent, and the list shows little": {
			why: "should the outcome get lost, no list will tell it; so nothing counts as sent", want: filtered(),
			shown: bare("1"), verdict: update, keeps: func(r *Record) { r.SentHash, r.ConfirmedHash = "", "" },
		},
		"sent, and the list shows little": {
			why: "the hash of what was sent decides", record: unconfirmed, shown: bare("1"),
			verdict: inSync, keeps: func(r *Record) { r.ConfirmedHash = hash },
		},
		"sent, and an older list shows little": {
			why: "it says nothing of the write", record: func(r *Record) { r.SentAt, r.ConfirmedHash = listed, "" }, shown: bare("1"),
			verdict: confirming,
		},
		"a field that was shown before": {
			why: "not shown now means default: somebody removed the filter", record: func(r *Record) { r.Echoed = []string{fieldFilter} },
			shown: bare("1"), verdict: inSync,
		},
		"a field that was shown before, and is wanted": {
			why: "somebody removed the filter", want: filtered(),
			record: func(r *Record) {
				r.Echoed, r.SentHash, r.ConfirmedHash = []string{fieldFilter}, SentHash(urlA, filtered()), SentHash(urlA, filtered())
			},
			shown: bare("1"), verdict: update, repair: Repair{
				ReadHash: diff{differences: []Difference{{fieldFilter, filtered().Filter, ""}}}.hash(), Updates: 1, Total: 1, LastAt: now,
			},
			keeps: func(r *Record) { r.Differences = []Difference{{fieldFilter, filtered().Filter, ""}} },
		},
		"a field that is shown for others": {
			why: "not shown here means default", record: func(r *Record) { r.SentHash, r.ConfirmedHash = "", "" },
			shown: bare("1"), others: []Observed{there("2", urlB, "upload", filtered())}, verdict: inSync,
			keeps: func(r *Record) { r.SentHash, r.ConfirmedHash, r.SentAt = hash, hash, time.Time{} },
		},
		"a field that is shown for flows": {
			why: "they are other things", record: func(r *Record) { r.SentHash, r.ConfirmedHash = "", "" }, shown: bare("1"),
			others:  []Observed{there("2", urlB, "upload", filtered()).with(func(o *Observed) { o.URIType = "flow" })},
			verdict: update,
		},
		"a field that the answer to a create shows": {
			why: "it says nothing about lists", record: func(r *Record) { r.SentHash, r.ConfirmedHash = "", "" }, shown: bare("1"),
			others:  []Observed{there("2", urlB, "upload", filtered()).with(func(o *Observed) { o.Written = true })},
			verdict: update,
		},
		"the filter in another form": {
			why: "to JSONLogic an operand and a list of one are the same", want: Settings{AuthScheme: DefaultAuthScheme, Filter: `{"!":{"var":"x"}}`},
			record: func(r *Record) {
				h := SentHash(urlA, Settings{AuthScheme: DefaultAuthScheme, Filter: `{"!":{"var":"x"}}`})
				r.SentHash, r.ConfirmedHash = h, h
			},
			shown:   there("1", urlA, "upload", Settings{AuthScheme: DefaultAuthScheme, Filter: `{"!":[{"var":["x"]}]}`}),
			verdict: inSync, keeps: echoes,
		},
		"unconfirmed, and the list may lag": {
			why: "look again", record: func(r *Record) { r.SentAt, r.ConfirmedHash = listed.Add(-settle+1), "" },
			shown: there("1", urlA, "upload", filtered()), verdict: confirming, keeps: differs,
		},
		"unconfirmed": {
			why: "an update in place had no effect: replace", record: unconfirmed, shown: there("1", urlA, "upload", filtered()),
			verdict: replace, repair: Repair{ReadHash: read, Replacements: 1, LastAt: now}, keeps: differs,
		},
		"unconfirmed after a replacement": {
			why: "once for a (sent, read) pair", record: repaired(Repair{ReadHash: read, Replacements: 1, LastAt: start}, false),
			shown: there("1", urlA, "upload", filtered()), verdict: stuck, keeps: differs,
		},
		"unconfirmed after a replacement, and something new is read": {
			why: "another pair", record: repaired(Repair{ReadHash: "other", Replacements: 1, LastAt: now.Add(-time.Minute)}, false),
			shown: there("1", urlA, "upload", filtered()), verdict: replace, repair: Repair{ReadHash: read, Replacements: 2, LastAt: now}, keeps: differs,
		},
		"unconfirmed after many replacements, and something new is read": {
			why: "no end to it, so there is one", record: repaired(Repair{ReadHash: "other", Replacements: maxReplacements, LastAt: now.Add(-time.Minute)}, false),
			shown: there("1", urlA, "upload", filtered()), verdict: stuck, keeps: differs,
		},
		"unconfirmed long after many replacements": {
			why: "a new hour", record: repaired(Repair{ReadHash: "other", Replacements: maxReplacements, LastAt: now.Add(-repairMemory)}, false),
			shown: there("1", urlA, "upload", filtered()), verdict: replace, repair: Repair{ReadHash: read, Replacements: 1, LastAt: now}, keeps: differs,
		},
		"stuck, and the spec changes": {
			why: "either side has changed", record: repaired(Repair{ReadHash: read, Replacements: 1, LastAt: start}, false), at: urlB,
			shown: there("1", urlA, "upload", plain()), verdict: update,
			keeps: inOrder(echoes, func(r *Record) { r.Differences = []Difference{{fieldURL, urlB, urlA}} }),
		},
		"drift": {
			why: "somebody changed it: written over", shown: there("1", urlA, "upload", filtered()),
			verdict: update, repair: Repair{ReadHash: read, Updates: 1, Total: 1, LastAt: now}, keeps: differs,
		},
		"the same drift again": {
			why: "written over once more", record: repaired(Repair{ReadHash: read, Updates: 1, LastAt: now.Add(-time.Minute)}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: update, repair: Repair{ReadHash: read, Updates: 2, Total: 1, LastAt: now}, keeps: differs,
		},
		"the same drift a third time": {
			why: "a tug-of-war ends", record: repaired(Repair{ReadHash: read, Updates: 2, LastAt: now.Add(-time.Minute)}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: stuck, keeps: inOrder(differs, func(r *Record) { r.Repair.Updates = 3 }),
		},
		"the same drift for hours": {
			why: "it stays ended", record: repaired(Repair{ReadHash: read, Updates: 3, LastAt: start}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: stuck, keeps: differs,
		},
		"the same drift after hours": {
			why: "it counts anew", record: repaired(Repair{ReadHash: read, Updates: 2, LastAt: now.Add(-repairMemory)}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: update, repair: Repair{ReadHash: read, Updates: 1, Total: 1, LastAt: now}, keeps: differs,
		},
		"another drift": {
			why: "the other side has changed", record: repaired(Repair{ReadHash: "other", Updates: 3, LastAt: now}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: update, repair: Repair{ReadHash: read, Updates: 1, Total: 1, LastAt: now}, keeps: differs,
		},
		"ever another drift": {
			why: "a tug-of-war in which nothing comes twice ends too", record: repaired(Repair{ReadHash: "other", Updates: 1, Total: maxRepairs, LastAt: now.Add(-time.Minute)}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: stuck, keeps: inOrder(differs, func(r *Record) { r.Repair.ReadHash, r.Repair.Updates = read, 3 }),
		},
		"another drift, not for the first time": {
			why: "they are counted", record: repaired(Repair{ReadHash: "other", Updates: 2, Total: maxRepairs - 1, LastAt: now.Add(-time.Minute)}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: update, repair: Repair{ReadHash: read, Updates: 1, Total: maxRepairs, LastAt: now}, keeps: differs,
		},
		"another drift, an hour after many": {
			why: "it counts anew", record: repaired(Repair{ReadHash: "other", Updates: 3, Total: maxRepairs, LastAt: now.Add(-repairMemory)}, true),
			shown: there("1", urlA, "upload", filtered()), verdict: update, repair: Repair{ReadHash: read, Updates: 1, Total: 1, LastAt: now}, keeps: differs,
		},
		"a tug-of-war that the other side gives up": {
			why: "it starts anew", record: repaired(Repair{ReadHash: read, Updates: 3, LastAt: now}, true),
			shown: there("1", urlA, "upload", plain()), verdict: inSync, keeps: inOrder(echoes, func(r *Record) { r.Repair = Repair{} }),
		},
		"a tug-of-war in a pause": {
			why: "it is not forgotten", record: repaired(Repair{ReadHash: read, Updates: 2, LastAt: now}, true),
			shown: there("1", urlA, "upload", plain()), verdict: inSync, keeps: echoes,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Observed: append([]Observed{tc.shown}, tc.others...), ListedAt: listed, Now: now, Settle: settle}
			record := made("1", urlA, "upload")
			if tc.record != nil {
				tc.record(&record)
			}
			if tc.want.AuthScheme == "" {
				tc.want = plain()
			}
			if tc.at == "" {
				tc.at = urlA
			}
			want := decision{tc.verdict, record, tc.repair}
			if tc.keeps != nil {
				tc.keeps(&want.record)
			}
			got := judge(in, fieldsShown(in.Observed), record, tc.shown, tc.at, tc.want)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(decision{})); diff != "" {
				t.Errorf("(-want +got):\n%s\nwhy: %s", diff, tc.why)
			}
		})
	}
}
