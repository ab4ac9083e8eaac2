// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	urlA = "https://a.example/"
	urlB = "https://b.example/"
	urlC = "https://c.example/"
)

// listed is when the lists of the tables were begun, long after everything that stands in a record.
var listed = start.Add(24 * time.Hour)

func plain() Settings { return Settings{AuthScheme: DefaultAuthScheme} }

func filtered() Settings {
	return Settings{AuthScheme: DefaultAuthScheme, Filter: `{"==":[{"var":"resource_type"},"image"]}`}
}

func key(name string) Key { return Key{"ns", name} }

// object is older than any that comes after it in the alphabet.
func object(name, url string, types ...string) Object {
	return Object{
		Key: key(name), Created: start.Add(time.Duration(name[0]) * time.Second), URL: url, EventTypes: types,
		Settings: plain(), Secret: key("secret"),
	}
}

func (o Object) with(change func(*Object)) Object {
	change(&o)
	return o
}

func (o Object) recorded(records ...Record) Object {
	o.Records = records
	return o
}

func (o Object) is(s Stance) Object {
	o.Stance = s
	return o
}

// made is the record of a trigger that we created, and that a list has shown.
func made(id, url, eventType string) Record {
	hash := SentHash(url, plain())
	return Record{
		EventType: eventType, URL: url, Secret: key("secret"), ID: id, Origin: Created,
		SentHash: hash, ConfirmedHash: hash, SentAt: start,
	}
}

// intended is the record of a call that was to create an upload trigger.
func intended(at time.Time) Record {
	return Record{EventType: "upload", URL: urlA, Secret: key("secret"), Origin: Created, IntendedAt: at, SentHash: SentHash(urlA, plain())}
}

func (r Record) with(change func(*Record)) Record {
	change(&r)
	return r
}

// there is a trigger as a list shows it with all its fields.
func there(id, url, eventType string, s Settings) Observed {
	return Observed{
		ID: id, URIType: WebhookType, URL: url, EventType: eventType, CreatedAt: start,
		Additive: &s.Additive, Filter: &s.Filter, PayloadTemplate: &s.PayloadTemplate, AuthScheme: &s.AuthScheme,
	}
}

// bare is an upload trigger as an old server shows it.
func bare(id string) Observed {
	return Observed{ID: id, URL: urlA, EventType: "upload", CreatedAt: start}
}

func (o Observed) with(change func(*Observed)) Observed {
	change(&o)
	return o
}

// said is what a plan says, in a line for each step, record and finding.
type said struct {
	steps    []string
	records  []string
	findings []string
}

func say(p Plan) said {
	var s said
	for _, step := range p.Steps {
		s.steps = append(s.steps, join(step.Action.String(), step.ID, step.EventType, step.URL, "for", step.Object.Name, string(step.Cause)))
	}
	var names []string
	for k := range p.Verdicts {
		names = append(names, k.Name)
	}
	for _, name := range sorted(names) {
		v := p.Verdicts[key(name)]
		for _, r := range v.Records {
			s.records = append(s.records, join(name, r.ID, r.EventType, r.URL, string(r.Origin)))
		}
		for _, f := range v.Findings {
			line := append([]string{name, string(f.Problem)}, f.EventTypes...)
			line = append(line, f.Other.Name, f.Message)
			s.findings = append(s.findings, join(append(line, f.Fields...)...))
		}
	}
	return s
}

func join(words ...string) string {
	line := ""
	for _, w := range words {
		if w != "" && line != "" {
			line += " "
		}
		line += w
	}
	return line
}

type makeCase struct {
	why      string
	objects  []Object
	observed []Observed
	change   func(*Input)
	want     said
}

func runMake(t *testing.T, cases map[string]makeCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := Input{
				Objects: tc.objects, Observed: tc.observed, ListedAt: listed, Now: listed.Add(time.Second),
				URLLimit: 30, Settle: settle,
			}
			if tc.change != nil {
				tc.change(&in)
			}
			before := clone(in)
			got := Make(in)
			if diff := cmp.Diff(before, in); diff != "" {
				t.Errorf("Make changed its input (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, say(got), cmp.AllowUnexported(said{})); diff != "" {
				t.Errorf("(-want +got):\n%s\nwhy: %s", diff, tc.why)
			}
		})
	}
}

func TestMakeByPlace(t *testing.T) {
	adopted := func(r *Record) { r.Origin = Adopted }
	runMake(t, map[string]makeCase{
		"nothing wanted, nothing there": {why: "nothing to do"},
		"nothing there, wanted": {
			why:     "a trigger for each event type",
			objects: []Object{object("x", urlA, "upload", "delete", "upload")},
			want: said{
				steps:    []string{"create delete " + urlA + " for x spec", "create upload " + urlA + " for x spec"},
				findings: []string{"x Pending delete upload"},
			},
		},
		"nothing there, wanted and recorded": {
			why:     "somebody deleted it, so it is created again",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			want:    said{steps: []string{"create upload " + urlA + " for x drift"}, findings: []string{"x Pending upload"}},
		},
		"nothing there, recorded, nobody wants it": {
			why:     "gone already",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
		},
		"nothing there, call under way": {
			why:     "only a list begun after the call can tell",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-settle / 2)))},
			want:    said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x Confirming upload"}},
		},
		"nothing there, call long ago": {
			why:     "the call had no effect, so it may be made again",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-settle)))},
			want:    said{steps: []string{"create upload " + urlA + " for x spec"}, findings: []string{"x Pending upload"}},
		},
		"nothing there, call under way, nobody wants it any more": {
			why:     "its intent holds the release",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-settle / 2))).is(Releases)},
			want:    said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x Releasing upload"}},
		},
		"a call under way that a changed spec does not want": {
			why:     "once it is known whether the trigger exists, it can be moved",
			objects: []Object{object("x", urlB, "upload").recorded(intended(listed.Add(-settle / 2)))},
			want:    said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x Confirming upload"}},
		},
		"the result of a call, at what the spec wanted then": {
			why:      "found by the intent, and moved to what the spec wants now",
			objects:  []Object{object("x", urlB, "upload").recorded(intended(start))},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps: []string{"update 1 upload " + urlB + " for x spec"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Pending upload"},
			},
		},
		"the result of a call, to be released": {
			why:      "we created it, so it is deleted",
			objects:  []Object{object("x", urlA, "upload").recorded(intended(start)).is(Releases)},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps: []string{"delete 1 upload " + urlA + " for x released"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Releasing upload"},
			},
		},
		"a trigger from before the call": {
			why: "created_at says that it cannot be its result; somebody else's is adopted as such",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-time.Hour))).
				with(func(o *Object) { o.RefuseAdopt = true })},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{findings: []string{"x AlreadyExists upload"}},
		},
		"a trigger of the second in which the call was made": {
			why:      "created_at counts in seconds",
			objects:  []Object{object("x", urlA, "upload").recorded(intended(start.Add(900 * time.Millisecond)))},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"a trigger in a list begun before the call": {
			why:      "it cannot be its result, whatever its second says",
			objects:  []Object{object("x", urlA, "upload").recorded(intended(listed.Add(900 * time.Millisecond)))},
			observed: []Observed{there("1", urlA, "upload", plain()).with(func(o *Observed) { o.CreatedAt = listed })},
			want:     said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x Confirming upload"}},
		},
		"a trigger, nobody's, not wanted": {
			why:      "none of our business",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlA, "upload", plain()), there("9", urlA, "delete", plain()), there("8", urlB, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"a trigger, nobody's, wanted": {
			why:      "adopted; it is as wanted, so there is nothing to write",
			objects:  []Object{object("x", urlA, "upload")},
			observed: []Observed{there("9", "https://A.example:443", "upload", plain())},
			want:     said{records: []string{"x 9 upload " + urlA + " Adopted"}},
		},
		"a trigger, nobody's, wanted with other settings": {
			why:      "absent means Cloudinary's default, on adoption too",
			objects:  []Object{object("x", urlA, "upload")},
			observed: []Observed{there("9", urlA, "upload", filtered())},
			want: said{
				steps: []string{"update 9 upload " + urlA + " for x adoption"}, records: []string{"x 9 upload " + urlA + " Adopted"},
				findings: []string{"x Pending upload"},
			},
		},
		"a trigger, nobody's, of which the list shows little": {
			why:      "unknown is not default",
			objects:  []Object{object("x", urlA, "upload")},
			observed: []Observed{bare("9")},
			want: said{
				steps: []string{"update 9 upload " + urlA + " for x adoption"}, records: []string{"x 9 upload " + urlA + " Adopted"},
				findings: []string{"x Pending upload"},
			},
		},
		"two triggers, nobody's, at one place": {
			why:      "the one that needs no change; the other is left alone",
			objects:  []Object{object("x", urlA, "upload").with(func(o *Object) { o.Settings = filtered() })},
			observed: []Observed{there("8", urlA, "upload", plain()), there("9", urlA, "upload", filtered())},
			want:     said{records: []string{"x 9 upload " + urlA + " Adopted"}},
		},
		"a trigger, nobody's, adoption refused": {
			why:      "neither adopted nor doubled",
			objects:  []Object{object("x", urlA, "upload").with(func(o *Object) { o.RefuseAdopt = true })},
			observed: []Observed{there("9", urlA, "upload", plain())},
			want:     said{findings: []string{"x AlreadyExists upload"}},
		},
		"adoption refused at a new URL": {
			why: "a wish that is refused keeps what there was",
			objects: []Object{object("x", urlB, "upload").recorded(made("1", urlA, "upload")).
				with(func(o *Object) { o.RefuseAdopt = true })},
			observed: []Observed{there("1", urlA, "upload", plain()), there("9", urlB, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x AlreadyExists upload"}},
		},
		"its own": {
			why:      "in sync",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"its own, no webhook any more": {
			why:      "flow and poll are never touched",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
			observed: []Observed{there("1", urlA, "upload", plain()).with(func(o *Observed) { o.URIType = "flow" })},
		},
		"a flow at the place": {
			why:      "it is as if it were not there",
			objects:  []Object{object("x", urlA, "upload")},
			observed: []Observed{there("9", urlA, "upload", plain()).with(func(o *Observed) { o.URIType = "flow" })},
			want:     said{steps: []string{"create upload " + urlA + " for x spec"}, findings: []string{"x Pending upload"}},
		},
		"another's, which is deleted": {
			why:      "a rename costs no call",
			objects:  []Object{object("x", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"another's, of which a list shows little": {
			why:      "what was sent goes with the record, so a rename costs no call here either",
			objects:  []Object{object("x", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
			observed: []Observed{bare("1")},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"another's, which is deleted, with other settings": {
			why: "handed over first, then changed in place",
			objects: []Object{
				object("x", urlA, "upload").with(func(o *Object) { o.Settings = filtered() }),
				object("b", urlA, "upload").recorded(made("1", urlA, "upload").with(adopted)).is(Releases),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x spec"}, records: []string{"x 1 upload " + urlA + " Adopted"},
				findings: []string{"x Pending upload"},
			},
		},
		"another's, whose call is under way": {
			why: "its owner sees its call through; then there is something to hand over",
			objects: []Object{
				object("x", urlA, "upload"),
				object("b", urlA, "upload").recorded(intended(listed.Add(-settle / 2))).is(Releases),
			},
			want: said{records: []string{"b upload " + urlA + " Created"}, findings: []string{"x Confirming upload"}},
		},
		"another's, and the hand-over was interrupted": {
			why: "two records of one trigger: the rest goes, the trigger stays",
			objects: []Object{
				object("x", urlA, "upload").recorded(made("1", urlA, "upload")),
				object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"an interrupted hand-over to one that writes nothing now": {
			why: "the one that is deleted must not take the trigger with it",
			objects: []Object{
				object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Holds),
				object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}},
		},
		"an interrupted hand-over, and both moved on": {
			why: "one trigger cannot be moved to two URLs",
			objects: []Object{
				object("b", urlB, "upload").recorded(made("1", urlA, "upload")),
				object("c", urlC, "upload").recorded(made("1", urlA, "upload")),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps:    []string{"update 1 upload " + urlB + " for b spec", "create upload " + urlC + " for c spec"},
				records:  []string{"b 1 upload " + urlA + " Created"},
				findings: []string{"b Pending upload", "c Pending upload"},
			},
		},
		"an interrupted hand-over, and both are deleted": {
			why: "one call is enough",
			objects: []Object{
				object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases),
				object("c", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want: said{
				steps: []string{"delete 1 upload " + urlA + " for b released"}, records: []string{"b 1 upload " + urlA + " Created"},
				findings: []string{"b Releasing upload"},
			},
		},
		"another's, which holds": {
			why: "what it wants cannot be known now, so nobody takes it",
			objects: []Object{
				object("a", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Holds),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"b 1 upload " + urlA + " Created"}, findings: []string{"a Conflict upload b"}},
		},
		"another's, which holds it, where somebody moved it": {
			why: "a create there would be a duplicate",
			objects: []Object{
				object("a", urlB, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Holds),
			},
			observed: []Observed{there("1", urlB, "upload", plain())},
			want:     said{records: []string{"b 1 upload " + urlA + " Created"}, findings: []string{"a Conflict upload b"}},
		},
		"another's, which has lost it and only observes": {
			why: "there is nothing to hand over",
			objects: []Object{
				object("a", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Observes),
			},
			want: said{
				steps: []string{"create upload " + urlA + " for a spec"}, records: []string{"b 1 upload " + urlA + " Created"},
				findings: []string{"a Pending upload", "b Drifted upload"},
			},
		},
		"wanted twice": {
			why:     "the older wins",
			objects: []Object{object("b", urlA, "upload", "delete"), object("a", "https://a.EXAMPLE", "upload")},
			want: said{
				steps:    []string{"create upload https://a.EXAMPLE for a spec", "create delete " + urlA + " for b spec"},
				findings: []string{"a Pending upload", "b Conflict upload a", "b Pending delete"},
			},
		},
		"wanted twice, the younger has it": {
			why: "the older wins, and takes it over",
			objects: []Object{
				object("a", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"a 1 upload " + urlA + " Created"}, findings: []string{"b Conflict upload a"}},
		},
		"wanted twice, of the same age": {
			why: "then the name decides",
			objects: []Object{
				object("b", urlA, "upload").with(func(o *Object) { o.Created = start }),
				object("a", urlA, "upload").with(func(o *Object) { o.Created = start }),
			},
			want: said{
				steps:    []string{"create upload " + urlA + " for a spec"},
				findings: []string{"a Pending upload", "b Conflict upload a"},
			},
		},
		"wanted by an older one that is deleted": {
			why: "an object being deleted never wins",
			objects: []Object{
				object("a", urlA, "upload").is(Releases), object("b", urlA, "upload"),
			},
			want: said{steps: []string{"create upload " + urlA + " for b spec"}, findings: []string{"b Pending upload"}},
		},
		"a conflict at a new URL": {
			why: "the loser keeps its old one",
			objects: []Object{
				object("a", urlB, "upload").recorded(made("2", urlB, "upload")),
				object("b", urlB, "upload").recorded(made("1", urlA, "upload")),
			},
			observed: []Observed{there("1", urlA, "upload", plain()), there("2", urlB, "upload", plain())},
			want: said{
				records:  []string{"a 2 upload " + urlB + " Created", "b 1 upload " + urlA + " Created"},
				findings: []string{"b Conflict upload a"},
			},
		},
	})
}

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
			objects:  []Object{object("x", "", "upload").recorded(made("1", urlA, "delete"), made("2", urlA, "eager")).is(Holds)},
			observed: []Observed{there("1", urlA, "delete", filtered())},
			want:     said{records: []string{"x 1 delete " + urlA + " Created", "x 2 eager " + urlA + " Created"}},
		},
	})
}

func TestMakeRemembersRefusals(t *testing.T) {
	hash := SentHash(urlA, plain())
	refused := func(r Refusal) func(*Input) {
		return func(in *Input) {
			if r.Until.IsZero() {
				r.Until = in.Now.Add(time.Minute)
			}
			in.Refusals = map[Place]Refusal{{urlA, "upload"}: r}
		}
	}
	wants := []Object{object("x", urlA, "upload")}
	asked := said{steps: []string{"create upload " + urlA + " for x spec"}, findings: []string{"x Pending upload"}}
	foreign := there("9", "https://foreign.example/", "upload", plain())
	urls := hashOf(foreign.URL)
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
		"a delete": {
			why: "it is waited for, and the message says why", objects: released, observed: []Observed{there("1", urlA, "upload", plain())},
			change: refused(Refusal{Action: Delete, Hash: hashOf("1"), Message: "no"}),
			want:   said{records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x Releasing upload no"}},
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

func TestProblems(t *testing.T) {
	var ofSpec []Problem
	for _, p := range problemOrder() {
		if p.OfSpec() {
			ofSpec = append(ofSpec, p)
		}
	}
	if diff := cmp.Diff([]Problem{Conflict, AlreadyExists, URLLimitReached, Rejected}, ofSpec); diff != "" {
		t.Errorf("problems of the spec (-want +got):\n%s", diff)
	}
}
