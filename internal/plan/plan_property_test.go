// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The forms of one URL are next to each other.
func someURLs() []string {
	return []string{
		"https://a.example", "https://A.example:443/",
		"https://b.example/x%2fy", "https://b.example/x%2Fy",
		"https://c.example/", "https://d.example/d",
	}
}

func someTypes() []string { return []string{"delete", "eager", "rename", "upload"} }

func someSettings() []Settings {
	return []Settings{
		{AuthScheme: DefaultAuthScheme},
		{AuthScheme: DefaultAuthScheme, Filter: `{"!":{"var":"x"}}`},
		{AuthScheme: "legacy_hmac", Additive: true, PayloadTemplate: `{"a":"{{event.type}}"}`},
	}
}

func drawSwitches(t *rapid.T) switches {
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	return switches{
		EchoOpenAPI: flag("openapi"), UnsetAbsent: flag("unsetAbsent"), Merge: flag("merge"), FilterInKey: flag("filterInKey"),
		PutLimitCheck: flag("putLimitCheck"), Normalize: flag("normalize"),
		Lag:   time.Duration(rapid.SampledFrom([]int{0, 0, 5, 20}).Draw(t, "lag")) * time.Second,
		Limit: rapid.SampledFrom([]int{30, 30, 4, 3}).Draw(t, "limit"),
	}
}

// world is an executor with a person who edits manifests, and another who works at the Console.
type world struct {
	*executor
	t       *rapid.T
	names   int
	drifts  int
	retains bool
	stances []Stance
}

func newWorld(t *rapid.T, s switches) *world {
	w := &world{t: t, executor: newExecutor(newEnvironment(s), t.Fatalf)}
	w.chance.shuffle = func(n int) []int { return rapid.Permutation(indexes(n)).Draw(t, "order") }
	return w
}

func indexes(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}

func (w *world) addObject() {
	w.names++
	o := Object{
		Key: Key{"ns", fmt.Sprintf("object%02d", w.names)}, Created: w.env.now,
		URL:         rapid.SampledFrom(someURLs()).Draw(w.t, "url"),
		EventTypes:  w.drawTypes(),
		Settings:    rapid.SampledFrom(someSettings()).Draw(w.t, "settings"),
		Secret:      Key{"ns", "secret"},
		RefuseAdopt: rapid.Bool().Draw(w.t, "refuseAdopt"),
		Deletion:    rapid.SampledFrom([]Deletion{DeleteCreated, DeleteAll}).Draw(w.t, "deletion"),
	}
	if w.retains {
		o.Deletion = rapid.SampledFrom([]Deletion{DeleteCreated, DeleteAll, RetainAll}).Draw(w.t, "deletion")
	}
	w.specs[o.Key] = o
}

func (w *world) drawTypes() []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(someTypes()), 1, 3, rapid.ID[string]).Draw(w.t, "types")
}

func (w *world) living() []Key {
	var keys []Key
	for _, k := range slices.SortedFunc(maps.Keys(w.specs), Key.Compare) {
		if w.specs[k].Stance != Releases {
			keys = append(keys, k)
		}
	}
	return keys
}

// edit is what a person does to a manifest.
func (w *world) edit() {
	keys := w.living()
	if len(keys) == 0 {
		w.addObject()
		return
	}
	k := rapid.SampledFrom(keys).Draw(w.t, "object")
	o := w.specs[k]
	switch rapid.SampledFrom([]string{"add", "url", "types", "settings", "delete", "rename", "swap", "stance"}).Draw(w.t, "edit") {
	case "add":
		if len(keys) < 6 {
			w.addObject()
		}
	case "url":
		o.URL = rapid.SampledFrom(someURLs()).Draw(w.t, "url")
	case "types":
		o.EventTypes = w.drawTypes()
	case "settings":
		o.Settings = rapid.SampledFrom(someSettings()).Draw(w.t, "settings")
	case "delete":
		o.Stance = Releases
	case "rename":
		w.names++
		renamed := o
		renamed.Key, renamed.Created = Key{"ns", fmt.Sprintf("object%02d", w.names)}, w.env.now
		w.specs[renamed.Key] = renamed
		o.Stance = Releases
	case "swap":
		other := rapid.SampledFrom(keys).Draw(w.t, "other")
		p := w.specs[other]
		o.URL, p.URL = p.URL, o.URL
		w.specs[other] = p
		if other == k {
			return
		}
	case "stance":
		if len(w.stances) > 0 {
			o.Stance = rapid.SampledFrom(w.stances).Draw(w.t, "stance")
		}
	}
	w.specs[k] = o
}

// meddle is what somebody does behind our back.
func (w *world) meddle() {
	w.drifts++
	settings := rapid.SampledFrom(someSettings()).Draw(w.t, "settings")
	if len(w.env.triggers) == 0 || rapid.Bool().Draw(w.t, "adds") {
		url, eventType := rapid.SampledFrom(someURLs()).Draw(w.t, "url"), rapid.SampledFrom(someTypes()).Draw(w.t, "type")
		if len(w.env.at(Place{CanonicalURL(url), eventType})) == 0 && !w.env.overLimit(url, -1) {
			w.env.add(serverTrigger{URL: url, EventType: eventType, Settings: settings})
		}
		return
	}
	i := rapid.IntRange(0, len(w.env.triggers)-1).Draw(w.t, "trigger")
	if !w.env.triggers[i].Ours {
		return
	}
	if rapid.Bool().Draw(w.t, "deletes") {
		w.env.triggers = slices.Delete(w.env.triggers, i, i+1)
	} else {
		w.env.triggers[i].Settings = settings
	}
	w.env.changed()
}

// foreign are triggers that no object ever wants.
func (w *world) foreign() []serverTrigger {
	var foreign []serverTrigger
	for _, t := range w.env.triggers {
		if t.URL == "https://foreign.example/" || t.URIType != WebhookType {
			foreign = append(foreign, t)
		}
	}
	return foreign
}

func (w *world) wait(d time.Duration) { w.env.now = w.env.now.Add(d) }

// quiesce lets passes follow each other until there is nothing to do.
func (w *world) quiesce() Plan {
	var p Plan
	for range 12 {
		w.wait(time.Minute)
		var err error
		if p, err = w.pass(); err != nil {
			w.t.Fatal(err)
		}
		if len(p.Steps) == 0 && !w.releasing() && !w.unsettled(p) {
			return p
		}
	}
	w.t.Fatalf("there is no end: %+v\nspecs: %+v\nstored: %+v\nserver: %+v", p, w.specs, w.stored, w.env.triggers)
	return p
}

func (w *world) releasing() bool { return len(w.living()) < len(w.specs) }

func (w *world) unsettled(p Plan) bool {
	for _, v := range p.Verdicts {
		for _, f := range v.Findings {
			if f.Problem == Confirming || f.Problem == Pending || f.Problem == Releasing {
				return true
			}
		}
	}
	return false
}

// inSync checks all objects that have no finding against what is at Cloudinary.
func (w *world) inSync(p Plan) {
	for k, o := range w.specs {
		v := p.Verdicts[k]
		for _, f := range v.Findings {
			switch f.Problem {
			case Conflict, AlreadyExists, URLLimitReached:
			case NotConverging:
				if w.drifts == 0 {
					w.t.Fatalf("%s does not converge, and nobody meddled: %+v %+v", k, f, v.Records)
				}
			case Drifted:
				if o.Stance != Observes {
					w.t.Fatalf("%s: %+v", k, f)
				}
			default:
				w.t.Fatalf("%s at the end: %+v", k, f)
			}
		}
		if o.Stance != Wants || len(v.Findings) > 0 {
			continue
		}
		for _, eventType := range sorted(o.EventTypes) {
			w.hasExactly(o, v, Place{CanonicalURL(o.URL), eventType})
		}
	}
}

func (w *world) hasExactly(o Object, v Verdict, place Place) {
	i := slices.IndexFunc(v.Records, func(r Record) bool { return r.place() == place && !r.overdue() })
	if i < 0 {
		w.t.Fatalf("%s has no record of %v, and no finding", o.Key, place)
	}
	at := w.env.at(place)
	j := slices.IndexFunc(at, func(t serverTrigger) bool { return t.ID == v.Records[i].ID })
	if j < 0 {
		w.t.Fatalf("%s has recorded %s at %v, and there is %+v", o.Key, v.Records[i].ID, place, at)
	}
	// What somebody changed and no list shows cannot be seen.
	if seen := !w.env.EchoOpenAPI || w.drifts == 0; seen && !w.env.UnsetAbsent && !w.env.EchoOpenAPI && at[j].Settings != o.Settings {
		w.t.Fatalf("%s is in sync, and wants %+v where there is %+v", o.Key, o.Settings, at[j].Settings)
	}
}

// Whatever happens on the way: crashes, lost answers, refusals, edits, lists that lag, and somebody
// at the Console.
func TestEverythingComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, drawSwitches(t))
		w.retains = rapid.Bool().Draw(t, "retains")
		w.stances = []Stance{Wants, Observes, Keeps}
		meddles := rapid.Bool().Draw(t, "meddles")
		w.env.add(serverTrigger{URL: "https://foreign.example/", EventType: "upload", Settings: someSettings()[1]})
		w.env.add(serverTrigger{URL: "https://a.example", URIType: "flow", EventType: "upload", Settings: someSettings()[1]})
		foreign := w.foreign()
		w.addObject()
		w.addObject()

		quiet := w.chance
		if !rapid.Bool().Draw(t, "calm") {
			w.upset()
		}
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			for range rapid.IntRange(0, 2).Draw(t, "edits") {
				w.edit()
			}
			if meddles && rapid.Bool().Draw(t, "meddle") {
				w.meddle()
			}
			w.round()
		}

		w.chance = quiet
		for k, o := range w.specs {
			if o.Stance == Observes || o.Stance == Keeps {
				o.Stance = Wants
				w.specs[k] = o
			}
		}
		w.wait(2 * time.Hour) // what was refused may be asked for again
		p := w.quiesce()
		w.inSync(p)
		if !w.retains {
			if err := w.ended(p); err != nil {
				t.Fatalf("%v\nspecs: %+v\nstored: %+v\nserver: %+v", err, w.specs, w.stored, w.env.triggers)
			}
		}
		if now := w.foreign(); !slices.Equal(foreign, now) {
			t.Fatalf("foreign triggers changed: %+v, were %+v", now, foreign)
		}
	})
}

// upset makes calls fail and the manager crash.
func (w *world) upset() {
	t := w.t
	w.chance.crash = func(string) bool { return rapid.IntRange(0, 15).Draw(t, "crash") == 7 }
	w.chance.refuse = func() bool { return rapid.IntRange(0, 15).Draw(t, "refuse") == 7 }
	w.chance.lost = func() lostness {
		return rapid.SampledFrom([]lostness{arrived, arrived, arrived, arrived, arrived, lostBefore, lostAfter, notSent}).Draw(t, "lost")
	}
}

func (w *world) round() {
	w.wait(rapid.SampledFrom([]time.Duration{time.Minute, time.Second, 20 * time.Second, 40 * time.Second}).Draw(w.t, "wait"))
	before := len(w.env.urls())
	_, err := w.pass()
	if err != nil {
		w.refusals = map[Place]Refusal{} // they do not survive a crash
		return
	}
	if after := len(w.env.urls()); !w.trouble && w.env.Lag == 0 && after > max(before, w.env.Limit) {
		w.t.Fatalf("%d URLs, were %d, and %d are allowed", after, before, w.env.Limit)
	}
}

// A URL that comes back as another one can never be in sync. It must end all the same, without
// touching anything foreign.
func TestWhatNeverReadsBackRightComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSwitches(t)
		s.Mangle, s.Limit = true, 30
		w := newWorld(t, s)
		w.env.add(serverTrigger{URL: "https://foreign.example/", EventType: "upload"})
		foreign := w.foreign()
		for range 3 {
			w.addObject()
		}
		for range 3 {
			w.edit()
			p := w.quiesceMangled()
			if len(p.Steps) > 0 {
				t.Fatalf("there is no end: %+v", p.Steps)
			}
		}
		if now := w.foreign(); !slices.Equal(foreign, now) {
			t.Fatalf("foreign triggers changed: %+v, were %+v", now, foreign)
		}
	})
}

func (w *world) quiesceMangled() Plan {
	var p Plan
	for range 10 {
		w.wait(time.Minute)
		p, _ = w.pass()
	}
	return p
}

// Renames, moves of event types from one object to another and swaps of URLs cost no call, however
// often they are interrupted.
func TestRepartitionCostsNoCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSwitches(t)
		s.Limit = 30
		w := newWorld(t, s)
		settings := rapid.SampledFrom(someSettings()).Draw(t, "settings")
		places := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Place {
			url := rapid.SampledFrom([]string{urlA, urlB, urlC}).Draw(t, "url")
			return Place{url, rapid.SampledFrom(someTypes()).Draw(t, "type")}
		}), 1, 8, rapid.ID[Place]).Draw(t, "places")

		w.partition(places, settings)
		w.quiesce()
		calls := w.calls
		w.partition(places, settings)
		crashes := rapid.IntRange(0, 3).Draw(t, "crashes")
		w.chance.crash = func(string) bool {
			if crashes > 0 && rapid.IntRange(0, 3).Draw(t, "crash") == 1 {
				crashes--
				return true
			}
			return false
		}
		for range 6 {
			w.wait(time.Minute)
			p, err := w.pass()
			if err == nil && len(p.Steps) == 0 && !w.releasing() {
				break
			}
		}
		crashes = 0
		p := w.quiesce()
		w.inSync(p)
		if w.calls > calls {
			t.Fatalf("%d calls", w.calls-calls)
		}
		if err := w.ended(p); err != nil {
			t.Fatal(err)
		}
	})
}

// partition gives the places to objects anew; objects that get none are deleted.
func (w *world) partition(places []Place, settings Settings) {
	byURL := map[string][]string{}
	for _, p := range places {
		byURL[p.URL] = append(byURL[p.URL], p.EventType)
	}
	for k, o := range w.specs {
		o.Stance = Releases
		w.specs[k] = o
	}
	for _, url := range slices.Sorted(maps.Keys(byURL)) {
		for _, eventType := range byURL[url] {
			name := fmt.Sprintf("object%d", rapid.IntRange(0, 9).Draw(w.t, "name"))
			for o := w.specs[Key{"ns", name}]; o.Stance == Wants && o.URL != url && o.URL != ""; o = w.specs[Key{"ns", name}] {
				name += "x"
			}
			o, found := w.specs[Key{"ns", name}]
			if !found || o.Stance == Releases {
				o = Object{Key: Key{"ns", name}, Created: start, URL: url, Settings: settings, Secret: Key{"ns", "secret"}}
			}
			o.EventTypes = append(slices.Clone(o.EventTypes), eventType)
			w.specs[o.Key] = o
		}
	}
}
