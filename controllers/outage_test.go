// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// front stands before the simulator, notes when calls came, and can be taken away.
type front struct {
	*fixture
	server *httptest.Server

	mu   sync.Mutex
	seen []timedCall
}

type timedCall struct {
	method       string
	begun, ended time.Time // ended is zero as long as the call is under way
}

func newFront(f *fixture) *front {
	w := &front{fixture: f}
	w.server = httptest.NewServer(w)
	f.url = w.server.URL
	f.allow("*", f.url)
	f.secretURL = f.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	f.Cleanup(func() { w.server.Close() })
	return w
}

// ServeHTTP notes the call and passes it on.
func (w *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	i := len(w.seen)
	w.seen = append(w.seen, timedCall{method: r.Method, begun: time.Now()})
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen[i].ended = time.Now()
	}()
	w.sim.ServeHTTP(rw, r)
}

func (w *front) timedCalls() []timedCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

func (w *front) goAway() { w.server.Close() }

func (w *front) comeBack() {
	w.Helper()
	address := w.server.Listener.Addr().String()
	w.eventually(func() error {
		listener, err := net.Listen("tcp", address) //nolint:noctx // it returns at once
		if err != nil {
			return err
		}
		_ = w.server.Listener.Close()
		w.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}}
		w.server.Start()
		return nil
	})
}

func (f *fixture) inject(faults ...simulator.Fault) {
	f.Helper()
	for _, fault := range faults {
		f.must(f.sim.AddFault(fault))
	}
}

// always is how many calls a fault is for that is taken away by the test.
const always = 1000

const resetHeader = "X-FeatureRateLimit-Reset"

// failure is a way in which calls fail.
type failure struct {
	fault   simulator.Fault
	reason  string
	says    string
	wait    time.Duration // from the failure to the next call, at least
	timeout time.Duration // of a call
	silent  bool          // Cloudinary says nothing of its budget
}

func failures() map[string]failure {
	// A Retry-After counts from the header Date, which is up to a second old.
	const retryAfter = 3 * time.Second
	const unavailable, limited = v1alpha1.ReasonUnavailable, v1alpha1.ReasonRateLimited
	return map[string]failure{
		"500":                        {fault: simulator.Fault{Status: 500}, reason: unavailable, says: "HTTP status 500", wait: memory.FirstBackoff},
		"500 after it took effect":   {fault: simulator.Fault{Status: 500, After: true}, reason: unavailable, says: "HTTP status 500", wait: memory.FirstBackoff},
		"a proxy's 502":              {fault: simulator.Fault{Status: 502, Body: json.RawMessage(`"<html>bad gateway</html>"`)}, reason: unavailable, says: "HTTP status 502", wait: memory.FirstBackoff},
		"503 with Retry-After":       {fault: simulator.Fault{Status: 503, Headers: map[string]string{"Retry-After": "4"}}, reason: unavailable, says: "HTTP status 503", wait: retryAfter},
		"429 with Retry-After":       {fault: simulator.Fault{Status: 429, Headers: map[string]string{"Retry-After": "4"}}, reason: limited, says: "used up", wait: retryAfter, silent: true},
		"420 with Reset":             {fault: simulator.Fault{Status: 420, Headers: map[string]string{resetHeader: "to be set"}}, reason: limited, says: "used up", wait: memory.FirstBackoff},
		"slow, before it has effect": {fault: simulator.Fault{Delay: "1500ms"}, reason: unavailable, says: "no answer in time", wait: memory.FirstBackoff, timeout: time.Second},
		"slow, after it had effect":  {fault: simulator.Fault{Delay: "1500ms", After: true}, reason: unavailable, says: "no answer in time", wait: memory.FirstBackoff, timeout: time.Second},
		"cut before it has effect":   {fault: simulator.Fault{Cut: simulator.CutBefore}, reason: unavailable, says: "connection", wait: memory.FirstBackoff},
		"cut after it had effect":    {fault: simulator.Fault{Cut: simulator.CutAfter}, reason: unavailable, says: "connection", wait: memory.FirstBackoff},
	}
}

// failingCall is a failure of one kind of call.
type failingCall struct {
	method, name string
	failure
}

func failingCalls() []failingCall {
	var calls []failingCall
	for name, f := range failures() {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			calls = append(calls, failingCall{method, name, f})
		}
	}
	slices.SortFunc(calls, func(a, b failingCall) int { return cmp.Compare(a.method+a.name, b.method+b.name) })
	return calls
}

func TestAFailedCallIsReportedAndWaitedOutAndLosesNothing(t *testing.T) {
	const atOnce = 20
	name := func(c failingCall) string { return c.method + " " + c.name }
	sideBySide(t, atOnce, failingCalls(), name, func(t *testing.T, c failingCall) {
		t.Helper()
		o := newOutage(t, c)
		o.begins()
		o.isReported()
		o.ends()
	})
}

// outage is a time in which calls of one kind fail, in the life of some manifests that were in sync before.
type outage struct {
	*front
	failingCall
	began    time.Time
	ids      map[string]string // before
	endpoint *v1alpha1.NotificationEndpoint
	// spare stays as it is, images changes in a way that needs the call, late is created meanwhile.
	spare, images, late *v1alpha1.CloudinaryTrigger
	want                []string // places, at the end
}

func newOutage(t *testing.T, c failingCall) *outage {
	t.Helper()
	var options simulator.Options
	if c.silent {
		options.RateLimit = -1
	}
	o := &outage{front: newFront(newFixture(t, options)), failingCall: c}
	o.hasten()
	if c.timeout > 0 {
		o.options.CallTimeout = c.timeout
	}
	o.endpoint = o.front.endpoint("media", hook)
	o.spare, o.images, o.late = o.trigger("spare", "media", "eager"), o.trigger("images", "media", "upload", "delete"), o.trigger("late", "media", "rename")
	o.create(o.secret("cloudinary"), o.endpoint, o.spare, o.images)
	o.start()
	ready(o.fixture, o.spare)
	ready(o.fixture, o.images)
	o.lists(1)
	o.ids = o.idsByPlace()
	o.want = []string{"delete " + hook, "eager " + hook, "rename " + hook, "upload " + hook}
	return o
}

// begins breaks the calls, and makes a change that needs them. Where lists fail, what is known of the last one is enough for that.
func (o *outage) begins() {
	o.began = time.Now()
	if _, limited := o.fault.Headers[resetHeader]; limited {
		o.fault.Headers = map[string]string{resetHeader: o.began.Add(6 * time.Second).UTC().Format(http.TimeFormat)}
	}
	o.fault.Method, o.fault.Count = o.method, always
	o.inject(o.fault)
	change(o.fixture, o.images, func(t *v1alpha1.CloudinaryTrigger) {
		switch o.method {
		case http.MethodPost:
			t.Spec.EventTypes = append(t.Spec.EventTypes, "explode")
		case http.MethodDelete:
			t.Spec.EventTypes = []string{"upload"}
		case http.MethodPut:
			t.Spec.Additive = new(true)
		}
	})
	switch o.method {
	case http.MethodPost:
		o.want = append(o.want, "explode "+hook)
	case http.MethodDelete:
		o.want = slices.DeleteFunc(o.want, func(place string) bool { return place == "delete "+hook })
	}
}

// isReported: on the endpoint and on what waits; what is in sync stays Ready. A change in between is judged, and not called for.
func (o *outage) isReported() {
	if o.method != http.MethodGet {
		o.contains(becomes(o.fixture, o.images, v1alpha1.ConditionReady, metav1.ConditionFalse, o.reason), o.says)
	}
	o.contains(becomes(o.fixture, o.endpoint, v1alpha1.ConditionReady, metav1.ConditionFalse, o.reason), o.says)
	o.create(o.late)
	o.contains(becomes(o.fixture, o.late, v1alpha1.ConditionReady, metav1.ConditionFalse, o.reason), o.says)
	ready(o.fixture, o.spare)
}

// ends: all comes right by itself, nothing twice and nothing forgotten, and no call was made before its time.
func (o *outage) ends() {
	o.sim.ClearFaults()
	ready(o.fixture, o.late)
	ready(o.fixture, o.images)
	ready(o.fixture, o.endpoint)
	o.placesBecome(o.want...)
	for place, id := range o.idsByPlace() {
		if before := o.ids[place]; before != "" && before != id {
			o.Errorf("%s was %s and is %s", place, before, id)
		}
	}
	for _, t := range []*v1alpha1.CloudinaryTrigger{o.spare, o.images, o.late} {
		o.holdsAll(t, v1alpha1.OriginCreated)
	}
	o.waited()
	o.waitedForReset()
}

// waited checks that after the first call that failed there was none for as long as there should have been none.
func (o *outage) waited() {
	o.Helper()
	calls := slices.DeleteFunc(o.timedCalls(), func(t timedCall) bool { return t.begun.Before(o.began) })
	first := slices.IndexFunc(calls, func(t timedCall) bool { return t.method == o.method })
	if first >= 0 && o.method == http.MethodGet && o.fault.Cut != "" && first+1 < len(calls) && calls[first+1].method == http.MethodGet {
		first++ // net/http repeats a GET at once whose kept-open connection was cut
	}
	if first < 0 || first+1 >= len(calls) {
		o.Fatalf("no call failed, or none followed: %+v", calls)
	}
	failed := calls[first].ended
	if gaveUp := calls[first].begun.Add(o.timeout); o.timeout > 0 && gaveUp.Before(failed) {
		failed = gaveUp
	}
	// The calls are timed where they arrive, and a busy machine delays the first one's arrival more than the second's.
	const transit = 250 * time.Millisecond
	if gap := calls[first+1].begun.Sub(failed); gap < o.wait-transit {
		o.Errorf("the next call came %s after the one that failed, want at least %s", gap, o.wait)
	}
}

// waitedForReset checks that between the first refusal and the reset that it named there was no call.
func (o *outage) waitedForReset() {
	o.Helper()
	reset, named := o.fault.Headers[resetHeader]
	if !named {
		return
	}
	at, err := http.ParseTime(reset)
	o.must(err)
	calls := slices.DeleteFunc(o.timedCalls(), func(t timedCall) bool { return t.begun.Before(o.began) || t.begun.After(at) })
	first := slices.IndexFunc(calls, func(t timedCall) bool { return t.method == o.method })
	if after := len(calls) - 1 - first; after != 0 {
		o.Errorf("%d calls between the refusal and the reset: %+v", after, calls)
	}
}

func (f *fixture) contains(message, part string) {
	f.Helper()
	if !strings.Contains(message, part) {
		f.Errorf("the message lacks %q: %s", part, message)
	}
}

// holdsAll checks that the status of a trigger has exactly the ids of its triggers at Cloudinary.
func (f *fixture) holdsAll(o *v1alpha1.CloudinaryTrigger, origin v1alpha1.Origin) {
	f.Helper()
	f.get(o)
	ids, held := f.idsByPlace(), 0
	for _, reg := range o.Status.Registrations {
		for _, t := range reg.Triggers {
			held++
			if t.ID == "" || t.Origin != origin || ids[t.EventType+" "+reg.URL] != t.ID {
				f.Errorf("%s: status has %+v, Cloudinary has %v, want origin %s", o.Name, t, ids, origin)
			}
		}
	}
	if held != len(o.Spec.EventTypes) {
		f.Errorf("%s holds %d triggers, want those of %v: %+v", o.Name, held, o.Spec.EventTypes, o.Status.Registrations)
	}
}
