// SPDX-License-Identifier: Apache-2.0

package livecheck_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestTheLimitIsLeftAloneUnlessAskedFor(t *testing.T) {
	w := newWorld(t, simulator.Options{URLLimit: foreignURLs + 2})
	report, err := w.run(t.Context(), func(o *livecheck.Options) { o.URLLimit = foreignURLs + 2 })
	if err != nil {
		t.Fatal(err)
	}
	for _, question := range []string{"url-limit", "move-at-limit", "put-limit-check"} {
		if got := report.Verdict(question); got != livecheck.NotChecked {
			t.Errorf("%s is %q, want %q", question, got, livecheck.NotChecked)
		}
	}
	const documented = 44
	if report.Calls != documented {
		t.Errorf("%d calls, and docs/live-check.md says %d", report.Calls, documented)
	}
	w.checkClean(t)
}

func TestAnEnvironmentWithoutRoomIsRefused(t *testing.T) {
	cases := map[string]struct {
		options simulator.Options
		change  func(*livecheck.Options)
		calls   int
		want    string
	}{
		"that holds too many URLs": {
			options: simulator.Options{URLLimit: foreignURLs + 1},
			change:  func(o *livecheck.Options) { o.URLLimit = foreignURLs + 1 },
			calls:   1,
			want:    "uses 2 of 3 notification URLs and the check needs 2 free ones",
		},
		"whose limit is lower than expected": {
			options: simulator.Options{URLLimit: foreignURLs},
			calls:   3, // a list before, a create, and a list after
			want:    "fewer URLs are allowed than the expected 30 (--url-limit), and none is free: create trigger: HTTP status 400: limit_reached",
		},
		"with too few calls left": {
			options: simulator.Options{RateLimit: livecheck.CallsNeeded(0, false)},
			calls:   1,
			want:    "and the check may need",
		},
		"with too few calls left to fill it": {
			options: simulator.Options{RateLimit: livecheck.CallsNeeded(livecheck.DefaultURLLimit, true)},
			change:  fillLimit(livecheck.DefaultURLLimit),
			calls:   1,
			want:    "wait until 2026-03-01 13:00:00 UTC, or give --force",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.options)
			change := c.change
			if change == nil {
				change = func(*livecheck.Options) {}
			}
			_, err := w.run(t.Context(), change)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
			if w.calls != c.calls {
				t.Errorf("%d calls were made, want %d", w.calls, c.calls)
			}
			w.checkClean(t)
		})
	}
}

func TestALagCostsNoMoreCallsThanAreAskedFor(t *testing.T) {
	for _, lag := range []time.Duration{100 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		report, err := newWorld(t, simulator.Options{ListLag: lag}).run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if most := livecheck.CallsNeeded(livecheck.DefaultURLLimit, false); report.Calls > most {
			t.Errorf("with a lag of %s %d calls, of at most %d", lag, report.Calls, most)
		}
	}
}

// hang lets the list stop showing what is written, from the first PUT on until a trigger is deleted. It counts the lists until then.
func (w *world) hang() *int {
	lists := new(int)
	var moved, deleted bool
	var stale []byte
	w.onCall = func(_ int, out http.ResponseWriter, r *http.Request) bool {
		w.clock.Sleep(r.Context(), 100*time.Millisecond)
		moved = moved || r.Method == http.MethodPut
		deleted = deleted || moved && r.Method == http.MethodDelete
		if deleted || r.Method != http.MethodGet {
			return false
		}
		answer := httptest.NewRecorder() // of the simulator, so that its budget counts the call
		w.sim.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		switch {
		case !moved:
			stale = body
		case answer.Code == http.StatusOK:
			*lists++
			body = stale
		}
		maps.Copy(out.Header(), answer.Header())
		out.WriteHeader(answer.Code)
		_, _ = out.Write(body)
		return true
	}
	return lists
}

func TestAListThatHangsIsAskedLessAndLess(t *testing.T) {
	for _, lag := range []time.Duration{0, 300 * time.Millisecond, 5 * time.Second} {
		w := newWorld(t, simulator.Options{ListLag: lag})
		lists := w.hang()
		_, err := w.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the list does not show the update of trigger") {
			t.Errorf("with a lag of %s: %v, want that an update is not shown", lag, err)
		}
		// Four while the pause grows to five seconds, then one each: in a minute, sixteen, and more than a dozen to notice at all.
		if *lists < 12 || *lists > 18 {
			t.Errorf("with a lag of %s the list was asked %d times in a minute", lag, *lists)
		}
		w.checkClean(t)
	}
}

func TestCallsAreLeftToCleanUp(t *testing.T) {
	for _, lag := range []time.Duration{0, 300 * time.Millisecond} {
		for _, fill := range []bool{false, true} {
			w := newWorld(t, simulator.Options{ListLag: lag, RateLimit: 150, URLLimit: usualLimit})
			w.hang()
			_, err := w.run(t.Context(), fillLimit(usualLimit), func(o *livecheck.Options) {
				o.FillLimit, o.Patience = fill, time.Hour
			})
			if err == nil || !strings.Contains(err.Error(), "calls are left in this hour, and they are kept to clean up") {
				t.Errorf("with a lag of %s: %v, want that it stopped in time", lag, err)
			}
			for _, call := range w.sim.Calls().Calls {
				if call.Status == simulator.StatusEnhanceYourCalm {
					t.Errorf("with a lag of %s %d calls were beyond the budget", lag, call.Count)
				}
			}
			w.checkClean(t)
		}
	}
}

// A check that may start has the calls that it needs, also if it sees a lag.
func TestTheCallsThatAreAskedForSuffice(t *testing.T) {
	for _, lag := range []time.Duration{0, 100 * time.Millisecond, 3 * time.Second, 30 * time.Second, 50 * time.Second} {
		w := newWorld(t, simulator.Options{ListLag: lag, RateLimit: foreignTriggers + 1 + livecheck.CallsNeeded(0, false)})
		if _, err := w.run(t.Context()); err != nil {
			t.Errorf("with a lag of %s: %v", lag, err)
		}
		w.checkClean(t)
	}
}

func TestForceStartsWithFewCallsLeft(t *testing.T) {
	w := newWorld(t, simulator.Options{RateLimit: livecheck.CallsNeeded(0, false)})
	if _, err := w.run(t.Context(), func(o *livecheck.Options) { o.Force = true }); err != nil {
		t.Error(err)
	}
	w.checkClean(t)
}

func TestWrongCredentialsCostOneCall(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	w.credentials.APISecret = "a-wrong-secret"
	_, err := w.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Invalid credentials") || strings.Contains(err.Error(), "a-wrong-secret") {
		t.Errorf("got %v, want that the credentials are wrong, without them", err)
	}
	if w.calls != 1 {
		t.Errorf("%d calls, want 1", w.calls)
	}
}

// The simulator has no switch for these: a server in front of it behaves otherwise.
func TestServersThatTheSimulatorDoesNotKnow(t *testing.T) {
	cases := map[string]struct {
		options   simulator.Options
		interfere func(out http.ResponseWriter, r *http.Request) bool
		want      map[string]string
		seen      map[string]string
	}{
		"one that refuses a URL with a port": {
			interfere: func(out http.ResponseWriter, r *http.Request) bool {
				return bodyContains(r, ":443/") && refuse(out, http.StatusBadRequest, "invalid_or_malformed_attribute")
			},
			want: map[string]string{"normalize-url": "refused", "create-status": "201"},
		},
		"one that does not know an operator": {
			interfere: func(out http.ResponseWriter, r *http.Request) bool {
				return bodyContains(r, `"matches"`) && refuse(out, http.StatusBadRequest, "unknown operator")
			},
			want: map[string]string{"filter-operators": "some"},
			seen: map[string]string{"filter-operators": "evaluated: startsWith, endsWith, contains; refused or evaluated otherwise: matches"},
		},
		"one that knows none of the operators": {
			interfere: func(out http.ResponseWriter, r *http.Request) bool {
				return bodyContains(r, `"public_id"},`) && refuse(out, http.StatusBadRequest, "unknown operator")
			},
			want: map[string]string{"filter-operators": "none"},
		},
		"one that evaluates an operator otherwise": {
			interfere: func(_ http.ResponseWriter, r *http.Request) bool {
				replaceInBody(r, "endsWith", "startsWith")
				return false
			},
			want: map[string]string{"filter-operators": "some"},
		},
		"one that takes what is bad": {
			interfere: func(_ http.ResponseWriter, r *http.Request) bool {
				replaceInBody(r, "no_such_scheme", "default")
				replaceInBody(r, "no_such_operator", "==")
				replaceInBody(r, "{{#section}}", "{{section}}")
				return false
			},
			want: map[string]string{"bad-auth-scheme": "accepted", "bad-filter": "accepted", "bad-template": "accepted"},
		},
		"one whose PUT does not set the scheme": {
			interfere: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut {
					replaceInBody(r, `"auth_scheme"`, `"ignored"`)
				}
				return false
			},
			want: map[string]string{"put-fields": "partial", "clear-filter": "empty-object", "clear-template": "both"},
			seen: map[string]string{"put-fields": "changed: additive, filter, payload_template; not changed: auth_scheme"},
		},
		"one whose PUT does not set a template": {
			interfere: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut {
					replaceInBody(r, `"payload_template"`, `"ignored"`)
				}
				return false
			},
			want: map[string]string{"put-fields": "partial", "clear-filter": "empty-object", "clear-template": "not-applicable"},
		},
		"one that refuses a PUT with other fields": {
			interfere: func(out http.ResponseWriter, r *http.Request) bool {
				return r.Method == http.MethodPut && bodyContains(r, `"additive"`) && refuse(out, http.StatusBadRequest, "invalid_or_malformed_attribute")
			},
			want: map[string]string{
				"put-fields": "refused", "put-same-url": "refused", "clear-filter": "not-applicable", "clear-template": "not-applicable",
				"update-semantics": "merge",
			},
		},
		"one that clears by neither form": {
			interfere: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut {
					replaceInBody(r, `"filter":{}`, `"filter":null`)
					replaceInBody(r, `"payload_template":""`, `"payload_template":null`)
					replaceInBody(r, `"payload_template":{}`, `"payload_template":null`)
				}
				return false
			},
			want: map[string]string{"clear-filter": "neither", "clear-template": "neither"},
			seen: map[string]string{"clear-filter": `{}: answered as a success and not cleared; "": refused`},
		},
		"one that takes an empty text for nothing, after it refused to clear a template": {
			// The filter is unset by then, and has to be set again before the next form can be judged.
			options: simulator.Options{ClearTemplate: simulator.ClearEmptyString},
			interfere: func(_ http.ResponseWriter, r *http.Request) bool {
				replaceInBody(r, `"filter":""`, `"filter":null`)
				return false
			},
			want: map[string]string{"clear-filter": "empty-object", "clear-template": "empty-string"},
		},
		"one that moves no trigger at the limit": {
			interfere: moveRefusedAtLimit(),
			want:      map[string]string{"move-at-limit": "refused", "put-limit-check": "true"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.options.URLLimit = usualLimit
			w := newWorld(t, c.options)
			w.onCall = func(_ int, out http.ResponseWriter, r *http.Request) bool { return c.interfere(out, r) }
			report, err := w.run(t.Context(), fillLimit(usualLimit))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for question := range c.want {
				got[question] = report.Verdict(question)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			for question, want := range c.seen {
				if diff := cmp.Diff(want, seen(report, question)); diff != "" {
					t.Errorf("%s: seen (-want +got):\n%s", question, diff)
				}
			}
			checkVerdictsAreClosed(t, report)
			w.checkClean(t)
		})
	}
}

// moveRefusedAtLimit refuses every PUT that sends nothing but a URL, save the first, which is made with room to spare.
func moveRefusedAtLimit() func(http.ResponseWriter, *http.Request) bool {
	moves := 0
	return func(out http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || bodyContains(r, `"additive"`) {
			return false
		}
		moves++
		return moves > 1 && refuse(out, http.StatusBadRequest, "limit_reached")
	}
}

func TestAnEnvironmentThatTakesNoSuchURLIsSaidToBeOne(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	w.onCall = func(_ int, out http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodPost && refuse(out, http.StatusBadRequest, "invalid_or_malformed_attribute")
	}
	_, err := w.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a plain trigger at https://"+livecheck.Host+" is refused") {
		t.Errorf("got %v, want that such URLs are refused", err)
	}
}

func TestATriggerThatWasThereIsLeftAloneWhateverACreateAnswers(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	theirs := w.foreign[0].ID
	w.onCall = func(_ int, out http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		out.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(out).Encode(map[string]string{"id": theirs, "uri": "https://shop.example/hooks"})
		return true
	}
	_, err := w.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), theirs) {
		t.Errorf("got %v, want that %s was there before", err, theirs)
	}
	w.checkClean(t)
}

func TestFlagsForTheManager(t *testing.T) {
	cases := map[string]struct {
		options simulator.Options
		want    []string
	}{
		"a list that shows writes at once": {simulator.Options{URLLimit: usualLimit}, []string{"--settle-time=30s", "--url-limit=6"}},
		"a short lag, within the default":  {simulator.Options{URLLimit: usualLimit, ListLag: time.Second}, []string{"--settle-time=30s", "--url-limit=6"}},
		"a long lag":                       {simulator.Options{URLLimit: usualLimit, ListLag: 20 * time.Second}, []string{"--settle-time=1m5s", "--url-limit=6"}},
		"no limit of URLs":                 {simulator.Options{URLLimit: -1}, []string{"--settle-time=30s"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			report, err := newWorld(t, c.options).run(t.Context(), fillLimit(usualLimit))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, r := range report.Recommendations {
				got = append(got, r.Flag)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBothFormsOfTheReportHoldEveryAnswerAndNoSecret(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	var said bytes.Buffer
	report, err := w.run(t.Context(), func(o *livecheck.Options) { o.Progress = &said })
	if err != nil {
		t.Fatal(err)
	}
	var table, encoded bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteJSON(&encoded); err != nil {
		t.Fatal(err)
	}
	var read livecheck.Report
	if err := json.Unmarshal(encoded.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, read); diff != "" {
		t.Errorf("read back from JSON (-want +got):\n%s", diff)
	}
	rows := map[string]string{}
	for line := range strings.Lines(table.String()) {
		if fields := strings.Fields(line); len(fields) > 2 {
			rows[fields[0]] = fields[1] + " " + fields[2]
		}
	}
	for _, a := range report.Answers {
		if want := string(a.Mark) + " " + a.Verdict; rows[a.Question] != want {
			t.Errorf("the table's row of %s says %q, want %q", a.Question, rows[a.Question], want)
		}
	}
	for name, text := range map[string]string{"table": table.String(), "JSON": encoded.String(), "progress": said.String()} {
		for _, secret := range []string{simulator.DefaultAPISecret, simulator.DefaultAPIKey, "shop.example"} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds %q", name, secret)
			}
		}
	}
}
