// SPDX-License-Identifier: Apache-2.0

package livecheck_test

import (
	"flag"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// switchValue is one value of one switch of the simulator.
type switchValue struct {
	name, value string
	set         func(*simulator.Options)
}

type simOptions = simulator.Options

// Limits that cost few calls to fill.
const (
	usualLimit   = 6
	anotherLimit = 9
	limitLooked  = 10 // up to five more are tried
)

// switchValues are all values of all switches that are not the default.
func switchValues() []switchValue {
	return []switchValue{
		{"update-semantics", "replace", func(o *simOptions) { o.UpdateSemantics = simulator.UpdateReplace }},
		{"create-status", "200", func(o *simOptions) { o.CreateStatus = http.StatusOK }},
		{"create-body", "wrapped", func(o *simOptions) { o.CreateBody = simulator.CreateWrapped }},
		{"duplicate-key", "filter", func(o *simOptions) { o.DuplicateKey = simulator.DuplicateURIEventTypeFilter }},
		{"echo", "openapi", func(o *simOptions) { o.Echo = simulator.EchoOpenAPI }},
		{"unset-fields", "absent", func(o *simOptions) { o.UnsetFields = simulator.UnsetAbsent }},
		{"list-lag", "100ms", func(o *simOptions) { o.ListLag = 100 * time.Millisecond }},
		{"list-lag", "20s", func(o *simOptions) { o.ListLag = 20 * time.Second }},
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
		{"url-limit", "another", func(o *simOptions) { o.URLLimit = anotherLimit }},
		{"url-limit", "none", func(o *simOptions) { o.URLLimit = -1 }},
		{"rate-limit", "none", func(o *simOptions) { o.RateLimit = -1 }},
		{"rate-limit", "500", func(o *simOptions) { o.RateLimit = 500 }},
		{"rate-limit-window", "30m", func(o *simOptions) { o.RateLimitWindow = 30 * time.Minute }},
		{"rate-limit-status", "429", func(o *simOptions) { o.RateLimitStatus = http.StatusTooManyRequests }},
		{"timestamps", "offset", func(o *simOptions) { o.Timestamps = simulator.TimestampsOffset }},
		{"latency", "30ms", func(o *simOptions) { o.Latency = 30 * time.Millisecond }},
	}
}

func TestEverySwitchOfTheSimulatorIsInTheMatrix(t *testing.T) {
	notBehavior := []string{
		"Cloud", "APIKey", "APISecret", "AdditionalCredentials", "OAuthTokens", "ExtraEventTypes", // what an environment is called and has
		"ClaimAnswer", "ClaimLimit", // how an environment comes to be
		"Delivery",       // of notifications, of which the check sees nothing
		"Clock", "Sleep", // for tests
	}
	var all simOptions
	for _, v := range switchValues() {
		v.set(&all)
	}
	fields := reflect.ValueOf(all)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if fields.Field(i).IsZero() && !slices.Contains(notBehavior, name) {
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
		name += v.name + "=" + v.value + " "
	}
	return name[:len(name)-1]
}

func (c combination) options() simulator.Options {
	o := simulator.Options{URLLimit: usualLimit}
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

// withDefaults is what the simulator makes of options that say nothing.
func withDefaults(o simulator.Options) simulator.Options {
	o.RegisterFlags(flag.NewFlagSet("", flag.ContinueOnError))
	return o
}

// expected are the verdicts that are right for a simulator with these switches.
func expected(o simulator.Options) map[string]string {
	o = withDefaults(o)
	want := map[string]string{
		"create-status": strconv.Itoa(o.CreateStatus), "create-body": string(o.CreateBody),
		"create-echo": string(o.Echo), "echo": string(o.Echo),
		"unset-fields": string(o.UnsetFields), "timestamps": string(o.Timestamps),
		"normalize-url": "off", "normalize-filter": string(o.Normalize), "normalize-template": "off",
		"list-lag": "0s", "duplicate-key": string(o.DuplicateKey), "update-semantics": string(o.UpdateSemantics),
		"put-fields": string(o.PutFields), "put-same-url": string(o.PutFields),
		"clear-filter": string(o.ClearFilter), "clear-template": string(o.ClearTemplate),
		"put-url": string(o.PutURL), "put-answer": string(o.PutAnswer), "malformed-id": "malformed", "unknown-id": "not-found",
		"filter-language": string(o.FilterLanguage), "unset-auth-scheme": string(o.UnsetAuthScheme),
		"test": "evaluates", "test-without-sample": "accepted", "filter-operators": "all", "bad-filter": "refused", "bad-template": "refused", "bad-auth-scheme": "refused",
		"rate-limit": strconv.Itoa(o.RateLimit), "rate-limit-status": "not-checked",
		"url-limit": strconv.Itoa(o.URLLimit), "move-at-limit": "allowed", "put-limit-check": strconv.FormatBool(o.PutLimitCheck),
		"filter-limits": "not-checked", "signature-v2": "not-checked", "retry-schedule": "not-checked",
		"notification-bodies": "not-checked",
		"retry-timestamp":     "not-checked", "template-escaping": "not-checked",
	}
	if o.Normalize == simulator.NormalizeEquivalent {
		want["normalize-url"] = "equivalent"
	}
	if o.Normalize == simulator.NormalizeLossy {
		want["normalize-template"] = "lossy"
	}
	if o.Echo == simulator.EchoOpenAPI {
		want["unset-auth-scheme"] = "not-shown"
		if o.FilterLanguage == simulator.FilterLanguageEcho {
			want["filter-language"] = "accept"
		}
		want["unset-fields"], want["normalize-filter"], want["normalize-template"] = "not-shown", "not-shown", "not-shown"
	}
	if o.ListLag > 0 {
		want["list-lag"] = "lagging"
	}
	if o.PutFields == simulator.PutIgnore {
		// What a PUT leaves out stays, as does what it does not.
		want["update-semantics"], want["clear-filter"], want["clear-template"] = "merge", "not-applicable", "not-applicable"
	}
	if o.RateLimit < 0 {
		want["rate-limit"] = "no-headers"
	}
	if o.URLLimit < 0 {
		want["url-limit"], want["move-at-limit"], want["put-limit-check"] = "none", "not-applicable", "not-applicable"
	}
	return want
}

// visible is what the Admin API lets anybody find out about these switches.
func visible(o simulator.Options) simulator.Options {
	o = withDefaults(o)
	defaults := withDefaults(simulator.Options{})
	o.RateLimitStatus, o.RateLimitWindow, o.Latency = defaults.RateLimitStatus, defaults.RateLimitWindow, 0
	if o.Echo == simulator.EchoOpenAPI {
		o.UnsetFields, o.UnsetAuthScheme = defaults.UnsetFields, defaults.UnsetAuthScheme
		if o.FilterLanguage == simulator.FilterLanguageEcho {
			o.FilterLanguage = defaults.FilterLanguage
		}
		if o.Normalize == simulator.NormalizeLossy {
			o.Normalize = simulator.NormalizeOff
		}
	}
	if o.PutFields == simulator.PutIgnore {
		o.UpdateSemantics, o.ClearFilter, o.ClearTemplate = defaults.UpdateSemantics, defaults.ClearFilter, defaults.ClearTemplate
	}
	if o.URLLimit < 0 {
		o.PutLimitCheck = false
	}
	return o
}

func TestVerdictsNameEachSwitchAloneAndInAllPairs(t *testing.T) {
	combinations := aloneAndAllPairs()
	const groups = 8
	for group := range groups {
		t.Run(strconv.Itoa(group), func(t *testing.T) {
			t.Parallel()
			for i := group; i < len(combinations); i += groups {
				t.Run(combinations[i].name(), func(t *testing.T) { checkVerdicts(t, combinations[i].options()) })
			}
		})
	}
}

func checkVerdicts(t *testing.T, o simulator.Options) {
	t.Helper()
	w := newWorld(t, o)
	report, err := w.run(t.Context(), fillLimit(limitLooked))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(expected(o), verdicts(report)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	w.checkClean(t)
	checkVerdictsAreClosed(t, report)
	if most := livecheck.CallsNeeded(limitLooked, true); report.Calls > most {
		t.Errorf("%d calls, of at most %d that a check needs", report.Calls, most)
	}
	if report.Calls != w.sim.Calls().Total-len(w.foreign) {
		t.Errorf("%d calls were counted, %d were made", report.Calls, w.sim.Calls().Total-len(w.foreign))
	}
	checkFlags(t, o, report)
}

func checkVerdictsAreClosed(t *testing.T, report livecheck.Report) {
	t.Helper()
	for _, q := range livecheck.Questions() {
		verdict := report.Verdict(q.ID)
		if len(q.Verdicts) > 0 && verdict != livecheck.NotReached && !slices.Contains(q.Verdicts, verdict) {
			t.Errorf("%s: %q is none of %q", q.ID, verdict, q.Verdicts)
		}
	}
}

// checkFlags gives the flags that the report names to the simulator's own parser.
func checkFlags(t *testing.T, o simulator.Options, report livecheck.Report) {
	t.Helper()
	var got simulator.Options
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	got.RegisterFlags(flags)
	if err := flags.Parse(report.Simulator); err != nil {
		t.Fatalf("the simulator refuses %q: %v", report.Simulator, err)
	}
	want := visible(o)
	if got.ListLag < want.ListLag || got.ListLag > 2*want.ListLag+time.Second {
		t.Errorf("a lag of %s was measured as %s", want.ListLag, got.ListLag)
	}
	got.ListLag, want.ListLag = 0, 0
	want.Clock, want.Sleep, got.Clock, got.Sleep = nil, nil, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the simulator with %q (-want +got):\n%s", report.Simulator, diff)
	}
}

func TestEveryQuestionIsAskedOnceAndHasAMark(t *testing.T) {
	names := map[string]bool{}
	for _, q := range livecheck.Questions() {
		if names[q.ID] {
			t.Errorf("%s is asked twice", q.ID)
		}
		names[q.ID] = true
		if q.Asks == "" || !slices.Contains([]livecheck.Mark{livecheck.Known, livecheck.Probable, livecheck.Unknown}, q.Mark) {
			t.Errorf("%s has no mark, or asks nothing: %+v", q.ID, q)
		}
	}
}

func TestTheDocumentationListsEveryQuestion(t *testing.T) {
	page, err := os.ReadFile("../../../docs/live-check.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, q := range livecheck.Questions() {
		verdicts := "a number"
		if q.ID == "url-limit" {
			verdicts = "a number, `none`, `not-checked`"
		}
		if q.ID == "rate-limit" {
			verdicts = "a number, `no-headers`"
		}
		if len(q.Verdicts) > 0 {
			verdicts = "`" + strings.Join(q.Verdicts, "`, `") + "`"
		}
		want = append(want, "| `"+q.ID+"` | "+string(q.Mark)+" | "+q.Asks+" | "+verdicts+" |")
	}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") && strings.Count(line, "|") == 5 {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/live-check.md (-want +got):\n%s", diff)
	}
}
