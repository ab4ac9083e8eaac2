// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestMakeMoves(t *testing.T) {
	runMake(t, map[string]makeCase{
		"another URL": {
			why:      "a move of a URL is always an update in place",
			objects:  []Object{object("x", urlB, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps: []string{"update 1 upload " + urlB + " for x spec"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Pending upload"},
			},
		},
		"another event type": {
			why:      "it cannot be changed in place: create before delete",
			objects:  []Object{object("x", urlA, "delete").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps:   []string{"create delete " + urlA + " for x spec", "delete 1 upload " + urlA + " for x released"},
				records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x Pending delete", "x Releasing upload"},
			},
		},
		"two objects swap their URLs": {
			why: "at each place is what is wanted there",
			objects: []Object{
				object("a", urlB, "upload").recorded(made("1", urlA, "upload")),
				object("b", urlA, "upload").recorded(made("2", urlB, "upload")),
			},
			observed: []Observed{there("1", urlA, "upload", plain()), there("2", urlB, "upload", plain())},
			want:     said{records: []string{"a 2 upload " + urlB + " Created", "b 1 upload " + urlA + " Created"}},
		},
		"somebody swapped their URLs": {
			why: "the same, and no update aims at a place that is taken",
			objects: []Object{
				object("a", urlB, "upload").recorded(made("1", urlB, "upload")),
				object("b", urlA, "upload").recorded(made("2", urlA, "upload")),
			},
			observed: []Observed{there("1", urlA, "upload", plain()), there("2", urlB, "upload", plain())},
			want:     said{records: []string{"a 2 upload " + urlB + " Created", "b 1 upload " + urlA + " Created"}},
		},
		"a move that the list does not show yet": {
			why: "the other object must not take what the list still shows at the old place",
			objects: []Object{
				object("a", urlB, "upload").recorded(made("1", urlB, "upload").with(func(r *Record) { r.SentAt, r.ConfirmedHash = listed.Add(-settle/2), "" })),
				object("b", urlA, "upload"),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps: []string{"create upload " + urlA + " for b spec"}, records: []string{"a 1 upload " + urlB + " Created"},
				findings: []string{"a Confirming upload", "b Pending upload"},
			},
		},
		"a move that the list does not show yet, and both places are wanted": {
			why: "it cannot be told where the trigger is, and neither place may become empty",
			objects: []Object{
				object("a", urlA, "upload").recorded(made("1", urlB, "upload").with(func(r *Record) { r.SentAt, r.ConfirmedHash = listed.Add(-settle/2), "" })),
				object("b", urlB, "upload"),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				records:  []string{"a 1 upload " + urlB + " Created"},
				findings: []string{"a Confirming upload", "b Confirming upload"},
			},
		},
		"somebody moved it": {
			why:      "it is ours by its id, and is fetched back",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlB, "upload", plain())},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x drift"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Pending upload"},
			},
		},
		"somebody moved it, and made another in its place": {
			why:      "to fetch it back would be refused; what is there is adopted, and its differences are written over",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlB, "upload", plain()), there("2", urlA, "upload", plain())},
			want: said{
				steps:    []string{"delete 1 upload " + urlA + " for x released"},
				records:  []string{"x 1 upload " + urlA + " Created", "x 2 upload " + urlA + " Adopted"},
				findings: []string{"x Releasing upload"},
			},
		},
		"somebody moved it, and made another in its place that may not be adopted": {
			why: "the object keeps what it has",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).
				with(func(o *Object) { o.RefuseAdopt = true })},
			observed: []Observed{there("1", urlB, "upload", plain()), there("2", urlA, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x AlreadyExists upload"}},
		},
		"an update whose outcome was never stored": {
			why:      "the list shows that it took effect",
			objects:  []Object{object("x", urlB, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlB, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlB + " Created"}},
		},
		"a replacement was interrupted, and the list lags": {
			why: "the newer of the two is the one that exists",
			objects: []Object{object("x", urlA, "upload").recorded(
				made("1", urlA, "upload"), intended(listed.Add(-settle/2)),
			)},
			observed: []Observed{there("1", urlA, "upload", plain()), there("2", urlA, "upload", plain()).with(func(o *Observed) { o.CreatedAt = listed.Add(-settle / 2) })},
			want: said{
				steps:    []string{"delete 1 upload " + urlA + " for x released"},
				records:  []string{"x 1 upload " + urlA + " Created", "x 2 upload " + urlA + " Created"},
				findings: []string{"x Releasing upload"},
			},
		},
	})
}

func TestMakeWithinTheURLLimit(t *testing.T) {
	limit := func(n int) func(*Input) { return func(in *Input) { in.URLLimit = n } }
	foreign := there("9", "https://foreign.example/", "upload", plain())
	runMake(t, map[string]makeCase{
		"two new URLs, room for one": {
			why:      "the older object wins",
			objects:  []Object{object("b", urlB, "upload"), object("a", urlA, "upload", "delete")},
			observed: []Observed{foreign},
			change:   limit(2),
			want: said{
				steps:    []string{"create delete " + urlA + " for a spec", "create upload " + urlA + " for a spec"},
				findings: []string{"a Pending delete upload", "b URLLimitReached upload"},
			},
		},
		"a URL in use": {
			why:      "another event type there needs no room",
			objects:  []Object{object("a", "https://foreign.example", "delete")},
			observed: []Observed{foreign},
			change:   limit(1),
			want:     said{steps: []string{"create delete https://foreign.example for a spec"}, findings: []string{"a Pending delete"}},
		},
		"beyond the limit already": {
			why:      "what exists stays",
			objects:  []Object{object("a", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{foreign, there("1", urlA, "upload", plain())},
			change:   limit(1),
			want:     said{records: []string{"a 1 upload " + urlA + " Created"}},
		},
		"the whole URL moves at the limit": {
			why: "the number of URLs stays as it is",
			objects: []Object{
				object("a", urlB, "delete", "upload").recorded(made("1", urlA, "upload"), made("2", urlA, "delete")),
			},
			observed: []Observed{foreign, there("1", urlA, "upload", plain()), there("2", urlA, "delete", plain())},
			change:   limit(2),
			want: said{
				steps:    []string{"update 2 delete " + urlB + " for a spec", "update 1 upload " + urlB + " for a spec"},
				records:  []string{"a 2 delete " + urlA + " Created", "a 1 upload " + urlA + " Created"},
				findings: []string{"a Pending delete upload"},
			},
		},
		"a part of a URL moves at the limit": {
			why: "it would be one URL more, so the old one is kept, and nothing is deleted to make room",
			objects: []Object{
				object("a", urlB, "upload").recorded(made("1", urlA, "upload")),
				object("b", urlA, "delete").recorded(made("2", urlA, "delete")),
			},
			observed: []Observed{foreign, there("1", urlA, "upload", plain()), there("2", urlA, "delete", plain())},
			change:   limit(2),
			want: said{
				records:  []string{"a 1 upload " + urlA + " Created", "b 2 delete " + urlA + " Created"},
				findings: []string{"a URLLimitReached upload"},
			},
		},
		"what is deleted leaves room": {
			why: "but only once it is gone",
			objects: []Object{
				object("a", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases), object("b", urlB, "delete"),
			},
			observed: []Observed{foreign, there("1", urlA, "upload", plain())},
			change:   limit(2),
			want: said{
				steps: []string{"delete 1 upload " + urlA + " for a released"}, records: []string{"a 1 upload " + urlA + " Created"},
				findings: []string{"a Releasing upload", "b URLLimitReached delete"},
			},
		},
		"a call under way": {
			why: "its URL may be in use",
			objects: []Object{
				object("b", urlA, "upload").recorded(intended(listed.Add(-settle / 2))), object("c", urlB, "upload"),
			},
			observed: []Observed{foreign},
			change:   limit(2),
			want:     said{records: []string{"b upload " + urlA + " Created"}, findings: []string{"b Confirming upload", "c URLLimitReached upload"}},
		},
		"fetching back where the room is taken": {
			why: "somebody moved it, and then the URLs were used up",
			objects: []Object{
				object("a", urlA, "upload").recorded(made("1", urlA, "upload")),
			},
			observed: []Observed{foreign, there("1", "https://foreign.example", "upload", plain())},
			change:   limit(1),
			want:     said{records: []string{"a 1 upload " + urlA + " Created"}, findings: []string{"a URLLimitReached upload"}},
		},
		"fetched back and handed over, no room": {
			why: "what an object took over and may not move stays recorded",
			objects: []Object{
				object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases), object("c", urlA, "upload"),
			},
			observed: []Observed{foreign, there("1", "https://foreign.example", "upload", plain())},
			change:   limit(1),
			want:     said{records: []string{"c 1 upload " + urlA + " Created"}, findings: []string{"c URLLimitReached upload"}},
		},
		"room for one URL, wanted by one that is fetched back": {
			why: "the older object first, whether its trigger exists or not",
			objects: []Object{
				object("a", urlA, "upload").recorded(made("1", urlA, "upload")), object("b", urlB, "upload"),
			},
			observed: []Observed{foreign, there("1", "https://foreign.example", "upload", plain())},
			change:   limit(2),
			want: said{
				steps: []string{"update 1 upload " + urlA + " for a drift"}, records: []string{"a 1 upload " + urlA + " Created"},
				findings: []string{"a Pending upload", "b URLLimitReached upload"},
			},
		},
	})
}

func TestMakeReleases(t *testing.T) {
	cases := map[string]makeCase{}
	for _, row := range []struct {
		deletion Deletion
		origin   Origin
		deletes  bool
		why      string
	}{
		{DeleteCreated, Created, true, "what we created is deleted"},
		{DeleteCreated, Adopted, false, "what we adopted is kept"},
		{DeleteAll, Created, true, "the policy says so"},
		{DeleteAll, Adopted, true, "the policy says so"},
		{RetainAll, Created, false, "the policy says so"},
		{RetainAll, Adopted, false, "the policy says so"},
	} {
		o := object("x", urlA, "upload").recorded(made("1", urlA, "upload").with(func(r *Record) { r.Origin = row.origin })).is(Releases)
		o.Deletion = row.deletion
		tc := makeCase{why: row.why, objects: []Object{o}, observed: []Observed{there("1", urlA, "upload", plain())}}
		tc.want = said{released: []string{"x 1 upload " + urlA + " " + string(row.origin)}}
		if row.deletes {
			tc.want = said{
				steps: []string{"delete 1 upload " + urlA + " for x released"}, records: []string{"x 1 upload " + urlA + " " + string(row.origin)},
				findings: []string{"x Releasing upload"},
			}
		}
		cases[string(row.origin)+[...]string{" by origin", " deleted", " retained"}[row.deletion]] = tc
	}
	cases["an intent that came to nothing"] = makeCase{
		why:     "nothing holds the object any more",
		objects: []Object{object("x", urlA, "upload").recorded(intended(start)).is(Releases)},
	}
	twice := object("x", urlA, "upload").with(func(o *Object) { o.Deletion = RetainAll }).recorded(
		made("1", urlA, "upload").with(func(r *Record) { r.SentAt = listed }), made("2", urlA, "upload"))
	cases["what an interrupted replacement left"] = makeCase{
		why:      "the policy is about what the object leaves behind, and not about what it has twice",
		objects:  []Object{twice},
		observed: []Observed{there("1", urlA, "upload", plain()), there("2", urlA, "upload", plain())},
		want: said{
			steps:    []string{"delete 2 upload " + urlA + " for x released"},
			records:  []string{"x 1 upload " + urlA + " Created", "x 2 upload " + urlA + " Created"},
			findings: []string{"x Releasing upload"},
		},
	}
	cases["what an interrupted replacement may have left"] = makeCase{
		why:      "if the other one is gone, this one is needed",
		objects:  []Object{twice},
		observed: []Observed{there("2", urlA, "upload", plain())},
		want: said{
			records:  []string{"x 1 upload " + urlA + " Created", "x 2 upload " + urlA + " Created"},
			findings: []string{"x Confirming upload"},
		},
	}
	cases["a trigger that was created just now"] = makeCase{
		why:     "the list does not show it yet, but its id is known",
		objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload").with(func(r *Record) { r.SentAt = listed })).is(Releases)},
		want: said{
			steps: []string{"delete 1 upload " + urlA + " for x released"}, records: []string{"x 1 upload " + urlA + " Created"},
			findings: []string{"x Releasing upload"},
		},
	}
	runMake(t, cases)
}

func TestMakeForThoseThatWriteNothing(t *testing.T) {
	runMake(t, map[string]makeCase{
		"observing what differs": {
			why:      "told, and nothing written, not even a record",
			objects:  []Object{object("x", urlA, "upload", "delete", "eager").is(Observes)},
			observed: []Observed{there("8", urlA, "upload", filtered()), there("9", urlA, "delete", plain())},
			want:     said{findings: []string{"x Drifted eager upload filter"}},
		},
		"observing what was ours": {
			why:      "its record stays, gone or not: observing ends some day",
			objects:  []Object{object("x", urlA, "upload", "delete").recorded(made("1", urlB, "upload"), made("2", urlA, "delete")).is(Observes)},
			observed: []Observed{there("1", urlB, "upload", plain())},
			want: said{
				records:  []string{"x 2 delete " + urlA + " Created", "x 1 upload " + urlB + " Created"},
				findings: []string{"x Drifted delete upload url"},
			},
		},
		"holding": {
			why:      "what it has stays, wanted or not",
			objects:  []Object{object("x", "", "upload").recorded(made("1", urlA, "delete"), made("2", urlA, "eager")).is(Keeps)},
			observed: []Observed{there("1", urlA, "delete", filtered())},
			want:     said{records: []string{"x 1 delete " + urlA + " Created", "x 2 eager " + urlA + " Created"}},
		},
	})
}

// Nothing waits for a Secret that is not named any more, as long as the present one gives access to
// the same product environment.
func TestMakeNeedsTheFormerSecretNoLongerThanItMust(t *testing.T) {
	former := func(r Record) Record { return r.with(func(r *Record) { r.Secret = key("former") }) }
	foreign := there("9", "https://foreign.example/", "upload", plain())
	at := there("1", urlA, "upload", plain())
	for name, tc := range map[string]struct {
		object   Object
		observed []Observed
		want     Key
	}{
		"in sync":                    {object("x", urlA, "upload").recorded(former(made("1", urlA, "upload"))), []Observed{at}, key("secret")},
		"kept, for it has no room":   {object("x", urlB, "upload").recorded(former(made("1", urlA, "upload"))), []Observed{foreign, foreign, at, there("2", urlA, "delete", plain())}, key("secret")},
		"a call under way":           {object("x", urlA, "upload").recorded(former(intended(listed.Add(-settle / 2)))), nil, key("secret")},
		"observed":                   {object("x", urlA, "upload").recorded(former(made("1", urlA, "upload"))).is(Observes), []Observed{at}, key("secret")},
		"observed, and gone":         {object("x", urlA, "upload").recorded(former(made("1", urlA, "upload"))).is(Observes), nil, key("secret")},
		"nobody knows what it wants": {object("x", urlA, "upload").recorded(former(made("1", urlA, "upload"))).is(Keeps), []Observed{at}, key("former")},
		"not wanted":                 {object("x", urlA, "upload").recorded(former(made("1", urlA, "upload"))).is(Releases), []Observed{at}, key("former")},
	} {
		t.Run(name, func(t *testing.T) {
			p := Make(Input{Objects: []Object{tc.object}, Observed: tc.observed, ListedAt: listed, Now: listed.Add(time.Second), URLLimit: 2, Settle: settle})
			records := p.Verdicts[key("x")].Records
			if len(records) != 1 || records[0].Secret != tc.want {
				t.Errorf("records %+v, want one with Secret %v", records, tc.want)
			}
		})
	}
}

func TestMakeRemembersRefusals(t *testing.T) {
	hash := SentHash(urlA, plain())
	refused := func(r Refusal) func(*Input) {
		return func(in *Input) {
			if r.Until.IsZero() {
				r.Until = in.Now.Add(time.Minute)
			}
			if r.At.IsZero() {
				r.At = in.Now
			}
			in.Refusals = map[Place]Refusal{{urlA, "upload"}: r}
		}
	}
	wants := []Object{object("x", urlA, "upload")}
	asked := said{steps: []string{"create upload " + urlA + " for x spec"}, findings: []string{"x Pending upload"}}
	foreign := there("9", "https://foreign.example/", "upload", plain())
	urls := hashOf(foreign.URL)
	before := listed.Add(-time.Second)
	released := []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)}
	runMake(t, map[string]makeCase{
		"the same": {
			why: "it would be refused again", objects: wants, change: refused(Refusal{Action: Create, Hash: hash, Message: "no"}),
			want: said{findings: []string{"x Rejected upload no"}},
		},
		"another value":  {why: "it may be accepted", objects: wants, change: refused(Refusal{Action: Create, Hash: "other", Message: "no"}), want: asked},
		"another action": {why: "it may be accepted", objects: wants, change: refused(Refusal{Action: Update, Hash: hash, Message: "no"}), want: asked},
		"long ago":       {why: "the server may have changed its mind", objects: wants, change: refused(Refusal{Action: Create, Hash: hash, Until: listed}), want: asked},
		"the limit, the same URLs": {
			why: "there is no more room", objects: wants, observed: []Observed{foreign},
			change: refused(Refusal{Action: Create, Hash: hash, Limit: true, URLs: urls, Message: "limit_reached"}),
			want:   said{findings: []string{"x URLLimitReached upload limit_reached"}},
		},
		"the limit, other URLs": {
			why: "there may be room", objects: wants, change: refused(Refusal{Action: Create, Hash: hash, Limit: true, URLs: urls}), want: asked,
		},
		"a move, the same URLs": {
			why: "the URL that it would leave is still in use, so that it takes no room to use it",
			objects: []Object{
				object("x", urlB, "delete", "upload").recorded(made("1", urlA, "upload"), made("2", urlA, "delete")), object("y", urlA, "eager"),
			},
			observed: []Observed{there("1", urlA, "upload", plain()), there("2", urlA, "delete", plain())},
			change: func(in *Input) {
				in.URLLimit, in.Refusals = 1, map[Place]Refusal{}
				for _, eventType := range []string{"delete", "upload"} {
					in.Refusals[Place{urlB, eventType}] = Refusal{
						Action: Update, Hash: SentHash(urlB, plain()), Limit: true, URLs: hashOf(urlA), Message: "limit_reached", Until: in.Now.Add(time.Minute),
					}
				}
			},
			want: said{
				steps:    []string{"create eager " + urlA + " for y spec"},
				records:  []string{"x 2 delete " + urlA + " Created", "x 1 upload " + urlA + " Created"},
				findings: []string{"x URLLimitReached delete upload limit_reached", "y Pending eager"},
			},
		},
		"a delete": {
			why: "it is waited for, and the message says why", objects: released, observed: []Observed{there("1", urlA, "upload", plain())},
			change: refused(Refusal{Action: Delete, Hash: hashOf("1"), Message: "no"}),
			want:   said{records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x DeletionRefused upload no"}},
		},
		"a delete, and a list since": {
			why: "what kept it from being deleted may be gone", objects: released, observed: []Observed{there("1", urlA, "upload", plain())},
			change: refused(Refusal{Action: Delete, Hash: hashOf("1"), Message: "no", At: before, Times: 1}),
			want: said{
				steps:   []string{"delete 1 upload " + urlA + " for x released"},
				records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x Releasing upload"},
			},
		},
		"a trigger that is there already": {
			why: "only a list can tell more", objects: wants,
			change: refused(Refusal{Action: Create, Hash: hash, Exists: true, Message: "record_already_exists"}),
			want:   said{findings: []string{"x PlaceTaken upload record_already_exists"}},
		},
		"a trigger that is there already, which a list shows by now": {
			why: "it is adopted, as any", objects: wants, observed: []Observed{there("9", urlA, "upload", plain())},
			change: refused(Refusal{Action: Create, Hash: hash, Exists: true, Message: "record_already_exists"}),
			want:   said{records: []string{"x 9 upload " + urlA + " Adopted"}},
		},
		"a trigger that is there already, and a list since that does not show it": {
			why: "it may be gone", objects: wants, change: refused(Refusal{Action: Create, Hash: hash, Exists: true, At: before, Times: 1}), want: asked,
		},
		"a trigger that is there already, twice in a row, and a list a moment later": {
			why: "each list would cost a call", objects: wants,
			change: refused(Refusal{Action: Create, Hash: hash, Exists: true, Message: "record_already_exists", At: before, Times: 2}),
			want:   said{findings: []string{"x PlaceTaken upload record_already_exists"}},
		},
		"a trigger that is there already, twice in a row, and a list a while later": {
			why: "it may be gone", objects: wants,
			change: refused(Refusal{Action: Create, Hash: hash, Exists: true, At: listed.Add(-firstStatePause), Times: 2}), want: asked,
		},
		"a trigger of another kind that is in the way": {
			why: "as long as it is there the same would be refused, and a person is told which it is", objects: wants,
			observed: []Observed{there("9", urlA, "upload", plain()).with(func(o *Observed) { o.URIType = "flow" })},
			change:   refused(Refusal{Action: Create, Hash: hash, Exists: true, At: before, Times: 1}),
			want:     said{findings: []string{"x AlreadyExists upload flow 9"}},
		},
		"one delete of two": {
			why:      "the refusal is told of the one alone, and the other is made",
			objects:  []Object{object("x", urlA, "delete", "upload").recorded(made("2", urlA, "delete"), made("1", urlA, "upload")).is(Releases)},
			observed: []Observed{there("2", urlA, "delete", plain()), there("1", urlA, "upload", plain())},
			change:   refused(Refusal{Action: Delete, Hash: hashOf("1"), Message: "no"}),
			want: said{
				steps:    []string{"delete 2 delete " + urlA + " for x released"},
				records:  []string{"x 2 delete " + urlA + " Created", "x 1 upload " + urlA + " Created"},
				findings: []string{"x DeletionRefused upload no", "x Releasing delete"},
			},
		},
		"half a replacement": {
			why: "neither half is asked for again",
			objects: []Object{object("x", urlA, "upload").
				recorded(made("1", urlA, "upload").with(func(r *Record) { r.ConfirmedHash = "" }))},
			observed: []Observed{there("1", urlA, "upload", filtered())},
			change:   refused(Refusal{Action: Delete, Hash: hash, Message: "no"}),
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x Rejected upload no"}},
		},
	})
}

func TestMakeSaysWhoGave(t *testing.T) {
	p := Make(Input{
		Objects: []Object{
			object("a", urlB, "upload").recorded(made("1", urlA, "upload")),
			object("b", urlA, "upload").recorded(made("2", urlB, "upload")),
			object("c", urlC, "upload").recorded(made("3", urlC, "upload")),
		},
		Observed: []Observed{there("3", urlC, "upload", plain()), there("1", urlA, "upload", plain()), there("2", urlB, "upload", plain())},
		ListedAt: listed, Now: listed, URLLimit: 30, Settle: settle,
	})
	if diff := cmp.Diff([]Key{key("a"), key("b")}, p.Handovers); diff != "" {
		t.Errorf("givers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{urlA, urlB, urlC}, p.URLs); diff != "" {
		t.Errorf("URLs (-want +got):\n%s", diff)
	}
	given := map[string][]string{}
	for k, v := range p.Verdicts {
		for _, r := range v.Giving {
			given[k.Name] = append(given[k.Name], r.ID)
		}
	}
	if diff := cmp.Diff(map[string][]string{"a": {"1"}, "b": {"2"}}, given); diff != "" {
		t.Errorf("what each keeps until the other has stored it (-want +got):\n%s", diff)
	}
}

// The plan names problems as the API names reasons. It cannot take the API's constants, since it
// knows no Kubernetes.
func TestProblemsAreReasonsOfTheAPI(t *testing.T) {
	var ofSpec []Problem
	for _, p := range problemOrder() {
		condition := v1alpha1.ConditionSynced
		if p.OfSpec() {
			condition, ofSpec = v1alpha1.ConditionAccepted, append(ofSpec, p)
		}
		if !slices.Contains(v1alpha1.ReasonsOf(condition, metav1.ConditionFalse), string(p)) {
			t.Errorf("%s is no reason of %s=False", p, condition)
		}
	}
	if diff := cmp.Diff([]Problem{Conflict, AlreadyExists, URLLimitReached, Rejected}, ofSpec); diff != "" {
		t.Errorf("problems of the spec (-want +got):\n%s", diff)
	}
}
