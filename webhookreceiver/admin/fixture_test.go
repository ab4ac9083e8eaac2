// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// observer notes what is told of.
type observer struct {
	mu       sync.Mutex
	attempts []delivery.Attempt
}

func (o *observer) AttemptEnded(a delivery.Attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, a)
}

// fixture is a queue with a server of its dead letters. The endpoint shop/media is served, with the targets catalog and search.
type fixture struct {
	*testing.T
	queue     *queue.Store
	server    *Server
	address   string
	observer  *observer
	announced []string // "ID target" of what is to be delivered
	stop      context.CancelFunc
	ended     chan error
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, observer: &observer{}, ended: make(chan error, 1)}
	var err error
	f.queue, err = queue.Open(t.Context(), queue.Options{Dir: t.TempDir(), OnItem: func(i queue.Item) {
		f.announced = append(f.announced, fmt.Sprintf("%d %s", i.ID, i.Target))
	}})
	f.must(err)
	t.Cleanup(func() { f.must(f.queue.Close()) })
	recorder, err := report.NewRecorder(report.RecorderOptions{Store: f.queue, Now: time.Now, Logger: logr.Discard()})
	f.must(err)
	recorder.Sync(route.NewTable([]*route.Endpoint{{
		Key: types.NamespacedName{Namespace: "shop", Name: "media"}, UID: "media",
		Targets: []route.Target{{Name: "catalog", Service: &route.Service{}}, {Name: "search", Service: &route.Service{}}},
	}}))
	o := report.DefaultWriterOptions()
	o.Recorder, o.Queue, o.Observer, o.Logger = recorder, f.queue, f.observer, logr.Discard()
	f.server = NewServer(f.queue, report.NewWriter(o))
	f.serve()
	return f
}

func (f *fixture) serve() {
	f.Helper()
	listener, err := Listen(f.Context(), "127.0.0.1:0")
	f.must(err)
	f.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(f.Context())
	f.stop = cancel
	go func() { f.ended <- f.server.Serve(ctx, listener) }()
	f.Cleanup(func() {
		cancel()
		f.must(<-f.ended)
	})
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// record makes the n-th of a series of notifications.
func record(n int, targets ...string) *queue.Record {
	return &queue.Record{
		Key: sha256.Sum256(fmt.Append(nil, n)), Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, EventType: "upload",
		ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, n, time.FixedZone("", 3600)), Targets: targets,
		Header: []queue.Header{{Name: "X-Cld-Timestamp", Value: "1767322800"}, {Name: "X-Cld-Signature", Value: "a"}, {Name: "X-Cld-Signature", Value: "b"}},
		Body:   fmt.Appendf(nil, `{"notification_type":"upload","resource_type":"image","public_id":"shoe %d"}`, n),
	}
}

// put stores a notification, and has it given up for targets.
func (f *fixture) put(r *queue.Record, dead ...string) queue.ID {
	f.Helper()
	result, err := f.queue.Put(f.Context(), r)
	f.must(err)
	for _, target := range dead {
		f.must(f.queue.Finish(f.Context(), queue.Outcome{ID: result.ID, Target: target, Kind: queue.Dead, Reason: "the Service answered 400"}))
	}
	return result.ID
}

// items is what the queue has, as "ID target", with a ! behind dead letters.
func (f *fixture) items() []string {
	list := []string{}
	for i := range f.queue.Items {
		line := fmt.Sprintf("%d %s", i.ID, i.Target)
		if i.Dead {
			line += "!"
		}
		list = append(list, line)
	}
	return list
}

func (f *fixture) wantItems(want ...string) {
	f.Helper()
	if diff := cmp.Diff(append([]string{}, want...), f.items()); diff != "" {
		f.Errorf("the queue has (-want +got):\n%s", diff)
	}
}

// ask sends a request as it should be, but for what change makes of it.
func (f *fixture) ask(method, path, body string, change ...func(*http.Request)) (status int, answer string) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, "http://"+f.address+path, bytes.NewBufferString(body))
	f.must(err)
	req.Header.Set(Header, HeaderValue)
	for _, c := range change {
		c(req)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	f.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	f.must(err)
	if kind := res.Header.Get("Content-Type"); kind != "application/json" || res.Header.Get("Cache-Control") != "no-store" {
		f.Errorf("%s %s is answered with headers %v", method, path, res.Header)
	}
	return res.StatusCode, string(text)
}

// get asks for something that is there.
func get[T any](f *fixture, path string) (value T) {
	f.Helper()
	status, text := f.ask(http.MethodGet, path, "")
	if status != http.StatusOK {
		f.Fatalf("%s is answered %d %s", path, status, text)
	}
	f.must(json.Unmarshal([]byte(text), &value))
	return value
}

// post asks for a change, and returns how many dead letters it was about.
func (f *fixture) post(path, body string) int {
	f.Helper()
	status, text := f.ask(http.MethodPost, path, body)
	var c count
	if err := json.Unmarshal([]byte(text), &c); status != http.StatusOK || err != nil {
		f.Fatalf("%s %s is answered %d %s", path, body, status, text)
	}
	return c.Count
}
