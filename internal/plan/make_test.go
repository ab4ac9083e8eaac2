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
	released []string // records
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
		for _, r := range v.Released {
			s.released = append(s.released, join(name, r.ID, r.EventType, r.URL, string(r.Origin)))
		}
		for _, f := range v.Findings {
			line := append([]string{name, string(f.Problem)}, f.EventTypes...)
			line = append(line, f.Other.Name, f.Message)
			if f.NonWebhook != nil {
				line = append(line, f.NonWebhook.URIType, f.NonWebhook.ID)
			}
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
			why:     "perhaps somebody deleted it, and perhaps the list is wrong; the update tells",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload"))},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x drift"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Pending upload"},
			},
		},
		"nothing there, recorded, nobody wants it": {
			why:     "perhaps it is gone already, and perhaps the list is wrong; the delete tells",
			objects: []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
			want: said{
				steps: []string{"delete 1 upload " + urlA + " for x released"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Releasing upload"},
			},
		},
		"nothing there, call under way": {
			why:     "only a list begun after the call can tell",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-settle / 2)))},
			want:    said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x Confirming upload"}},
		},
		"nothing there, call long ago": {
			why:     "the call had no effect, or the list is wrong: it is made again, and the result looked for",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-settle)))},
			want: said{
				steps: []string{"create upload " + urlA + " for x spec"}, records: []string{"x upload " + urlA + " Created"},
				findings: []string{"x Pending upload"},
			},
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
		"the result of one of two calls": {
			why: "it is not known which has made it, and what no list shows is sent again",
			objects: []Object{
				object("x", urlA, "upload").recorded(intended(start)),
				object("y", urlA, "upload").recorded(intended(start)).is(Releases),
			},
			observed: []Observed{{ID: "1", URL: urlA, EventType: "upload", CreatedAt: start}},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for x spec"}, records: []string{"x 1 upload " + urlA + " Created"},
				findings: []string{"x Pending upload"},
			},
		},
		"a trigger from long after the call": {
			why: "no call is under way for so long; somebody else's is adopted as such",
			objects: []Object{object("x", urlA, "upload").recorded(intended(start.Add(-settle - clockSlack - time.Second))).
				with(func(o *Object) { o.RefuseAdopt = true })},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{findings: []string{"x AlreadyExists upload"}},
		},
		"a trigger from before the call": {
			why: "created_at says that it cannot be its result; somebody else's is adopted as such",
			objects: []Object{object("x", urlA, "upload").recorded(intended(listed.Add(-time.Hour))).
				with(func(o *Object) { o.RefuseAdopt = true })},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"x upload " + urlA + " Created"}, findings: []string{"x AlreadyExists upload"}},
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
			why:      "flow and poll are never touched, and a person is told",
			objects:  []Object{object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Releases)},
			observed: []Observed{there("1", urlA, "upload", plain()).with(func(o *Observed) { o.URIType = "flow" })},
			want:     said{records: []string{"x 1 upload " + urlA + " Created"}, findings: []string{"x DeletionRefused upload flow 1"}},
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
				object("x", urlA, "upload").recorded(made("1", urlA, "upload")).is(Keeps),
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
				object("a", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Keeps),
			},
			observed: []Observed{there("1", urlA, "upload", plain())},
			want:     said{records: []string{"b 1 upload " + urlA + " Created"}, findings: []string{"a Conflict upload b"}},
		},
		"another's, which holds it, where somebody moved it": {
			why: "a create there would be a duplicate",
			objects: []Object{
				object("a", urlB, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Keeps),
			},
			observed: []Observed{there("1", urlB, "upload", plain())},
			want:     said{records: []string{"b 1 upload " + urlA + " Created"}, findings: []string{"a Conflict upload b"}},
		},
		"another's, which has lost it and only observes": {
			why: "perhaps there is something to hand over; the update tells",
			objects: []Object{
				object("a", urlA, "upload"), object("b", urlA, "upload").recorded(made("1", urlA, "upload")).is(Observes),
			},
			want: said{
				steps: []string{"update 1 upload " + urlA + " for a drift"}, records: []string{"a 1 upload " + urlA + " Created"},
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
		"a conflict at a new URL, to which its trigger has come already": {
			why: "it was moved in the middle of a crash, and what is at the place of another one's would be there twice",
			objects: []Object{
				object("a", urlB, "upload").recorded(made("2", urlB, "upload")),
				object("b", urlB, "upload").recorded(made("1", urlA, "upload")),
			},
			observed: []Observed{there("1", urlB, "upload", plain()), there("2", urlB, "upload", plain())},
			want: said{
				steps:    []string{"delete 1 upload " + urlA + " for b released"},
				records:  []string{"a 2 upload " + urlB + " Created", "b 1 upload " + urlA + " Created"},
				findings: []string{"b Conflict upload a", "b Releasing upload"},
			},
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
