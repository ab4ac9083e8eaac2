// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"time"
)

// start is some moment by Cloudinary's clock.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const settle = 30 * time.Second

// switches are what is not known of Cloudinary, so that every property has to hold either way.
type switches struct {
	EchoOpenAPI   bool          // lists show none of the managed fields but the URL
	UnsetAbsent   bool          // what is not set is left out, and not {}
	Merge         bool          // an update cannot clear a template
	FilterInKey   bool          // two triggers may differ by their filter alone
	PutLimitCheck bool          // an update counts against the limit of URLs
	Normalize     bool          // URL and filter come back in another form of the same meaning
	Mangle        bool          // the URL comes back as another one
	Lag           time.Duration // lists lag behind writes
	Limit         int
}

// serverTrigger is a trigger as Cloudinary holds it.
type serverTrigger struct {
	ID, URIType, URL, EventType string
	CreatedAt                   time.Time
	Settings                    Settings
	// A call of ours created it, and not in place of one that was adopted
	Ours bool
}

type snapshot struct {
	at       time.Time
	triggers []serverTrigger
}

// environment is a product environment in memory.
type environment struct {
	switches

	now      time.Time
	ids      int
	triggers []serverTrigger
	past     []snapshot
}

func newEnvironment(s switches) *environment {
	e := &environment{switches: s, now: start}
	e.changed()
	return e
}

func (e *environment) changed() {
	e.past = append(e.past, snapshot{e.now, slices.Clone(e.triggers)})
}

// list answers what was there when the lag began.
func (e *environment) list() []Observed {
	shown := e.past[0].triggers
	for _, s := range e.past {
		if !s.at.After(e.now.Add(-e.Lag)) {
			shown = s.triggers
		}
	}
	var observed []Observed
	for _, t := range shown {
		observed = append(observed, e.show(t, e.EchoOpenAPI))
	}
	return observed
}

func (e *environment) show(t serverTrigger, openAPI bool) Observed {
	o := Observed{ID: t.ID, URIType: t.URIType, URL: t.URL, EventType: t.EventType, CreatedAt: t.CreatedAt.Truncate(time.Second)}
	if openAPI {
		return o
	}
	o.Additive, o.AuthScheme = &t.Settings.Additive, &t.Settings.AuthScheme
	if filter := t.Settings.Filter; filter != "" || !e.UnsetAbsent {
		if e.Normalize && filter != "" {
			filter = withArrayOperands(filter)
		}
		o.Filter = &filter
	}
	if template := t.Settings.PayloadTemplate; template != "" || !e.UnsetAbsent {
		o.PayloadTemplate = &template
	}
	return o
}

func (e *environment) stored(url string) string {
	if e.Mangle {
		return CanonicalURL(url) + "?mangled"
	}
	if e.Normalize {
		return CanonicalURL(url)
	}
	return url
}

func (e *environment) index(id string) int {
	return slices.IndexFunc(e.triggers, func(t serverTrigger) bool { return t.ID == id })
}

func (e *environment) urls() []string {
	var urls []string
	for _, t := range e.triggers {
		if t.URIType == WebhookType {
			urls = append(urls, CanonicalURL(t.URL))
		}
	}
	return sorted(urls)
}

func (e *environment) at(p Place) []serverTrigger {
	var found []serverTrigger
	for _, t := range e.triggers {
		if t.URIType == WebhookType && (Place{CanonicalURL(t.URL), t.EventType}) == p {
			found = append(found, t)
		}
	}
	return found
}

// add puts a trigger there that no call of ours made.
func (e *environment) add(t serverTrigger) string {
	e.ids++
	t.ID, t.CreatedAt = fmt.Sprintf("id%03d", e.ids), e.now
	if t.URIType == "" {
		t.URIType = WebhookType
	}
	e.triggers = append(e.triggers, t)
	e.changed()
	return t.ID
}

func (e *environment) overLimit(url string, leaving int) bool {
	urls := map[string]bool{CanonicalURL(url): true}
	for i, t := range e.triggers {
		if i != leaving && t.URIType == WebhookType {
			urls[CanonicalURL(t.URL)] = true
		}
	}
	return len(urls) > e.Limit && len(urls) > len(e.urls())
}

func (e *environment) create(s Step) Outcome {
	url := e.stored(s.URL)
	for _, t := range e.at(Place{CanonicalURL(url), s.EventType}) {
		if !e.FilterInKey || t.Settings.Filter == s.Settings.Filter {
			return Outcome{Result: Exists, At: e.now, Message: "record_already_exists"}
		}
	}
	if e.overLimit(url, -1) {
		return Outcome{Result: Refused, Limit: true, At: e.now, Message: "limit_reached"}
	}
	id := e.add(serverTrigger{URL: url, EventType: s.EventType, Settings: s.Settings, Ours: s.Origin == Created})
	return Outcome{Result: Done, At: e.now, Trigger: e.show(e.triggers[e.index(id)], false)}
}

func (e *environment) update(s Step) Outcome {
	i := e.index(s.ID)
	if i < 0 {
		return Outcome{Result: Gone, At: e.now}
	}
	url := e.stored(s.URL)
	if e.PutLimitCheck && e.overLimit(url, -1) {
		return Outcome{Result: Refused, Limit: true, At: e.now, Message: "limit_reached"}
	}
	t := &e.triggers[i]
	template := t.Settings.PayloadTemplate
	t.URL, t.Settings = url, s.Settings
	if e.Merge && s.Settings.PayloadTemplate == "" {
		t.Settings.PayloadTemplate = template
	}
	e.changed()
	return Outcome{Result: Done, At: e.now}
}

func (e *environment) delete(s Step) Outcome {
	i := e.index(s.ID)
	if i < 0 {
		return Outcome{Result: Gone, At: e.now}
	}
	e.triggers = slices.Delete(e.triggers, i, i+1)
	e.changed()
	return Outcome{Result: Done, At: e.now}
}

func (e *environment) call(s Step) Outcome {
	switch s.Action {
	case Create:
		return e.create(s)
	case Update:
		return e.update(s)
	case Delete:
		return e.delete(s)
	default:
		panic("a replacement is two calls")
	}
}
