// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudinary/cloudinary-go/v2/api/uploader"
	"github.com/cloudinary/cloudinary-go/v2/config"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// received is a request that a target got.
type received struct {
	host, uri string
	method    string
	path      string
	header    http.Header
	body      string
}

// target is notified. It answers as it is told, by the number of the request, from 1 on.
type target struct {
	url string
	mu  sync.Mutex
	got []received
}

func startTarget(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *target {
	t.Helper()
	to := &target{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read notification: %v", err)
		}
		to.mu.Lock()
		to.got = append(to.got, received{method: r.Method, path: r.URL.Path, host: r.Host, uri: r.RequestURI, header: r.Header, body: string(body)})
		n := len(to.got)
		to.mu.Unlock()
		if answer != nil {
			answer(n, w, r)
		}
	}))
	t.Cleanup(server.Close)
	to.url = server.URL
	return to
}

func (to *target) received() []received {
	to.mu.Lock()
	defer to.mu.Unlock()
	return append([]received(nil), to.got...)
}

// await waits for a condition.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// awaitStates waits until the deliveries are in these states, in the order in which they were accepted, and returns them.
func (w *world) awaitStates(t *testing.T, states ...string) []simulator.Delivery {
	t.Helper()
	var last []simulator.Delivery
	await(t, "deliveries that are "+strings.Join(states, ", "), func() bool {
		last = w.sim.Deliveries()
		var is []string
		for _, d := range last {
			is = append(is, d.State)
		}
		return strings.Join(is, " ") == strings.Join(states, " ")
	})
	return last
}

// trigger creates one and gives back its id.
func (w *world) trigger(t *testing.T, fields string) string {
	t.Helper()
	got := w.send(t, w.request(t, http.MethodPost, "/v1_1/demo/triggers", "{"+fields+"}"))
	var created struct{ ID string }
	if err := json.Unmarshal([]byte(got.body), &created); err != nil || got.status != http.StatusCreated {
		t.Fatalf("create {%s}: %d %s", fields, got.status, got.body)
	}
	return created.ID
}

func (w *world) notify(t *testing.T, body string) simulator.Notified {
	t.Helper()
	got := w.send(t, w.request(t, http.MethodPost, "/_sim/notify", body))
	var notified simulator.Notified
	if err := json.Unmarshal([]byte(got.body), &notified); err != nil || got.status != http.StatusOK {
		t.Fatalf("notify %s: %d %s", body, got.status, got.body)
	}
	return notified
}

// verified asks Cloudinary's own library, as which it is told the algorithm and the secret.
func verified(t *testing.T, got received, algorithm, secret string) bool {
	t.Helper()
	c, err := config.NewFromParams("demo", "key", secret)
	if err != nil {
		t.Fatal(err)
	}
	c.Cloud.SignatureAlgorithm = algorithm
	api, err := uploader.NewWithConfiguration(c)
	if err != nil {
		t.Fatal(err)
	}
	timestamp, err := strconv.ParseInt(got.header.Get("X-Cld-Timestamp"), 10, 64)
	if err != nil {
		t.Fatalf("X-Cld-Timestamp: %v", err)
	}
	return api.VerifyNotificationSignature(got.body, timestamp, got.header.Get("X-Cld-Signature"), 7200)
}

func uploadTrigger(url string) string { return `"uri":"` + url + `","event_type":"upload"` }
