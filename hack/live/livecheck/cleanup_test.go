// SPDX-License-Identifier: Apache-2.0

package livecheck_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// environments are such as differ in what has to be cleaned up, and when it can be seen.
func environments() map[string]simulator.Options {
	return map[string]simulator.Options{
		"with defaults": {URLLimit: usualLimit},
		"with a list that lags and duplicates that are allowed": {
			URLLimit: usualLimit, ListLag: 12 * time.Second, DuplicateKey: simulator.DuplicateURIEventTypeFilter,
		},
	}
}

// callsOf is how many calls an undisturbed check makes.
func callsOf(t *testing.T, o simulator.Options, change ...func(*livecheck.Options)) int {
	t.Helper()
	report, err := newWorld(t, o).run(t.Context(), change...)
	if err != nil {
		t.Fatal(err)
	}
	return report.Calls
}

func TestNothingIsLeftWhateverCallFails(t *testing.T) {
	faults := map[string]simulator.Fault{
		"takes effect and is answered 503":       {Status: http.StatusServiceUnavailable, After: true},
		"is cut off before it takes effect":      {Cut: simulator.CutBefore},
		"is cut off after it took effect":        {Cut: simulator.CutAfter},
		"is beyond the budget":                   {Status: simulator.StatusEnhanceYourCalm},
		"takes effect and is answered by a page": {Status: http.StatusOK, After: true, Body: []byte(`"<html>Welcome</html>"`)},
		"and four more are cut off afterwards":   {Cut: simulator.CutAfter, Count: 5},
	}
	for where, options := range environments() {
		for what, fault := range faults {
			t.Run(where+" a call "+what, func(t *testing.T) {
				t.Parallel()
				// Without the limit, which is filled by more of the same calls.
				for nth := range callsOf(t, options) {
					disturb(t, options, fault, nth+1)
				}
			})
		}
	}
}

// disturb lets a fault happen at the nth call.
func disturb(t *testing.T, options simulator.Options, fault simulator.Fault, nth int) {
	t.Helper()
	w := newWorld(t, options)
	w.onCall = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == nth {
			if err := w.sim.AddFault(fault); err != nil {
				panic(err)
			}
		}
		return false
	}
	report, err := w.run(t.Context())
	if w.sim.ClearFaults(); w.calls < nth {
		t.Fatalf("call %d was never made", nth)
	}
	// The last calls only clean up, and are repeated until they succeed.
	if cleansUp := report.Verdict("unknown-id") != livecheck.NotReached; (err == nil) != cleansUp {
		t.Errorf("at call %d: error %v, and everything was asked: %t", nth, err, cleansUp)
	}
	w.checkClean(t)
	if t.Failed() {
		t.Fatalf("at call %d: %v", nth, err)
	}
}

func TestNothingIsLeftWheneverTheCheckIsInterrupted(t *testing.T) {
	for where, options := range environments() {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			for nth := range callsOf(t, options, fillLimit(usualLimit)) {
				w := newWorld(t, options)
				ctx, cancel := context.WithCancel(t.Context())
				w.onCall = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
					if n == nth+1 {
						cancel()
					}
					return false
				}
				report, err := w.run(ctx, fillLimit(usualLimit))
				cancel()
				if complete := report.Verdict("unknown-id") != livecheck.NotReached; !complete && !errors.Is(err, context.Canceled) {
					t.Errorf("at call %d: %v, want that it was interrupted", nth+1, err)
				}
				w.checkClean(t)
				if t.Failed() {
					t.Fatalf("at call %d: %v", nth+1, err)
				}
			}
		})
	}
}

// failingWriter panics at the nth line of progress.
type failingWriter struct{ left int }

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left--; f.left == 0 {
		panic("nobody can write here")
	}
	return len(p), nil
}

func TestNothingIsLeftAfterAPanic(t *testing.T) {
	const lines = 12 // one for the environment, and one for each step
	for nth := 1; nth <= lines; nth++ {
		w := newWorld(t, simulator.Options{URLLimit: usualLimit})
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic at line %d", nth)
				}
			}()
			_, _ = w.run(t.Context(), fillLimit(usualLimit), func(o *livecheck.Options) { o.Progress = &failingWriter{left: nth} })
		}()
		w.checkClean(t)
	}
}

func TestLeftoversOfAnEarlierCheckAreDeleted(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	w.post(t, `{"uri":"https://`+livecheck.Host+`/crashed/1","event_type":"upload"}`)
	w.post(t, `{"uri":"https://`+strings.ToUpper(livecheck.Host)+`:443/crashed/2","event_type":"all"}`)
	ids := w.sim.Triggers()[len(w.foreign):]
	var said strings.Builder
	if _, err := w.run(t.Context(), func(o *livecheck.Options) { o.Progress = &said }); err != nil {
		t.Fatal(err)
	}
	w.checkClean(t)
	for _, left := range ids {
		if want := "deleting trigger " + left.ID + ", left by an earlier check"; !strings.Contains(said.String(), want) {
			t.Errorf("said %q, want %q in it", said.String(), want)
		}
	}
}

func TestWhatCannotBeDeletedIsNamed(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	w.onCall = func(_ int, out http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodDelete && refuse(out, http.StatusServiceUnavailable, "down")
	}
	report, err := w.run(t.Context())
	if err == nil {
		t.Fatal("no error, though nothing could be deleted")
	}
	left := w.sim.Triggers()[len(w.foreign):]
	if len(left) != 1 {
		t.Fatalf("%d triggers are left, want 1: the first one that the check makes", len(left))
	}
	if !strings.Contains(err.Error(), left[0].ID) {
		t.Errorf("%q does not name %s", err, left[0].ID)
	}
	if got := report.Verdict("create-status"); got != "201" {
		t.Errorf("create-status is %q, want what was seen before the failure", got)
	}
	if got := report.Verdict("clear-filter"); got != livecheck.NotReached {
		t.Errorf("clear-filter is %q, want %q", got, livecheck.NotReached)
	}
}

func TestADeleteThatDoesNothingIsNamed(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	w.onCall = func(_ int, out http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		_, _ = out.Write([]byte(`{"message":"ok"}`))
		return true
	}
	_, err := w.run(t.Context())
	if err == nil {
		t.Fatal("no error, though nothing was deleted")
	}
	for _, left := range w.sim.Triggers()[len(w.foreign):] {
		if _, after, found := strings.Cut(err.Error(), "still shows"); !found || !strings.Contains(after, left.ID) {
			t.Errorf("%q does not say that the list still shows %s", err, left.ID)
		}
	}
}

func TestAListThatNeverConfirmsIsAnError(t *testing.T) {
	w := newWorld(t, simulator.Options{ListLag: time.Hour})
	w.clock.Sleep(t.Context(), time.Hour)
	_, err := w.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the list does not show the new trigger") {
		t.Errorf("got %v, want that the list does not show the trigger", err)
	}
	w.checkClean(t)
}
