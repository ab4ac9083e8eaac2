// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// clock stands still until it is told otherwise; sleeping moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) sleep(_ context.Context, d time.Duration) { c.advance(d) }

// world is a running simulator, called with the default credentials.
type world struct {
	sim   *simulator.Simulator
	url   string
	clock *clock
}

func start(t *testing.T, options simulator.Options) *world {
	t.Helper()
	c := &clock{now: time.Date(2024, 10, 4, 13, 30, 0, 0, time.UTC)}
	options.Clock, options.Sleep = c.Now, c.sleep
	return serve(t, options, c)
}

// startNow starts one whose clock runs.
func startNow(t *testing.T, options simulator.Options) *world {
	t.Helper()
	return serve(t, options, &clock{})
}

func serve(t *testing.T, options simulator.Options, c *clock) *world {
	t.Helper()
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		// At once: what is being sent is cut.
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		sim.Close(ended)
		server.Close()
	})
	return &world{sim: sim, url: server.URL, clock: c}
}

// reply is an answer; status 0 means that there was none.
type reply struct {
	status int
	body   string
	header http.Header
}

func (w *world) send(t *testing.T, req *http.Request) reply {
	t.Helper()
	// No connection is used twice, so that the client does not repeat a call whose connection was cut.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("read answer: %v", err)
	}
	return reply{status: resp.StatusCode, body: string(body), header: resp.Header}
}

func (w *world) request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	return req
}

// step is one call of a scenario. In its texts {1} is the id of the oldest trigger there has been, {2} of the next.
type step struct {
	do      string // "POST /triggers"; a path from /v1_1/ or /_sim/ on is taken as it is
	body    string
	status  int
	want    string // JSON; empty: not looked at
	advance time.Duration
}

// play makes the calls and compares each answer.
func (w *world) play(t *testing.T, steps []step) {
	t.Helper()
	var ids []string
	for i, s := range steps {
		w.clock.advance(s.advance)
		method, path, _ := strings.Cut(s.do, " ")
		if strings.HasPrefix(path, "/triggers") {
			path = "/v1_1/demo" + path
		}
		got := w.send(t, w.request(t, method, fill(path, ids), fill(s.body, ids)))
		if got.status != s.status {
			t.Fatalf("step %d, %s %s: status %d, want %d; body %s", i+1, s.do, s.body, got.status, s.status, got.body)
		}
		ids = learn(ids, w.sim.Triggers())
		if s.want == "" {
			continue
		}
		if diff := cmp.Diff(parse(t, fill(s.want, ids)), parse(t, got.body)); diff != "" {
			t.Fatalf("step %d, %s %s (-want +got):\n%s", i+1, s.do, s.body, diff)
		}
	}
}

func fill(text string, ids []string) string {
	for i, id := range ids {
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i+1)+"}", id)
	}
	return text
}

func learn(ids []string, triggers []simulator.Trigger) []string {
	known := strings.Join(ids, " ")
	for _, t := range triggers {
		if !strings.Contains(known, t.ID) {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	return value
}

func message(text string) string {
	return `{"error":{"message":"` + text + `"}}`
}

const environmentID = "2a97516c354b68848cdbd8f54a226a0a"

// shown is a trigger as the simulator shows it: made at the start, with what is given put on top.
func shown(fields string) string {
	return `{"id":"{1}","product_environment_id":"` + environmentID + `","uri_type":"webhook","uri":"https://a.example/x","event_type":"upload",` +
		`"created_at":"2024-10-04T13:30:00Z","updated_at":"2024-10-04T13:30:00Z"` + fields + `}`
}

func listed(triggers ...string) string {
	return `{"triggers":[` + strings.Join(triggers, ",") + `],"total":` + strconv.Itoa(len(triggers)) + `}`
}

const (
	upload      = `{"uri":"https://a.example/x","event_type":"upload"}`
	defaults    = `,"additive":false,"filter":{},"payload_template":{},"auth_scheme":"default"`
	imageFilter = `{"==":[{"var":"resource_type"},"image"]}`
	ok          = `{"message":"ok"}`
)
