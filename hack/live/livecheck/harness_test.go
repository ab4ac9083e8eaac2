// SPDX-License-Identifier: Apache-2.0

package livecheck_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// clock is moved by whoever sleeps, so that a test takes no time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a simulated product environment over HTTP, with triggers of others in it.
type world struct {
	sim         *simulator.Simulator
	clock       *clock
	credentials cloudinary.Credentials
	transport   *http.Transport
	foreign     []simulator.Trigger
	// onCall is told the number of each call, from 1, before it is served. One that it answers goes no further.
	onCall func(n int, w http.ResponseWriter, r *http.Request) (answered bool)

	mu    sync.Mutex
	calls int
}

// foreignURLs is how many URLs the triggers of others have, and foreignTriggers how many calls it took to make those.
const (
	foreignURLs     = 2
	foreignTriggers = 4
)

func newWorld(t *testing.T, options simulator.Options) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	options.Clock, options.Sleep = w.clock.Now, w.clock.Sleep
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	w.sim = sim
	server := httptest.NewServer(w)
	w.transport = &http.Transport{}
	t.Cleanup(func() {
		w.transport.CloseIdleConnections()
		server.Close()
	})
	w.credentials = cloudinary.Credentials{
		APIBase: server.URL, CloudName: simulator.DefaultCloud,
		APIKey: simulator.DefaultAPIKey, APISecret: simulator.DefaultAPISecret,
	}
	for _, body := range []string{
		`{"uri":"https://shop.example/hooks","event_type":"sprite","filter":{"==":[{"var":"resource_type"},"image"]}}`,
		`{"uri":"https://shop.example/hooks","event_type":"explode"}`,
		`{"uri":"https://blog.example/` + livecheck.Host + `","event_type":"sprite","additive":true}`,
		`{"uri":"https://` + livecheck.Host + `/flow","event_type":"sprite","uri_type":"flow"}`,
	} {
		if options.FilterLanguage == simulator.FilterLanguageRequire {
			body = strings.Replace(body, `"filter":{`, `"filter_language":"jsonlogic","filter":{`, 1)
		}
		w.post(t, body)
	}
	w.foreign = sim.Triggers()
	w.clock.Sleep(t.Context(), options.ListLag)
	return w
}

// post makes a trigger past the counting of calls.
func (w *world) post(t *testing.T, body string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1_1/"+simulator.DefaultCloud+"/triggers", strings.NewReader(body))
	request.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	answer := httptest.NewRecorder()
	w.sim.ServeHTTP(answer, request)
	if answer.Code >= 300 {
		t.Fatalf("create %s: %d %s", body, answer.Code, answer.Body)
	}
}

// ServeHTTP counts, and may interfere.
func (w *world) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.calls++
	n := w.calls
	w.mu.Unlock()
	if w.onCall != nil && w.onCall(n, out, r) {
		return
	}
	w.sim.ServeHTTP(out, r)
}

func (w *world) options() livecheck.Options {
	return livecheck.Options{Transport: w.transport, Now: w.clock.Now, Sleep: w.clock.Sleep}
}

func (w *world) run(ctx context.Context, change ...func(*livecheck.Options)) (livecheck.Report, error) {
	options := w.options()
	for _, c := range change {
		c(&options)
	}
	return livecheck.Run(ctx, w.credentials, options)
}

func fillLimit(limit int) func(*livecheck.Options) {
	return func(o *livecheck.Options) { o.FillLimit, o.URLLimit = true, limit }
}

// checkClean fails where a trigger of the check's is left, or one of somebody else's is not as it was.
func (w *world) checkClean(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(w.foreign, w.sim.Triggers()); diff != "" {
		t.Errorf("triggers after the check (-want +got):\n%s", diff)
	}
}

// verdicts are all of a report's, by question.
func verdicts(r livecheck.Report) map[string]string {
	all := map[string]string{}
	for _, a := range r.Answers {
		all[a.Question] = a.Verdict
	}
	return all
}

// seen is what an answer is based on.
func seen(r livecheck.Report, question string) string {
	for _, a := range r.Answers {
		if a.Question == question {
			return a.Seen
		}
	}
	return ""
}

// replaceInBody makes the server read one text as another.
func replaceInBody(r *http.Request, old, with string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), old, with)))
}

// bodyContains looks into a request and leaves it as it is.
func bodyContains(r *http.Request, text string) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return strings.Contains(string(body), text)
}

// refuse answers as the Admin API does.
func refuse(w http.ResponseWriter, status int, message string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"message": message}})
	return true
}
