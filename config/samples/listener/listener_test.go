// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const within = 10 * time.Second

// reading keeps two tests from reading a CLOUDINARY_URL at once, which the library does not bear.
var reading sync.Mutex

// world is a listener, and a simulated Cloudinary that notifies it of uploads and of its own doing.
type world struct {
	sim              *simulator.Simulator
	api, listenerURL string
	log              *safeBuffer
}

func newWorld(t *testing.T, options simulator.Options) *world {
	t.Helper()
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { sim.Close(context.WithoutCancel(t.Context())) })
	w := &world{sim: sim, api: server.URL + "/v1_1/demo", log: &safeBuffer{}}
	credentials := fmt.Sprintf("cloudinary://%s:%s@demo?upload_prefix=%s", simulator.DefaultAPIKey, simulator.DefaultAPISecret, server.URL)
	reading.Lock()
	tagger, _, secret, err := newTagger(credentials, "seen")
	reading.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(&listener{
		verifier: verifier{secret: []byte(secret), maxAge: maxAge}, handle: tagger.handle, now: time.Now, log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	t.Cleanup(listener.Close)
	w.listenerURL = listener.URL
	for _, eventType := range []string{"upload", "resource_tags_changed"} {
		w.call(t, http.MethodPost, "/triggers", fmt.Sprintf(`{"uri":%q,"event_type":%q,"additive":true}`, listener.URL, eventType), nil)
	}
	return w
}

func (w *world) call(t *testing.T, method, path, body string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.api+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, raw, err)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) upload(t *testing.T, publicID string, tags ...string) {
	t.Helper()
	payload, err := json.Marshal(map[string]any{
		"notification_type": "upload", "public_id": publicID, "resource_type": "image", "type": "upload", "tags": tags,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.sim.Notify(simulator.Notification{EventType: "upload", Payload: payload}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) tags(t *testing.T, publicID string) []string {
	t.Helper()
	var asset struct {
		Tags []string `json:"tags"`
	}
	w.call(t, http.MethodGet, "/resources/image/upload/"+url.PathEscape(publicID), "", &asset)
	return asset.Tags
}

// settled waits until nothing is under way, and counts deliveries by event type and state.
func (w *world) settled(t *testing.T) map[string]int {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		counts, busy := map[string]int{}, false
		for _, d := range w.sim.Deliveries() {
			counts[d.EventType+" "+d.State]++
			busy = busy || d.State == "queued" || d.State == "sending"
		}
		if !busy {
			return counts
		}
		if time.Now().After(deadline) {
			t.Fatalf("still busy: %v", counts)
		}
	}
}

func TestAnUploadIsTaggedOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		algorithm sample.Algorithm
		publicID  string
		tags      []string
	}{
		"SHA-1":                    {algorithm: sample.SHA1, publicID: "shoe"},
		"SHA-256":                  {algorithm: sample.SHA256, publicID: "shop/shoe"},
		"tags stay":                {algorithm: sample.SHA1, publicID: "shoe", tags: []string{"old", "red"}},
		"a public id from anybody": {algorithm: sample.SHA1, publicID: "shop/50% off? #1 é"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{Delivery: simulator.DeliveryOptions{SignatureAlgorithm: test.algorithm}})
			w.upload(t, test.publicID, test.tags...)
			w.settled(t)
			want := append(test.tags, "seen")
			if diff := cmp.Diff(want, w.tags(t, test.publicID)); diff != "" {
				t.Errorf("tags (-want +got):\n%s%s", diff, w.log)
			}
			// The same again, and what came of the tag itself, is answered 200 and changes nothing: it ends.
			w.upload(t, test.publicID, want...)
			if diff := cmp.Diff(map[string]int{"upload delivered": 2, "resource_tags_changed delivered": 1}, w.settled(t)); diff != "" {
				t.Errorf("deliveries (-want +got):\n%s%s", diff, w.log)
			}
		})
	}
}

func TestWhatFailsAtCloudinaryIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"reading fails":               {Method: http.MethodGet, Path: "/resources/image/upload/shoe", Status: 500},
		"the hour's calls are used":   {Method: http.MethodGet, Path: "/resources/image/upload/shoe", Status: 420},
		"the credentials are refused": {Method: http.MethodGet, Path: "/resources/image/upload/shoe", Status: 401},
		"it is not there yet":         {Method: http.MethodGet, Path: "/resources/image/upload/shoe", Status: 404},
		"an answer that is no JSON":   {Method: http.MethodGet, Path: "/resources/image/upload/shoe", Status: 200, Body: json.RawMessage(`"<html>"`)},
		"writing fails":               {Method: http.MethodPost, Path: "/resources/image/upload/shoe", Status: 503},
		"the answer is lost":          {Method: http.MethodPost, Path: "/resources/image/upload/shoe", Cut: simulator.CutAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{})
			if err := w.sim.AddFault(fault); err != nil {
				t.Fatal(err)
			}
			w.upload(t, "shoe", "old")
			if got := w.settled(t)["upload retrying"]; got != 1 {
				t.Fatalf("%d deliveries are to be tried again, want 1: %+v\n%s", got, w.sim.Deliveries(), w.log)
			}
			for _, d := range w.sim.Deliveries() {
				if d.EventType == "upload" && d.Attempts[0].Status != http.StatusServiceUnavailable {
					t.Errorf("answered %d, want 503", d.Attempts[0].Status)
				}
			}
			w.sim.RetryNow()
			w.settled(t)
			if diff := cmp.Diff([]string{"old", "seen"}, w.tags(t, "shoe")); diff != "" {
				t.Errorf("tags (-want +got):\n%s%s", diff, w.log)
			}
		})
	}
}

func TestAForgeryIsRefusedAndNothingIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Delivery: simulator.DeliveryOptions{RetrySchedule: simulator.Schedule{}}})
	if _, err := w.sim.Notify(simulator.Notification{
		EventType: "upload", Payload: json.RawMessage(`{"notification_type":"upload","public_id":"shoe"}`),
		Signing: &simulator.Signing{APISecret: "guessed"},
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"upload failed": 1}, w.settled(t)); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	if status := w.sim.Deliveries()[0].Attempts[0].Status; status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503: it may be a secret that is still to come", status)
	}
	if tags := w.tags(t, "shoe"); len(tags) > 0 {
		t.Errorf("it was tagged: %v", tags)
	}
}

// The vectors are Cloudinary's own, from its SDKs' tests.
func TestPublishedSignaturesMatch(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct{ body, timestamp, secret, signature string }{
		"SHA-1":           {"{}", "0", "someApiSecret", "f9aa4471d2a88ff244424cca2444edf7d7ac3596"},
		"SHA-256":         {"{}", "0", "someApiSecret", "d5497e1a206ad0ba29ad09a7c0c5f22e939682d15009c15ab3199f62fefbd14b"},
		"an upload":       {`{"public_id":"117e5550-7bfa-11e4-80d7-f962166bd3be","version":1417727468}`, "1417727468", "shhh", "bac927006d3ce039ef7632e2c03189348d02924a"},
		"not even a JSON": {`{public_id: 'sample'}`, "1315060510", "abcd", "25f7e91709c858b97d688ce8da799dedb290d9ef"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := verifier{secret: []byte(v.secret)}
			if !verifier.matches(v.signature, []byte(v.body), v.timestamp) {
				t.Error("the signature does not match")
			}
			if verifier.matches(v.signature, []byte(v.body+" "), v.timestamp) || verifier.matches(strings.ToUpper(v.signature), []byte(v.body), v.timestamp) {
				t.Error("another body, or another spelling, matches too")
			}
		})
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const signedAt = 1417727468
	now := time.Unix(signedAt, 0)
	body := `{"public_id":"117e5550-7bfa-11e4-80d7-f962166bd3be","version":1417727468}`
	for name, test := range map[string]struct {
		why             string
		body, timestamp string
		now             time.Time
		want            error
	}{
		"as it came":                    {now: now},
		"tried again for a month":       {now: now.Add(maxAge), why: "the receiver delivers late what it took in time"},
		"older":                         {now: now.Add(maxAge + time.Second), want: errTooOld},
		"a clock that is behind":        {now: now.Add(-maxFuture)},
		"from the future":               {now: now.Add(-maxFuture - time.Second), want: errTooOld},
		"another body":                  {now: now, body: body + "\n", want: errSignature},
		"no timestamp":                  {now: now, timestamp: "-", want: errTimestamp},
		"a digit moved out of the body": {now: now, body: body + "1", timestamp: "417727468", want: errTimestamp, why: "the digest is the same"},
		"a digit moved into the time":   {now: now, body: strings.TrimSuffix(body, "}"), timestamp: "}1417727468", want: errTimestamp, why: "the digest is the same"},
		"a sign in front":               {now: now, timestamp: "+141772746", want: errTimestamp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			header.Set("X-Cld-Timestamp", or(test.timestamp, strconv.Itoa(signedAt)))
			header.Set("X-Cld-Signature", "bac927006d3ce039ef7632e2c03189348d02924a")
			verifier := verifier{secret: []byte("shhh"), maxAge: maxAge}
			if _, err := verifier.verify(header, []byte(or(test.body, body)), test.now); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v: %s", err, test.want, test.why)
			}
		})
	}
}

// The Secret as kubelet mounts it, and changes it while the program runs.
func TestSecretsOfARotation(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1417727468, 0)
	l := &listener{
		verifier: verifier{secret: []byte("first"), folder: folder, maxAge: maxAge}, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler),
		handle: func(context.Context, notification) error { return nil },
	}
	answers := func(want map[string]int) {
		t.Helper()
		got := map[string]int{}
		for secret := range want {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
			r.Header.Set("X-Cld-Timestamp", "1417727468")
			r.Header.Set("X-Cld-Signature", sign("{}", "1417727468", secret))
			w := httptest.NewRecorder()
			l.ServeHTTP(w, r)
			got[secret] = w.Code
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answers by secret (-want +got):\n%s", diff)
		}
	}
	const later = http.StatusServiceUnavailable
	answers(map[string]int{"first": 200, "second": later, "third": later, "": later})
	write("CLOUDINARY_URL", "cloudinary://456:second@demo\n")
	write("signing.123", "first\n")
	write("signing.789", " third ")
	write("signing.0", "\n")
	write("api_secret", "fourth")
	write("CLOUDINARY_URL.bak", "cloudinary://456:fifth@demo")
	answers(map[string]int{"first": 200, "second": 200, "third": 200, "fourth": later, "fifth": later, "": later})
	write("CLOUDINARY_URL", "no URL %")
	if err := os.Remove(filepath.Join(folder, "signing.789")); err != nil {
		t.Fatal(err)
	}
	answers(map[string]int{"first": 200, "second": later, "third": later})
	write("CLOUDINARY_URL", "cloudinary://456:second@demo\n")
	write("signing.789", "third")
	l.verifier.secret, l.verifier.apiKeys = nil, []string{"789", "000"}
	answers(map[string]int{"first": later, "second": later, "third": 200, "": later})
	l.verifier.apiKeys = []string{"456"}
	answers(map[string]int{"first": later, "second": 200, "third": later, "": later})
	l.verifier.secret, l.verifier.apiKeys = []byte("first"), nil
	l.verifier.folder = filepath.Join(folder, "nosuch")
	answers(map[string]int{"first": 200, "second": later})
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body   string
		result error
		want   int
	}{
		"done":                {body: `{"notification_type":"upload"}`, want: http.StatusOK},
		"to be tried again":   {body: `{}`, result: fmt.Errorf("busy: %w", errRetry), want: http.StatusServiceUnavailable},
		"never":               {body: `{}`, result: errors.New("no"), want: http.StatusUnprocessableEntity},
		"not JSON":            {body: `{}{}`, want: http.StatusBadRequest},
		"no object":           {body: ` null`, want: http.StatusBadRequest},
		"a number":            {body: `5`, want: http.StatusBadRequest},
		"an upload's answer":  {body: `public_id=user/avatar&version=`, want: http.StatusBadRequest},
		"larger than allowed": {body: strings.Repeat(" ", maxBody) + "{}", want: http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1417727468, 0)
			l := &listener{
				verifier: verifier{secret: []byte("shhh"), maxAge: maxAge}, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler),
				handle: func(context.Context, notification) error { return test.result },
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("X-Cld-Timestamp", "1417727468")
			r.Header.Set("X-Cld-Signature", sign(test.body, "1417727468", "shhh"))
			w := httptest.NewRecorder()
			l.ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("answered %d, want %d", w.Code, test.want)
			}
		})
	}
}

// Not parallel: see reading.
func TestTheProgram(t *testing.T) {
	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	environment := map[string]string{"CLOUDINARY_URL": "cloudinary://key:secret@demo", "LISTEN_ADDRESS": address}
	go func() { ended <- run(ctx, func(name string) string { return environment[name] }) }()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(r); err == nil {
			response.Body.Close()
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, broken := range []string{"", "cloudinary://demo", "https://key:secret@demo%"} {
		err := run(t.Context(), func(name string) string { return map[string]string{"CLOUDINARY_URL": broken}[name] })
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("CLOUDINARY_URL=%q: %v", broken, err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	socket, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	return socket.Addr().String()
}

func sign(body, timestamp, secret string) string {
	sum := sha1.Sum([]byte(body + timestamp + secret))
	return hex.EncodeToString(sum[:])
}

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
