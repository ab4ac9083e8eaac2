// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func answering(status int) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

const uploaded = `{"event_type":"upload"}`

// deliveryWorld is a world with one trigger for uploads.
func deliveryWorld(t *testing.T, to *target, options simulator.DeliveryOptions) *world {
	t.Helper()
	w := start(t, simulator.Options{Delivery: options})
	w.trigger(t, uploadTrigger(to.url))
	return w
}

func (w *world) retry(t *testing.T, query string, want int) {
	t.Helper()
	w.play(t, []step{{do: "POST /_sim/deliveries/retry" + query, status: 200, want: `{"retried":` + strconv.Itoa(want) + `}`}})
}

func TestOnly200IsSuccess(t *testing.T) {
	for _, status := range []int{201, 202, 204, 301, 400, 404, 410, 429, 500, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			to := startTarget(t, answering(status))
			w := deliveryWorld(t, to, simulator.DeliveryOptions{RetrySchedule: simulator.Schedule{}})
			w.notify(t, uploaded)
			got := w.awaitStates(t, "failed")[0]
			if len(got.Attempts) != 1 || got.Attempts[0].Status != status || got.NextAttemptAt != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRetriesByTheSchedule(t *testing.T) {
	const started = 1728048600 // what the clock stands at
	cases := map[string]struct {
		mode       simulator.RetryTimestamp
		timestamps []int
	}{
		"with the same timestamp": {simulator.RetrySame, []int{started, started, started, started}},
		"with a fresh timestamp":  {simulator.RetryFresh, []int{started, started + 180, started + 360, started + 540}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := startTarget(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "not now", http.StatusServiceUnavailable)
			})
			w := deliveryWorld(t, to, simulator.DeliveryOptions{RetryTimestamp: tc.mode})
			w.notify(t, uploaded)
			for _, next := range []string{"13:33", "13:36", "13:39"} {
				got := w.awaitStates(t, "retrying")[0]
				if got.NextAttemptAt != "2024-10-04T"+next+":00.000Z" {
					t.Errorf("next at %s, want %s", got.NextAttemptAt, next)
				}
				w.clock.advance(3 * time.Minute)
				w.retry(t, "", 1)
			}
			got := w.awaitStates(t, "failed")[0]
			for i, r := range to.received() {
				want := strconv.Itoa(tc.timestamps[i])
				if r.header.Get("X-Cld-Timestamp") != want || got.Attempts[i].Headers["X-Cld-Timestamp"] != want {
					t.Errorf("attempt %d: X-Cld-Timestamp %s, shown %s, want %s", i+1, r.header.Get("X-Cld-Timestamp"), got.Attempts[i].Headers["X-Cld-Timestamp"], want)
				}
				if r.body != *got.Body || r.header.Get("X-Cld-Signature") != got.Attempts[i].Headers["X-Cld-Signature"] {
					t.Errorf("attempt %d is shown otherwise than it was", i+1)
				}
			}
			want := simulator.Attempt{Number: 4, At: "2024-10-04T13:39:00.000Z", Duration: "0s", Status: 503, Answer: "not now\n"}
			if diff := cmp.Diff(want, got.Attempts[3], cmpopts.IgnoreFields(simulator.Attempt{}, "Headers")); diff != "" || len(got.Attempts) != 4 {
				t.Errorf("%d attempts; the last (-want +got):\n%s", len(got.Attempts), diff)
			}
		})
	}
}

func TestRetriesComeByThemselves(t *testing.T) {
	to := startTarget(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{
		RetrySchedule:  simulator.Schedule{10 * time.Millisecond, 30 * time.Millisecond, time.Hour},
		RetryTimestamp: simulator.RetryFresh,
	}})
	w.trigger(t, uploadTrigger(to.url))
	w.notify(t, uploaded)
	got := w.awaitStates(t, "delivered")[0]
	if len(got.Attempts) != 3 {
		t.Fatalf("%+v", got.Attempts)
	}
	var at [3]time.Time
	for i, attempt := range got.Attempts {
		var err error
		if at[i], err = time.Parse(time.RFC3339, attempt.At); err != nil {
			t.Fatal(err)
		}
	}
	// Written in milliseconds.
	if at[1].Sub(at[0]) < 9*time.Millisecond || at[2].Sub(at[0]) < 29*time.Millisecond {
		t.Errorf("too early: %v", at)
	}
	for i, r := range to.received() {
		if !verified(t, r, "sha1", simulator.DefaultAPISecret) {
			t.Errorf("attempt %d does not verify", i+1)
		}
	}
}

func TestAFreshRetryIsSignedAsNotificationsAreNow(t *testing.T) {
	for name, tc := range map[string]struct{ notify, secret string }{
		"one like all":       {`{"event_type":"upload","payload":{}}`, "rotated"},
		"one with a signing": {`{"event_type":"upload","payload":{},"signing":{"api_secret":"forged"}}`, "forged"},
	} {
		t.Run(name, func(t *testing.T) {
			to := startTarget(t, answering(http.StatusUnauthorized))
			w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{RetryTimestamp: simulator.RetryFresh}})
			w.trigger(t, uploadTrigger(to.url))
			w.notify(t, tc.notify)
			w.awaitStates(t, "retrying")
			if err := w.sim.ChangeSigning(simulator.Signing{APISecret: "rotated"}); err != nil {
				t.Fatal(err)
			}
			if n := w.sim.RetryNow(); n != 1 {
				t.Errorf("%d retried", n)
			}
			await(t, "a retry", func() bool { return len(to.received()) == 2 })
			if !verified(t, to.received()[1], "sha1", tc.secret) {
				t.Errorf("the retry is not signed with %q", tc.secret)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := startTarget(t, nil)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		to := startTarget(t, func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.url, status) })
		w := deliveryWorld(t, to, simulator.DeliveryOptions{})
		w.notify(t, uploaded)
		if got := w.awaitStates(t, "retrying")[0]; got.Attempts[0].Status != status {
			t.Errorf("%+v", got.Attempts)
		}
	}
	if got := elsewhere.received(); len(got) > 0 {
		t.Errorf("followed: %+v", got)
	}
}

func TestAttemptsWithoutAnAnswer(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	hangs := startTarget(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cuts := startTarget(t, func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	cases := map[string]struct{ url, want string }{
		"nobody listens":      {closed.URL, "connection refused"},
		"no answer in time":   {hangs.url, "no answer within 50ms"},
		"a connection is cut": {cuts.url, "EOF"},
		"TLS is not spoken":   {strings.Replace(cuts.url, "http:", "https:", 1), "HTTP response to HTTPS client"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{Timeout: 50 * time.Millisecond, RetrySchedule: simulator.Schedule{time.Hour}}})
			w.trigger(t, uploadTrigger(tc.url+"/with?token=1"))
			w.notify(t, uploaded)
			got := w.awaitStates(t, "retrying")[0].Attempts[0]
			if got.Status != 0 || !strings.Contains(got.Error, tc.want) || strings.Contains(got.Error, "token") {
				t.Errorf("%+v, want it to say %q", got, tc.want)
			}
		})
	}
}

func TestAnAnswerCountsWhateverItsBody(t *testing.T) {
	to := startTarget(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, strings.Repeat("x", 1000))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{Timeout: 200 * time.Millisecond}})
	w.trigger(t, uploadTrigger(to.url))
	w.notify(t, uploaded)
	if got := w.awaitStates(t, "delivered")[0]; got.Attempts[0].Answer != strings.Repeat("x", 512) {
		t.Errorf("%+v", got.Attempts)
	}
}

func TestListingDeliveries(t *testing.T) {
	good, bad := startTarget(t, nil), startTarget(t, answering(http.StatusBadGateway))
	w := start(t, simulator.Options{})
	id := w.trigger(t, uploadTrigger(good.url))
	w.trigger(t, uploadTrigger(bad.url))
	w.notify(t, `{"event_type":"upload","payload":{"a":1}}`)
	w.notify(t, `{"event_type":"upload","payload":"`+"\xff"+`"}`)
	made := w.awaitStates(t, "delivered", "retrying", "delivered", "retrying")
	cases := map[string]struct {
		query string
		want  []int // of what was made
		total int
	}{
		"all":              {"", []int{0, 1, 2, 3}, 4},
		"by state":         {"?state=retrying", []int{1, 3}, 2},
		"by URL":           {"?url=" + url.QueryEscape(good.url), []int{0, 2}, 2},
		"by trigger":       {"?trigger_id=" + id, []int{0, 2}, 2},
		"by id":            {"?id=" + made[2].ID, []int{2}, 1},
		"by event type":    {"?event_type=eager", nil, 0},
		"the newest":       {"?limit=1", []int{3}, 4},
		"none, but counts": {"?limit=0&state=delivered", nil, 2},
		"with bodies":      {"?body=1", []int{0, 1, 2, 3}, 4},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := w.send(t, w.request(t, http.MethodGet, "/_sim/deliveries"+tc.query, ""))
			listed := parse(t, got.body).(map[string]any)
			if int(listed["total"].(float64)) != tc.total {
				t.Errorf("total %v, want %d", listed["total"], tc.total)
			}
			var ids, want []any
			for _, d := range listed["deliveries"].([]any) {
				shown := d.(map[string]any)
				ids = append(ids, shown["id"])
				_, text := shown["body"]
				_, binary := shown["body_base64"]
				if (text || binary) != (name == "with bodies") {
					t.Errorf("body shown: %t, %t", text, binary)
				}
			}
			for _, i := range tc.want {
				want = append(want, made[i].ID)
			}
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if *made[0].Body != `{"a":1}` || string(made[2].BodyBase64) != "\"\xff\"" || made[0].BodyBytes != 7 {
		t.Errorf("bodies: %+v", made)
	}
	w.play(t, []step{
		{do: "GET /_sim/deliveries?status=200", status: 400, want: message("status: is not known; there are body, event_type, id, limit, state, trigger_id and url")},
		{do: "GET /_sim/deliveries?state=lost", status: 400, want: message(`state: \"lost\" is not one of queued, sending, retrying, delivered, failed`)},
		{do: "GET /_sim/deliveries?limit=x", status: 400, want: message(`limit: \"x\" is not a value of it`)},
		{do: "POST /_sim/deliveries/retry?state=lost", status: 400},
		{do: "GET /_sim/deliveries/retry", status: 405},
	})
	w.retry(t, "?url="+url.QueryEscape(good.url), 0)
	w.retry(t, "?id="+made[1].ID, 1)
	await(t, "three requests", func() bool { return len(bad.received()) == 3 })
	w.play(t, []step{
		{do: "DELETE /_sim/deliveries", status: 200, want: ok},
		{do: "GET /_sim/deliveries", status: 200, want: `{"total":0,"states":{},"deliveries":[]}`},
		{do: "POST /_sim/deliveries/retry", status: 200, want: `{"retried":0}`},
	})
}

func TestHistoryIsBounded(t *testing.T) {
	to := startTarget(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	w := deliveryWorld(t, to, simulator.DeliveryOptions{History: 2, Concurrency: 1})
	got := w.notify(t, `{"event_type":"upload","count":5}`)
	left := w.awaitStates(t, "retrying", "delivered", "delivered")
	// What is pending stays; of the others the newest do.
	want := []string{got.Deliveries[0], got.Deliveries[3], got.Deliveries[4]}
	for i, d := range left {
		if d.ID != want[i] {
			t.Errorf("delivery %d is %s, want %s", i+1, d.ID, want[i])
		}
	}
}

func TestResetCutsWhatIsBeingSent(t *testing.T) {
	gone := make(chan struct{})
	to := startTarget(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	w := deliveryWorld(t, to, simulator.DeliveryOptions{})
	w.notify(t, uploaded)
	await(t, "a request", func() bool { return len(to.received()) == 1 })
	w.sim.Reset()
	<-gone
	if got := w.sim.Deliveries(); len(got) > 0 {
		t.Errorf("left: %+v", got)
	}
}

func TestClose(t *testing.T) {
	release := make(chan struct{})
	to := startTarget(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			<-release
		default:
			<-r.Context().Done()
		}
	})
	w := deliveryWorld(t, to, simulator.DeliveryOptions{})
	w.notify(t, uploaded)
	w.awaitStates(t, "retrying")
	w.notify(t, uploaded)
	await(t, "a second request", func() bool { return len(to.received()) == 2 })
	w.notify(t, uploaded)
	await(t, "a third request", func() bool { return len(to.received()) == 3 })

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		w.sim.Close(ctx)
		close(ended)
	}()
	close(release)
	w.awaitStates(t, "retrying", "delivered", "sending")
	select {
	case <-ended:
		t.Error("closed while something was being sent")
	default:
	}
	cancel()
	<-ended
	if got := w.sim.Deliveries()[2]; got.Attempts[0].Error != "context canceled" {
		t.Errorf("%+v", got)
	}
	if _, err := w.sim.Notify(simulator.Notification{EventType: "upload"}); err == nil {
		t.Error("accepted after it was closed")
	}
	w.sim.RetryNow()
	if got := to.received(); len(got) != 3 {
		t.Errorf("%d requests", len(got))
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	to := startTarget(t, answering(http.StatusInternalServerError))
	w := deliveryWorld(t, to, simulator.DeliveryOptions{})
	w.notify(t, `{"event_type":"upload","count":100}`)
	await(t, "100 requests", func() bool { return len(to.received()) == 100 })
	// Even without Close: what waits for a retry needs a timer only.
	await(t, "an end of the workers", func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "simulator.(*courier)")
	})
}

func TestForward(t *testing.T) {
	to := startTarget(t, answering(http.StatusOK))
	base, _, _ := strings.Cut(strings.TrimPrefix(to.url, "http://"), "/")
	w := start(t, simulator.Options{Delivery: simulator.DeliveryOptions{
		Forwards: []simulator.Forward{{From: "https://hooks.example.com", To: "http://" + base}},
	}})
	w.trigger(t, uploadTrigger("https://hooks.example.com/v1/notifications/shop/media?x=y"))
	w.notify(t, uploaded)
	w.awaitStates(t, "delivered")
	if got := to.received()[0]; got.host != "hooks.example.com" || got.uri != "/v1/notifications/shop/media?x=y" {
		t.Errorf("the receiver was asked for %s at %s", got.uri, got.host)
	}
}
