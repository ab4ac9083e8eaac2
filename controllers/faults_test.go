// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
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
		"500":                        {fault: simulator.Fault{Status: 500}, reason: unavailable, says: "HTTP status 500", wait: firstBackoff},
		"500 after it took effect":   {fault: simulator.Fault{Status: 500, After: true}, reason: unavailable, says: "HTTP status 500", wait: firstBackoff},
		"a proxy's 502":              {fault: simulator.Fault{Status: 502, Body: json.RawMessage(`"<html>bad gateway</html>"`)}, reason: unavailable, says: "HTTP status 502", wait: firstBackoff},
		"503 with Retry-After":       {fault: simulator.Fault{Status: 503, Headers: map[string]string{"Retry-After": "4"}}, reason: unavailable, says: "HTTP status 503", wait: retryAfter},
		"429 with Retry-After":       {fault: simulator.Fault{Status: 429, Headers: map[string]string{"Retry-After": "4"}}, reason: limited, says: "used up", wait: retryAfter, silent: true},
		"420 with Reset":             {fault: simulator.Fault{Status: 420, Headers: map[string]string{resetHeader: "to be set"}}, reason: limited, says: "used up", wait: firstBackoff},
		"slow, before it has effect": {fault: simulator.Fault{Delay: "1500ms"}, reason: unavailable, says: "no answer in time", wait: firstBackoff, timeout: time.Second},
		"slow, after it had effect":  {fault: simulator.Fault{Delay: "1500ms", After: true}, reason: unavailable, says: "no answer in time", wait: firstBackoff, timeout: time.Second},
		"cut before it has effect":   {fault: simulator.Fault{Cut: simulator.CutBefore}, reason: unavailable, says: "connection", wait: firstBackoff},
		"cut after it had effect":    {fault: simulator.Fault{Cut: simulator.CutAfter}, reason: unavailable, says: "connection", wait: firstBackoff},
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

func TestAnEnvironmentThatCannotBeReachedIsWaitedFor(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	endpoint, images, old := w.endpoint("media", hook), w.trigger("images", "media", "upload"), w.trigger("old", "media", "eager")
	w.create(w.secret("cloudinary"), endpoint, images, old)
	w.start()
	ready(w.fixture, images)
	ready(w.fixture, old)
	ids := w.idsByPlace()

	w.goAway()
	w.delete(old)
	change(w.fixture, images, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"upload", "delete"} })
	w.contains(becomes(w.fixture, endpoint, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonUnavailable), "connection refused")
	for _, o := range []*v1alpha1.CloudinaryTrigger{images, old} {
		w.contains(becomes(w.fixture, o, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonUnavailable), "connection refused")
	}

	w.comeBack()
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
	w.gone(old)
	w.placesBecome("delete "+hook, "upload "+hook)
	if got, want := w.idsByPlace()["upload "+hook], ids["upload "+hook]; got != want {
		t.Errorf("the trigger that was there is %s now, want %s", got, want)
	}
}

func TestAManagerThatNeverReachedTheEnvironmentSaysSo(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	w.goAway()
	endpoint, images := w.endpoint("media", hook), w.trigger("images", "media", "upload")
	w.create(w.secret("cloudinary"), endpoint, images)
	w.start()
	w.contains(becomes(w.fixture, endpoint, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	w.contains(becomes(w.fixture, images, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	w.comeBack()
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
}

func TestAManagerThatStartsWhileTheEnvironmentIsAwaySaysSo(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	endpoint, images := w.endpoint("media", hook), w.trigger("images", "media", "upload")
	w.create(w.secret("cloudinary"), endpoint, images)
	w.start()
	ready(w.fixture, images)
	w.stop()
	w.goAway()
	w.start()
	w.contains(becomes(w.fixture, endpoint, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	ready(w.fixture, images) // nothing speaks against what was known before
	change(w.fixture, images, func(c *v1alpha1.CloudinaryTrigger) { c.Spec.EventTypes = append(c.Spec.EventTypes, "delete") })
	w.contains(becomes(w.fixture, images, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	w.comeBack()
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
}

func TestAManagerThatEndsInACreateIsContinuedByTheNext(t *testing.T) {
	cases := map[string]struct {
		why   string
		fault simulator.Fault
		posts int // that reach the simulator
	}{
		"the call has taken effect": {
			why: "the next manager finds the result by the intent", fault: simulator.Fault{Delay: "1s", After: true}, posts: 1,
		},
		"the call takes effect later": {
			why: "the next manager must not call again before it is sure that it does not", fault: simulator.Fault{Delay: "1s"}, posts: 1,
		},
		"the call never takes effect": {
			why: "the next manager calls again once it is sure", fault: simulator.Fault{Delay: "1s", Cut: simulator.CutBefore}, posts: 2,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFront(newFixture(t, simulator.Options{}))
			w.hasten()
			w.options.SettleTime = 4 * time.Second
			c.fault.Method = http.MethodPost
			w.inject(c.fault)
			endpoint, images := w.endpoint("media", hook), w.trigger("images", "media", "upload")
			w.create(w.secret("cloudinary"), endpoint, images)
			w.start()
			w.eventually(func() error {
				if !slices.ContainsFunc(w.timedCalls(), func(t timedCall) bool { return t.method == http.MethodPost }) {
					return errors.New("no POST yet")
				}
				return nil
			})
			w.stop()
			if ended := !w.timedCalls()[len(w.timedCalls())-1].ended.IsZero(); ended {
				t.Fatal("the POST had ended before the manager did: the test shows nothing")
			}

			w.start()
			ready(w.fixture, images)
			w.placesBecome("upload " + hook)
			w.holdsAll(images, v1alpha1.OriginCreated)
			posts := slices.DeleteFunc(w.timedCalls(), func(t timedCall) bool { return t.method != http.MethodPost })
			if len(posts) != c.posts {
				t.Errorf("%d POSTs, want %d: %s", len(posts), c.posts, c.why)
			}
			w.delete(images, endpoint)
			w.gone(images, endpoint)
			w.placesBecome()
		})
	}
}

func TestWrongCredentialsChangeNothingAndAreNotTriedInAHotLoop(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	secret, endpoint, images := w.secret("cloudinary"), w.endpoint("media", hook), w.trigger("images", "media", "upload")
	w.create(secret, endpoint, images)
	w.start()
	ready(w.fixture, images)
	ids, writes := w.idsByPlace(), w.writes()

	setURL := func(url string) {
		change(w.fixture, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(url)} })
	}
	setURL(w.credentials(simulator.DefaultAPIKey, "not-the-secret"))
	message := becomes(w.fixture, endpoint, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	w.contains(message, "refuses the credentials")
	becomes(w.fixture, images, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	if strings.Contains(message, "not-the-secret") {
		t.Errorf("the message holds the secret: %s", message)
	}
	for i := range 3 {
		late := w.trigger(fmt.Sprintf("late-%d", i), "media", "rename")
		w.create(late)
		becomes(w.fixture, late, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	}
	change(w.fixture, images, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"upload", "delete"} })
	refused := 0
	w.eventually(func() error {
		if refused = w.calls(http.MethodGet, http.StatusUnauthorized); refused < 2 {
			return fmt.Errorf("tried %d times", refused)
		}
		return nil
	})
	calls := w.timedCalls()
	calls = calls[len(calls)-refused:] // since the credentials are wrong there are no others
	for i := range calls[1:] {
		if gap := calls[i+1].begun.Sub(calls[i].begun); gap < firstBackoff {
			t.Errorf("refused credentials were tried again after %s, want at least %s", gap, firstBackoff)
		}
	}
	if diff := gocmp.Diff(ids, w.idsByPlace()); diff != "" || w.writes() != writes {
		t.Errorf("%d writes without credentials (-before +after):\n%s", w.writes()-writes, diff)
	}

	setURL(w.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret))
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
	w.placesBecome("delete "+hook, "rename "+hook, "upload "+hook)
}

func TestAListThatCannotBeTrustedLeadsToNoChange(t *testing.T) {
	texts := map[string]string{
		"empty body":                    "",
		"HTML":                          "<html>It works!</html>",
		"no list":                       "{}",
		"null":                          `{"triggers":null}`,
		"an array":                      "[]",
		"fewer than the total":          `{"triggers":[],"total":3}`,
		"a further page":                `{"triggers":[],"next_cursor":"x"}`,
		"a trigger without an id":       `{"triggers":[{"event_type":"upload","uri":"https://x.example.com"}],"total":1}`,
		"cut off":                       `{"triggers":[{"id":"0123456789abcdef0123456789abcdef","uri":"https://x.exam`,
		"an error that is no error":     `{"error":{"message":"try later"}}`,
		"another status without a list": `{"message":"ok"}`,
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.hasten()
			body, err := json.Marshal(text)
			f.must(err)
			garbage := simulator.Fault{Method: http.MethodGet, Count: always, Status: http.StatusOK, Body: body}
			f.admin(http.MethodPost, "/triggers", `{"uri":"`+hook+`","event_type":"upload"}`)
			f.inject(garbage)
			endpoint, images := f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
			f.create(f.secret("cloudinary"), endpoint, images)
			before := f.writes()
			f.start()
			becomes(f, endpoint, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
			becomes(f, images, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
			if got := f.writes() - before; got != 0 {
				t.Errorf("%d writes before the triggers were ever read", got)
			}
			f.sim.ClearFaults()
			ready(f, images)
			ready(f, endpoint)

			ids, writes := f.idsByPlace(), f.writes()
			f.inject(garbage)
			becomes(f, endpoint, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnavailable)
			ready(f, images)
			f.sim.ClearFaults()
			ready(f, endpoint)
			f.lists(2)
			if diff := gocmp.Diff(ids, f.idsByPlace()); diff != "" || f.writes() != writes {
				t.Errorf("%d writes because of a list that cannot be trusted (-before +after):\n%s", f.writes()-writes, diff)
			}
		})
	}
}

func TestARefusedTriggerDoesNotKeepOthersFromBeingCreated(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.hasten()
	bad, good := f.trigger("bad", "media", "aaa_no_such_event", "upload"), f.trigger("good", "media", "delete", "rename")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), bad, good)
	f.start()
	ready(f, good)
	message := becomes(f, bad, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRejected)
	f.contains(message, "Invalid value aaa_no_such_event for parameter event_type")
	f.placesBecome("delete "+hook, "rename "+hook, "upload "+hook)
	f.lists(3)
	if got := f.calls(http.MethodPost, http.StatusBadRequest); got != 1 {
		t.Errorf("what was refused was asked for %d times, want once", got)
	}
	change(f, bad, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"upload"} })
	ready(f, bad)
}

func TestTheServersURLLimitCountsWhereItIsLowerThanOurs(t *testing.T) {
	f := newFixture(t, simulator.Options{URLLimit: 2})
	f.hasten()
	url := func(name string) string { return "https://hooks.example.com/" + name }
	f.create(f.secret("cloudinary"))
	triggers := map[string]*v1alpha1.CloudinaryTrigger{}
	for _, name := range []string{"a", "b", "c"} {
		triggers[name] = f.trigger(name, name, "upload", "delete")
		f.create(f.endpoint(name, url(name)))
	}
	f.start()
	f.create(triggers["a"], triggers["b"])
	ready(f, triggers["a"])
	ready(f, triggers["b"])

	f.create(triggers["c"])
	message := becomes(f, triggers["c"], v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonURLLimitReached)
	f.contains(message, "limit_reached")
	posts := f.calls(http.MethodPost, http.StatusBadRequest)
	f.lists(3)
	if got := f.calls(http.MethodPost, http.StatusBadRequest) - posts; got != 0 {
		t.Errorf("asked %d times more for what was refused", got)
	}
	f.placesBecome("delete "+url("a"), "delete "+url("b"), "upload "+url("a"), "upload "+url("b"))

	t.Log("it goes through by itself when a URL is let go of")
	f.delete(triggers["b"])
	f.gone(triggers["b"])
	ready(f, triggers["c"])
	f.placesBecome("delete "+url("a"), "delete "+url("c"), "upload "+url("a"), "upload "+url("c"))
}

func TestAMoveThatTheServersURLLimitRefusesKeepsTheOldURL(t *testing.T) {
	f := newFixture(t, simulator.Options{URLLimit: 2, PutLimitCheck: true})
	f.hasten()
	url := func(name string) string { return "https://hooks.example.com/" + name }
	a, b := f.endpoint("a", url("a")), f.endpoint("b", url("b"))
	onA, onB := f.trigger("a", "a", "upload", "delete"), f.trigger("b", "b", "upload")
	f.create(f.secret("cloudinary"), a, b, onA, onB)
	f.start()
	ready(f, onA)
	ready(f, onB)

	change(f, a, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL = url("a2") })
	becomes(f, onA, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonURLLimitReached)
	f.placesBecome("delete "+url("a"), "upload "+url("a"), "upload "+url("b"))
	writes := f.writes()
	f.lists(3)
	if got := f.writes() - writes; got != 0 {
		t.Errorf("asked %d times more for what was refused", got)
	}

	f.delete(onB)
	f.gone(onB)
	ready(f, onA)
	f.placesBecome("delete "+url("a2"), "upload "+url("a2"))
}

func TestAnInterruptedReplacementOfAnAdoptedTriggerStaysAdopted(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"refused for the budget":   {Status: simulator.StatusEnhanceYourCalm, Headers: map[string]string{resetHeader: "none"}},
		"cut before it has effect": {Cut: simulator.CutBefore},
		"cut after it had effect":  {Cut: simulator.CutAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{PutFields: simulator.PutIgnore}) // so it has to be replaced
			f.hasten()
			f.admin(http.MethodPost, "/triggers", `{"uri":"`+hook+`","event_type":"upload"}`)
			fault.Method = http.MethodPost
			f.inject(fault)
			endpoint, images := f.endpoint("media", hook), f.trigger("images", "media", "upload")
			images.Spec.Additive = new(true)
			f.create(f.secret("cloudinary"), endpoint, images)
			f.start()
			f.eventually(func() error {
				want := []row{{"upload", hook, settings{Additive: true, AuthScheme: defaultAuth}}}
				if diff := gocmp.Diff(want, f.rowsBut(nil)); diff != "" {
					return fmt.Errorf("not replaced yet (-want +got):\n%s", diff)
				}
				return nil
			})
			ready(f, images)
			f.holdsAll(images, v1alpha1.OriginAdopted)
			f.delete(images, endpoint)
			f.gone(images, endpoint)
			f.placesBecome("upload " + hook)
		})
	}
}
