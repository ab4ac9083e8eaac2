// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// distortions are the ways in which a list is wrong.
func (w *world) distortions() map[string]func([]Observed) []Observed {
	return map[string]func([]Observed) []Observed{
		"empty": func([]Observed) []Observed { return nil },
		"some left out": func(right []Observed) []Observed {
			return slices.DeleteFunc(right, func(Observed) bool { return rapid.Bool().Draw(w.t, "leaves out") })
		},
		"a page": func(right []Observed) []Observed {
			return right[:rapid.IntRange(0, len(right)).Draw(w.t, "page")]
		},
		"an old one": func([]Observed) []Observed {
			var old []Observed
			for _, t := range w.env.past[rapid.IntRange(0, len(w.env.past)-1).Draw(w.t, "past")].triggers {
				old = append(old, w.env.show(t, w.env.EchoOpenAPI))
			}
			return old
		},
		"an old one, with the settings of today": func(right []Observed) []Observed {
			var old []Observed
			for _, t := range w.env.past[rapid.IntRange(0, len(w.env.past)-1).Draw(w.t, "past")].triggers {
				shown := w.env.show(t, w.env.EchoOpenAPI)
				if i := slices.IndexFunc(right, func(o Observed) bool { return o.ID == shown.ID }); i >= 0 {
					shown = right[i]
				}
				old = append(old, shown)
			}
			return old
		},
		"without settings": func(right []Observed) []Observed {
			for i, o := range right {
				right[i] = Observed{ID: o.ID, URIType: o.URIType, URL: o.URL, EventType: o.EventType, CreatedAt: o.CreatedAt}
			}
			return right
		},
		"of flows": func(right []Observed) []Observed {
			for i := range right {
				right[i].URIType = "flow"
			}
			return right
		},
		"right": func(right []Observed) []Observed { return right },
	}
}

// goWrong makes lists wrong, each in its own way or many in the same.
func (w *world) goWrong(but ...string) {
	ways := w.distortions()
	for _, name := range but {
		delete(ways, name)
	}
	names := slices.Sorted(maps.Keys(ways))
	stays := rapid.SampledFrom(append(names, "")).Draw(w.t, "stays")
	w.chance.distort = func(right []Observed) []Observed {
		name := stays
		if name == "" {
			name = rapid.SampledFrom(names).Draw(w.t, "wrong")
		}
		return ways[name](slices.Clone(right))
	}
}

// origins are those of the triggers that the objects hold.
func (w *world) origins() map[string]string {
	origins := map[string]string{}
	for k, records := range w.stored {
		for _, r := range records {
			origins[fmt.Sprint(k, r.EventType, " ", CanonicalURL(r.URL))] = fmt.Sprintf("%s %s", r.ID, r.Origin)
		}
	}
	return origins
}

// What is ours stays ours, and what was adopted stays adopted, whatever lists say; and no wrong
// list costs many calls.
func TestNoWrongListMakesUsForgetWhatIsOurs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSwitches(t)
		s.Limit = 30
		w := newWorld(t, s)
		for _, url := range someURLs()[:rapid.IntRange(0, 3).Draw(t, "foreign")] {
			w.env.add(serverTrigger{URL: url, EventType: "upload", Settings: someSettings()[1]})
		}
		for range rapid.IntRange(1, 6).Draw(t, "objects") {
			w.addObject()
		}
		for k, o := range w.specs {
			o.RefuseAdopt = false // who holds nothing may ask for a trigger at any time
			w.specs[k] = o
		}
		w.quiesce()
		before, there, calls := w.origins(), len(w.env.triggers), w.calls
		creates := w.creates

		// What reads back otherwise for long is replaced, once
		w.goWrong("without settings", "an old one")
		rounds := rapid.IntRange(1, 20).Draw(t, "rounds")
		for range rounds {
			w.wait(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, time.Minute, 2 * time.Hour}).Draw(t, "wait"))
			if _, err := w.pass(); err != nil {
				t.Fatal(err)
			}
		}
		if made := w.creates - creates; made > 0 {
			t.Fatalf("%d triggers are created because of %d wrong lists", made, rounds)
		}
		if w.calls-calls > 2*rounds+len(before) {
			t.Fatalf("%d calls in %d rounds with wrong lists, and %d triggers", w.calls-calls, rounds, len(before))
		}
		w.chance.distort = nil
		w.wait(2 * time.Hour)
		w.drifts++ // old lists may have been repaired
		p := w.quiesce()
		w.inSync(p)
		if diff := cmp.Diff(before, w.origins()); diff != "" {
			t.Fatalf("what the objects hold (-before the wrong lists +after):\n%s", diff)
		}
		if len(w.env.triggers) != there {
			t.Fatalf("%d triggers, were %d: %+v", len(w.env.triggers), there, w.env.triggers)
		}
	})
}

// Objects come, change and go while lists are wrong, and nothing is left behind in the end.
func TestNothingIsLeftBehindThatWrongListsHid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSwitches(t)
		s.Limit = 30
		w := newWorld(t, s)
		w.env.add(serverTrigger{URL: "https://foreign.example/", EventType: "upload", Settings: someSettings()[1]})
		foreign := w.foreign()
		w.addObject()
		w.addObject()
		w.quiesce()
		w.goWrong()
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			for range rapid.IntRange(0, 2).Draw(t, "edits") {
				w.edit()
			}
			w.round()
		}
		w.chance.distort = nil
		w.wait(2 * time.Hour)
		p := w.quiesce()
		w.drifts++
		w.inSync(p)
		if err := w.ended(p); err != nil {
			t.Fatalf("%v\nspecs: %+v\nstored: %+v\nserver: %+v", err, w.specs, w.stored, w.env.triggers)
		}
		if now := w.foreign(); !slices.Equal(foreign, now) {
			t.Fatalf("foreign triggers changed: %+v, were %+v", now, foreign)
		}
	})
}

// The answers to calls are lost while lists are wrong, and objects change meanwhile. What the calls
// have made is found as soon as lists are right again, and is the objects' own.
func TestWhatLostCallsMadeIsFoundWhateverListsHid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSwitches(t)
		s.Limit = 30
		w := newWorld(t, s)
		w.stances = []Stance{Wants, Observes, Keeps}
		w.addObject()
		w.addObject()
		w.goWrong()
		w.chance.lost = func() lostness {
			return rapid.SampledFrom([]lostness{arrived, lostBefore, lostAfter, notSent}).Draw(w.t, "lost")
		}
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			w.wait(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, time.Minute}).Draw(t, "wait"))
			if _, err := w.pass(); err != nil {
				t.Fatal(err)
			}
		}
		w.chance.distort, w.chance.lost = nil, func() lostness { return arrived }
		w.wait(2 * time.Hour)
		p := w.quiesce()
		w.drifts++
		w.inSync(p)
		if err := w.ended(p); err != nil {
			t.Fatalf("%v\nspecs: %+v\nstored: %+v\nserver: %+v", err, w.specs, w.stored, w.env.triggers)
		}
		for k, records := range w.stored {
			for _, r := range records {
				if r.Origin != Created {
					t.Fatalf("%s has adopted what was its own: %+v", k, r)
				}
			}
		}
	})
}
