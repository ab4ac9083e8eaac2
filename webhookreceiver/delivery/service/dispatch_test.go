// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// receiver is the queue, a Dispatcher and a Sender together, as in the program.
type receiver struct {
	queue *queue.Store
	stop  func()
}

// startReceiver delivers what is in the queue in dir to the targets, which are servers by name.
func startReceiver(tb testing.TB, dir string, targets map[string]*httptest.Server) *receiver {
	tb.Helper()
	overrides := map[string]string{}
	e := &route.Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: "media"}, RetryMaxAge: time.Hour}
	for name, server := range targets {
		overrides["shop/"+name+":80"] = server.Listener.Addr().String()
		e.Targets = append(e.Targets, route.Target{Name: name, Service: &route.Service{Name: name, Port: intstr.FromInt32(80), Path: "/", Timeout: 20 * time.Second}})
	}
	routes := route.NewTable([]*route.Endpoint{e})
	sender := New(Options{Resolver: NewResolver(ResolverOptions{Overrides: overrides}), Addresses: Addresses{AllowLoopback: true}})

	var d *delivery.Dispatcher
	q, err := queue.Open(tb.Context(), queue.Options{Dir: dir, OnItem: func(i queue.Item) { d.Announce(i) }})
	if err != nil {
		tb.Fatal(err)
	}
	d = delivery.New(delivery.Options{
		Queue: q, Routes: func() *route.Table { return routes }, Service: sender, Grace: time.Millisecond, Random: func() float64 { return 0 },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return &receiver{queue: q, stop: func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
		if err := q.Close(); err != nil {
			tb.Error(err)
		}
		sender.Close()
	}}
}

func (r *receiver) put(tb testing.TB, n int, order uint64, targets ...string) {
	tb.Helper()
	record := &queue.Record{
		Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, ReceivedAt: time.Now(), EventType: "upload", OrderKey: order,
		Body: []byte{byte('0' + n%10)}, Targets: targets,
	}
	binary.BigEndian.PutUint64(record.Key[:], uint64(n+1))
	if _, err := r.queue.Put(tb.Context(), record); err != nil {
		tb.Fatal(err)
	}
}

// inbox is a target that keeps the bodies that it has answered with 200.
type inbox struct {
	mu     sync.Mutex
	bodies []string
	refuse int
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refuse > 0 {
		i.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	i.bodies = append(i.bodies, string(body))
}

func (i *inbox) got() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.bodies)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// hanging answers nobody until the test ends.
func hanging(tb testing.TB) *httptest.Server {
	tb.Helper()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	tb.Cleanup(func() {
		close(over)
		server.Close()
	})
	return server
}

func TestHangingServiceCostsOthersNothing(t *testing.T) {
	box := &inbox{}
	fast := httptest.NewServer(box)
	defer fast.Close()
	r := startReceiver(t, t.TempDir(), map[string]*httptest.Server{"hanging": hanging(t), "fast": fast})
	defer r.stop()
	const n = 300
	for i := range n {
		r.put(t, i, 0, "hanging", "fast")
	}
	eventually(t, "the fast target has all", func() bool { return len(box.got()) == n })
	eventually(t, "the queue knows", func() bool { return r.queue.Stats().Pending == n })
}

func TestTargetThatWasDown(t *testing.T) {
	box := &inbox{refuse: 1 << 30}
	target := httptest.NewServer(box)
	defer target.Close()
	dir := t.TempDir()

	r := startReceiver(t, dir, map[string]*httptest.Server{"target": target})
	var want []string
	for i := range 10 {
		r.put(t, i, 7, "target")
		want = append(want, string(rune('0'+i)))
	}
	eventually(t, "one was tried", func() bool {
		box.mu.Lock()
		defer box.mu.Unlock()
		return box.refuse < 1<<30
	})
	r.stop()

	box.mu.Lock()
	box.refuse = 1
	box.mu.Unlock()
	r = startReceiver(t, dir, map[string]*httptest.Server{"target": target})
	defer r.stop()
	eventually(t, "all are delivered", func() bool { return r.queue.Stats().Pending == 0 })
	if diff := cmp.Diff(want, box.got()); diff != "" {
		t.Errorf("in this order (-want +got):\n%s", diff)
	}
}

// A connection that a target takes over for another protocol is nobody's to wait for: neither attempts nor the end of the receiver do.
func TestTargetThatSwitchesProtocols(t *testing.T) {
	box, over := &inbox{}, make(chan struct{})
	var switches atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if switches.Add(1) > 3 {
			box.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-over
	}))
	defer target.Close()
	defer close(over)
	r := startReceiver(t, t.TempDir(), map[string]*httptest.Server{"target": target})
	for i := range 3 {
		r.put(t, i, 0, "target")
	}
	eventually(t, "all are delivered", func() bool { return r.queue.Stats().Pending == 0 })
	r.stop()
	if got := len(box.got()); got != 3 {
		t.Errorf("%d were delivered, want 3", got)
	}
}

// The rate at which one target gets notifications, alone and beside one that hangs and has a backlog. The two figures are to differ
// by less than 5 %.
func BenchmarkBesideAHangingTarget(b *testing.B) {
	for name, backlog := range map[string]int{"Alone": 0, "Hanging": 2000} {
		b.Run(name, func(b *testing.B) {
			fast := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
			defer fast.Close()
			r := startReceiver(b, b.TempDir(), map[string]*httptest.Server{"hanging": hanging(b), "fast": fast})
			defer r.stop()
			var wg sync.WaitGroup
			for worker := range 16 {
				wg.Go(func() {
					for i := worker; i < backlog; i += 16 {
						r.put(b, 1<<30+i, 0, "hanging")
					}
				})
			}
			wg.Wait()
			b.ResetTimer()
			for worker := range 64 {
				wg.Go(func() {
					for i := worker; i < b.N; i += 64 {
						r.put(b, i, 0, "fast")
					}
				})
			}
			wg.Wait()
			for r.queue.Stats().Pending > backlog {
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
