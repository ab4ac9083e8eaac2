// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// switchValue is one value of one switch: something about Cloudinary that is not known, or not sure.
type switchValue struct {
	name, value string
	set         func(*simulator.Options)
}

type simOptions = simulator.Options

// peakURLs is how many URLs the scenario needs at its peak.
const peakURLs = 4

// switchValues are all values of all switches that are not the default.
func switchValues() []switchValue {
	return []switchValue{
		{"update-semantics", "replace", func(o *simOptions) { o.UpdateSemantics = simulator.UpdateReplace }},
		{"create-status", "200", func(o *simOptions) { o.CreateStatus = 200 }},
		{"create-body", "wrapped", func(o *simOptions) { o.CreateBody = simulator.CreateWrapped }},
		{"duplicate-key", "filter", func(o *simOptions) { o.DuplicateKey = simulator.DuplicateURIEventTypeFilter }},
		{"echo", "openapi", func(o *simOptions) { o.Echo = simulator.EchoOpenAPI }},
		{"unset-fields", "absent", func(o *simOptions) { o.UnsetFields = simulator.UnsetAbsent }},
		{"list-lag", "200ms", func(o *simOptions) { o.ListLag = 200 * time.Millisecond }},
		{"normalize", "equivalent", func(o *simOptions) { o.Normalize = simulator.NormalizeEquivalent }},
		{"normalize", "lossy", func(o *simOptions) { o.Normalize = simulator.NormalizeLossy }},
		{"put-limit-check", "true", func(o *simOptions) { o.PutLimitCheck = true }},
		{"put-fields", "ignore", func(o *simOptions) { o.PutFields = simulator.PutIgnore }},
		{"put-url", "either", func(o *simOptions) { o.PutURL = simulator.PutEitherURI }},
		{"put-answer", "trigger", func(o *simOptions) { o.PutAnswer = simulator.PutTrigger }},
		{"filter-language", "echo", func(o *simOptions) { o.FilterLanguage = simulator.FilterLanguageEcho }},
		{"filter-language", "require", func(o *simOptions) { o.FilterLanguage = simulator.FilterLanguageRequire }},
		{"filter-language", "refuse", func(o *simOptions) { o.FilterLanguage = simulator.FilterLanguageRefuse }},
		{"unset-auth-scheme", "legacy_hmac", func(o *simOptions) { o.UnsetAuthScheme = simulator.UnsetLegacy }},
		{"clear-template", "empty-object", func(o *simOptions) { o.ClearTemplate = simulator.ClearEmptyObject }},
		{"clear-template", "empty-string", func(o *simOptions) { o.ClearTemplate = simulator.ClearEmptyString }},
		{"clear-filter", "empty-string", func(o *simOptions) { o.ClearFilter = simulator.ClearEmptyString }},
		{"clear-filter", "both", func(o *simOptions) { o.ClearFilter = simulator.ClearBoth }},
		{"url-limit", "tight", func(o *simOptions) { o.URLLimit = peakURLs }},
		{"rate-limit", "none", func(o *simOptions) { o.RateLimit = -1 }},
		{"rate-limit", "tight", func(o *simOptions) { o.RateLimit, o.RateLimitWindow = 24, time.Second }},
		{"rate-limit", "tight-429", func(o *simOptions) {
			o.RateLimit, o.RateLimitWindow, o.RateLimitStatus = 24, time.Second, http.StatusTooManyRequests
		}},
		{"timestamps", "offset", func(o *simOptions) { o.Timestamps = simulator.TimestampsOffset }},
		{"latency", "30ms", func(o *simOptions) { o.Latency = 30 * time.Millisecond }},
	}
}

func TestEverySwitchOfTheSimulatorIsInTheMatrix(t *testing.T) {
	notUnknown := []string{
		"Cloud", "APIKey", "APISecret", "AdditionalCredentials", "OAuthTokens", "ExtraEventTypes", // what an environment is called and has
		"ClaimAnswer", "ClaimLimit", // how an environment comes to be
		"Delivery",       // of notifications, of which the manager sees nothing
		"Clock", "Sleep", // for tests
	}
	var all simOptions
	for _, v := range switchValues() {
		v.set(&all)
	}
	fields := reflect.ValueOf(all)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if fields.Field(i).IsZero() && !slices.Contains(notUnknown, name) {
			t.Errorf("no value of the matrix sets simulator.Options.%s", name)
		}
	}
}

// combination is some switches set at once.
type combination []switchValue

func (c combination) name() string {
	if len(c) == 0 {
		return "defaults"
	}
	name := ""
	for _, v := range c {
		if name != "" {
			name += ","
		}
		name += v.name + "=" + v.value
	}
	return name
}

func (c combination) options() simulator.Options {
	var o simulator.Options
	for _, v := range c {
		v.set(&o)
	}
	return o
}

// aloneAndAllPairs are the defaults, every value alone, and all pairs of values of different switches.
func aloneAndAllPairs() []combination {
	values := switchValues()
	combinations := []combination{nil}
	for i, v := range values {
		combinations = append(combinations, combination{v})
		for _, w := range values[i+1:] {
			if w.name != v.name {
				combinations = append(combinations, combination{v, w})
			}
		}
	}
	return combinations
}

// outcome is what a Cloudinary with certain switches lets an operator achieve.
type outcome struct {
	// updatesArrive: a field of a trigger that exists can be changed. An update that is ignored without a word is made up for
	// by a replacement, but noticed only where the list shows fields.
	updatesArrive bool
	// meddling: somebody else can change a field, by an update as well.
	meddling bool
	// driftSeen: and the list shows it.
	driftSeen bool
	// distorted: filters and templates never read back as they were sent, so triggers with either do not converge. What is
	// stored is right all the same.
	distorted bool
}

func expectedOf(o simulator.Options) outcome {
	shown := o.Echo != simulator.EchoOpenAPI
	return outcome{
		updatesArrive: o.PutFields != simulator.PutIgnore || shown,
		meddling:      o.PutFields != simulator.PutIgnore,
		driftSeen:     shown,
		distorted:     o.Normalize == simulator.NormalizeLossy && shown,
	}
}

func (x outcome) updated(before, after settings) settings {
	if x.updatesArrive {
		return after
	}
	return before
}

func (x outcome) drifted(ours, theirs settings) settings {
	if x.meddling && !x.driftSeen {
		return theirs
	}
	return ours
}

func (x outcome) verdicts(fields map[string][]string) map[string]finding {
	verdicts := map[string]finding{}
	for name, says := range fields {
		if x.distorted {
			verdicts[name] = finding{reason: v1alpha1.ReasonNotConverging, says: says}
		}
	}
	return verdicts
}

func TestEverySwitchAloneAndAllPairs(t *testing.T) {
	const atOnce = 24
	sideBySide(t, atOnce, aloneAndAllPairs(), combination.name, func(t *testing.T, c combination) {
		t.Helper()
		s := newScenario(t, c.options())
		s.manifestsAreApplied()
		s.manifestsChange()
		s.somebodyMeddles()
		s.aManifestIsRenamed()
		s.manifestsAreDeleted()
	})
}

// The URLs of the scenario are spelled so that Cloudinary could spell them otherwise.
const (
	urlA        = "https://A.Hooks.example.com:443/a?token=%c3%9f"
	urlB        = "https://b.example.com"
	urlB2       = "https://b.example.com/two"
	elsewhere   = "https://elsewhere.example.com/"
	foreignURL  = "https://foreign.example.com/hook"
	canonicalA  = "https://a.hooks.example.com/a?token=%C3%9F"
	canonicalB  = "https://b.example.com/"
	imagesOnly  = `{"==":[{"var":"resource_type"},"image"]}`
	videosOnly  = `{"==":[{"var":"resource_type"},"video"]}`
	rawOnly     = `{"==":[{"var":"resource_type"},"raw"]}`
	idAlone     = `{"id":"{{asset.public_id}}"}`
	legacyHMAC  = "legacy_hmac"
	defaultAuth = "default"
)

// scenario is the life of some manifests in one product environment: what is wanted at Cloudinary after each step.
type scenario struct {
	*fixture
	outcome
	foreign map[string]simulator.Trigger // never touched
	unset   string                       // the auth_scheme of what somebody makes without one

	adopting, full, plain *v1alpha1.CloudinaryTrigger
	endpoints             []*v1alpha1.NotificationEndpoint
	upload, remove, other settings // of the triggers upload, delete, and rename at urlA
	plainURL              string   // of eager and moderation
}

func newScenario(t *testing.T, options simulator.Options) *scenario {
	t.Helper()
	s := &scenario{fixture: newFixture(t, options), outcome: expectedOf(options), foreign: map[string]simulator.Trigger{}}
	s.unset = cmp.Or(string(options.UnsetAuthScheme), defaultAuth)
	s.hasten()
	if options.URLLimit > 0 {
		s.options.URLLimit = options.URLLimit
	}
	for _, body := range []string{
		`{"uri":"` + foreignURL + `","event_type":"upload","filter":` + rawOnly + `,"payload_template":` + idAlone + `,"additive":true}`,
		`{"uri":"` + urlA + `","event_type":"report","filter":` + rawOnly + `}`,
		`{"uri":"poll://channel","uri_type":"poll","event_type":"upload"}`,
		`{"uri":"` + urlA + `","uri_type":"flow","event_type":"info"}`,
	} {
		s.meddle(http.MethodPost, "/triggers", body)
	}
	for _, t := range s.sim.Triggers() {
		s.foreign[t.ID] = t
	}
	return s
}

// rows are the triggers that are wanted now.
func (s *scenario) rows() []row {
	plain := settings{AuthScheme: defaultAuth}
	return []row{
		{"upload", canonicalA, s.upload},
		{"delete", canonicalA, s.remove},
		{"rename", canonicalA, s.other},
		{"eager", s.plainURL, plain},
		{"moderation", s.plainURL, plain},
	}
}

// manifestsAreApplied: some triggers are created, and one that exists already and differs is adopted.
func (s *scenario) manifestsAreApplied() {
	s.meddle(http.MethodPost, "/triggers", `{"uri":"https://a.hooks.example.com/a?token=%C3%9F","event_type":"upload","filter":`+rawOnly+`}`)
	s.adopting, s.full, s.plain = s.trigger("adopting", "a", "upload"), s.trigger("full", "a", "delete", "rename"), s.trigger("plain", "b", "eager", "moderation")
	s.adopting.Spec.Filter, s.adopting.Spec.Additive = rawJSON(imagesOnly), new(true)
	s.full.Spec.Filter, s.full.Spec.PayloadTemplate = rawJSON(imagesOnly), rawJSON(idAlone)
	s.full.Spec.Additive, s.full.Spec.AuthScheme = new(true), v1alpha1.AuthSchemeLegacyHMAC
	s.endpoints = []*v1alpha1.NotificationEndpoint{s.endpoint("a", urlA), s.endpoint("b", urlB)}
	s.create(s.secret("cloudinary"), s.endpoints[0], s.endpoints[1], s.adopting, s.full, s.plain)
	s.start()

	s.upload = s.updated(settings{Filter: rawOnly, AuthScheme: s.unset}, settings{Additive: true, Filter: imagesOnly, AuthScheme: defaultAuth})
	s.remove = settings{Additive: true, Filter: imagesOnly, Template: idAlone, AuthScheme: legacyHMAC}
	s.other = s.remove
	s.plainURL = canonicalB
	s.become("manifests are applied", s.foreign, s.rows(), s.verdicts(map[string][]string{
		"adopting": {"filter"}, "full": {"filter", "payloadTemplate"},
	}))
}

// manifestsChange: a field is updated, filter and template are cleared, and a URL moves.
func (s *scenario) manifestsChange() {
	change(s.fixture, s.adopting, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.Filter = rawJSON(videosOnly) })
	change(s.fixture, s.full, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.Filter, t.Spec.PayloadTemplate = nil, nil })
	change(s.fixture, s.endpoints[1], func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL = urlB2 })

	s.upload = s.updated(s.upload, settings{Additive: true, Filter: videosOnly, AuthScheme: defaultAuth})
	s.remove = s.updated(s.remove, settings{Additive: true, AuthScheme: legacyHMAC})
	s.other = s.remove
	s.plainURL = urlB2
	s.become("manifests change", s.foreign, s.rows(), s.verdicts(map[string][]string{"adopting": {"filter"}}))
}

// somebodyMeddles: behind the operator's back one trigger is deleted, one moved, and a field of one changed.
func (s *scenario) somebodyMeddles() {
	s.quietens() // what was written is confirmed, so that what comes now is drift
	ids := s.idsByPlace()
	s.meddle(http.MethodDelete, "/triggers/"+ids["delete "+canonicalA], "")
	s.meddle(http.MethodPut, "/triggers/"+ids["eager "+urlB2], `{"new_uri":"`+elsewhere+`"}`)
	s.meddle(http.MethodPut, "/triggers/"+ids["upload "+canonicalA],
		`{"new_uri":"`+urlA+`","additive":true,"auth_scheme":"default","filter":`+rawOnly+`}`)

	s.remove = settings{Additive: true, AuthScheme: legacyHMAC} // created anew
	s.upload = s.drifted(s.upload, settings{Additive: true, Filter: rawOnly, AuthScheme: defaultAuth})
	s.become("somebody meddles", s.foreign, s.rows(), s.verdicts(map[string][]string{"adopting": {"filter"}}))
}

// aManifestIsRenamed: no trigger is lost and nothing is written, nor afterwards at rest.
func (s *scenario) aManifestIsRenamed() {
	s.quietens()
	s.become("before the rename", s.foreign, s.rows(), s.verdicts(map[string][]string{"adopting": {"filter"}}))
	ids, writes := s.idsByPlace(), s.writes()
	old := s.plain
	s.plain = s.trigger("renamed", "b", "eager", "moderation")
	s.create(s.plain)
	s.delete(old)
	s.gone(old)
	s.lists(3)
	s.become("a manifest is renamed", s.foreign, s.rows(), s.verdicts(map[string][]string{"adopting": {"filter"}}))
	if diff := gocmp.Diff(ids, s.idsByPlace()); diff != "" {
		s.Errorf("ids after a rename (-want +got):\n%s", diff)
	}
	if got := s.writes() - writes; got != 0 {
		s.Errorf("%d writes by a rename and at rest, want none: %+v", got, s.sim.Calls().Calls)
	}
}

// manifestsAreDeleted: what is foreign stays as it was, and what was adopted as it is.
func (s *scenario) manifestsAreDeleted() {
	secret := s.secret("cloudinary")
	s.delete(s.plain, secret, s.endpoints[0], s.adopting, s.full, s.endpoints[1])
	s.gone(s.plain, s.adopting, s.full, s.endpoints[0], s.endpoints[1], secret)
	s.become("manifests are deleted", s.foreign, []row{{"upload", canonicalA, s.upload}}, nil)
	kept := map[string]simulator.Trigger{}
	for _, t := range s.sim.Triggers() {
		if _, foreign := s.foreign[t.ID]; foreign {
			kept[t.ID] = t
		}
	}
	if diff := gocmp.Diff(s.foreign, kept); diff != "" {
		s.Errorf("foreign triggers (-before +after):\n%s", diff)
	}
}

func TestOfSeveralTriggersAtOnePlaceOneIsAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		why     string
		filters []string // of the triggers that are there, the oldest first
		kept    []string // of those that nobody touches
	}{
		"the one that needs no change": {why: "so that nothing is written", filters: []string{rawOnly, imagesOnly, videosOnly}, kept: []string{rawOnly, videosOnly}},
		"else the oldest":              {why: "a choice that stays the same", filters: []string{rawOnly, videosOnly}, kept: []string{videosOnly}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{DuplicateKey: simulator.DuplicateURIEventTypeFilter})
			f.hasten()
			for _, filter := range c.filters {
				f.nextSecond() // created_at counts no less
				f.meddle(http.MethodPost, "/triggers", `{"uri":"`+hook+`","event_type":"upload","filter":`+filter+`}`)
			}
			images := f.trigger("images", "media", "upload")
			images.Spec.Filter = rawJSON(imagesOnly)
			f.create(f.secret("cloudinary"), f.endpoint("media", hook), images)
			f.start()
			var want []row
			for _, filter := range append(slices.Clone(c.kept), imagesOnly) {
				want = append(want, row{"upload", hook, settings{Filter: filter, AuthScheme: defaultAuth}})
			}
			f.become(c.why, nil, want, nil)
			f.get(images)
			if got := images.Status.Registrations; len(got) != 1 || len(got[0].Triggers) != 1 || got[0].Triggers[0].Origin != v1alpha1.OriginAdopted {
				t.Errorf("status has %+v, want one that was adopted: %s", got, c.why)
			}
		})
	}
}
