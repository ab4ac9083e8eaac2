// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var shop = queue.Endpoint{Namespace: "shop", Name: "media"}

// memory is a queue that forgets everything with the process.
type memory struct {
	onItem func(queue.Item)

	mu       sync.Mutex
	last     queue.ID
	records  map[queue.ID]*queue.Record
	items    []queue.Item
	outcomes []queue.Outcome
	getError map[queue.ID]error
	finish   error // what Finish returns instead of noting anything
	writes   int
}

func newMemory() *memory {
	return &memory{records: map[queue.ID]*queue.Record{}, getError: map[queue.ID]error{}}
}

// put stores a notification for targets and tells of it.
func (m *memory) put(e queue.Endpoint, order uint64, size int, at time.Time, targets ...string) {
	m.mu.Lock()
	m.last++
	id := m.last
	m.records[id] = &queue.Record{
		Key: [32]byte{1, byte(id >> 8), byte(id)}, Endpoint: e, ReceivedAt: at, EventType: "upload", OrderKey: order, Body: make([]byte, size), Targets: targets,
	}
	var items []queue.Item
	for _, target := range targets {
		items = append(items, queue.Item{ID: id, Endpoint: e, Target: target, EventType: "upload", OrderKey: order, ReceivedAt: at, Size: size})
	}
	m.items = append(m.items, items...)
	m.mu.Unlock()
	if m.onItem != nil {
		for _, item := range items {
			m.onItem(item)
		}
	}
}

func (m *memory) Get(id queue.ID) (*queue.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.getError[id]; err != nil {
		return nil, err
	}
	if r := m.records[id]; r != nil {
		return r, nil
	}
	return nil, queue.ErrNotFound
}

func (m *memory) Finish(_ context.Context, outcomes ...queue.Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.finish != nil {
		return m.finish
	}
	m.writes++
	for _, o := range outcomes {
		m.outcomes = append(m.outcomes, o)
		i := slices.IndexFunc(m.items, func(i queue.Item) bool { return i.ID == o.ID && i.Target == o.Target })
		if i < 0 {
			continue
		}
		if o.Kind == queue.Dead {
			m.items[i].Dead, m.items[i].Redriven, m.items[i].Reason = true, false, o.Reason
			continue
		}
		m.items = slices.Delete(m.items, i, i+1)
	}
	return nil
}

func (m *memory) Items(yield func(queue.Item) bool) {
	m.mu.Lock()
	items := slices.Clone(m.items)
	m.mu.Unlock()
	for _, item := range items {
		if !yield(item) {
			return
		}
	}
}

func (m *memory) redrive() {
	m.mu.Lock()
	var items []queue.Item
	for i := range m.items {
		if m.items[i].Dead {
			m.items[i].Dead, m.items[i].Redriven, m.items[i].Reason = false, true, ""
			items = append(items, m.items[i])
		}
	}
	m.mu.Unlock()
	for _, item := range items {
		m.onItem(item)
	}
}

func (m *memory) failFinish(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finish = err
}

// noted are the outcomes as "ID kind reason", in the order in which they were noted.
func (m *memory) noted() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var noted []string
	for _, o := range m.outcomes {
		kind := map[queue.Kind]string{queue.Delivered: "delivered", queue.Dead: "dead", queue.Discarded: "discarded"}[o.Kind]
		if o.Reason != "" {
			kind += ": " + o.Reason
		}
		noted = append(noted, fmt.Sprintf("%d %s", o.ID, kind))
	}
	return noted
}

// target answers attempts as a test says, and remembers them.
type target struct {
	mu       sync.Mutex
	answer   func(ctx context.Context, d *Delivery) Result
	attempts []attempt
	inFlight int
	most     int
}

type attempt struct {
	id        queue.ID
	namespace string
	target    string
	number    int
	at        time.Time
}

func (s *target) Send(ctx context.Context, d *Delivery) Result {
	s.mu.Lock()
	s.attempts = append(s.attempts, attempt{id: d.ID, namespace: d.Endpoint.Key.Namespace, target: d.Target.Name, number: d.Attempt, at: time.Now()})
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	answer := s.answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight--
	}()
	if answer == nil {
		return delivered
	}
	return answer(ctx, d)
}

func (s *target) set(answer func(ctx context.Context, d *Delivery) Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *target) tried() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts)
}

func (s *target) ids() []queue.ID {
	var ids []queue.ID
	for _, a := range s.tried() {
		ids = append(ids, a.id)
	}
	return ids
}

func (s *target) mostInFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// hang waits until the attempt is cut off.
func hang(ctx context.Context, _ *Delivery) Result {
	<-ctx.Done()
	return Result{Message: "no answer"}
}

func always(r Result) func(context.Context, *Delivery) Result {
	return func(context.Context, *Delivery) Result { return r }
}

var (
	delivered   = Result{Verdict: Delivered, StatusCode: 200}
	unavailable = Result{StatusCode: 503, Message: "answered 503"}
	broken      = Result{StatusCode: 500, Message: "answered 500"}
	refused     = Result{Verdict: Refused, StatusCode: 404, Message: "answered 404"}
)

// observed remembers what an Observer is told.
type observed struct {
	mu    sync.Mutex
	ended []Attempt
}

func (o *observed) AttemptEnded(a Attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, a)
}

func (o *observed) all() []Attempt {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.ended)
}

// world is a Dispatcher with everything around it, in a bubble of synctest: its time passes when all goroutines wait for it.
type world struct {
	*Dispatcher

	t        *testing.T
	queue    *memory
	target   *target
	event    *target
	observed *observed
	routes   atomic.Pointer[route.Table]
	stop     context.CancelFunc
	stopped  chan error
}

// newWorld has an endpoint shop/media with the targets a and b.
func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, queue: newMemory(), target: &target{}, event: &target{}, observed: &observed{}, stopped: make(chan error, 1)}
	w.routes.Store(table("a", "b"))
	o := Options{
		Queue: w.queue, Routes: w.routes.Load, Service: w.target, Event: w.event, Observer: w.observed,
		Random: func() float64 { return 1 }, Logger: testr.New(t),
	}
	if change != nil {
		change(&o)
	}
	w.Dispatcher = New(o)
	w.queue.onItem = w.Announce
	return w
}

// table has the endpoint shop/media, if there are names of targets, and event for a target that makes Events.
func table(targets ...string) *route.Table { return patient(time.Hour, targets...) }

// patient is a table whose endpoint has a retry.maxAge.
func patient(maxAge time.Duration, targets ...string) *route.Table {
	if len(targets) == 0 {
		return route.NewTable(nil)
	}
	return route.NewTable([]*route.Endpoint{endpointOf(shop, maxAge, targets)})
}

// tableOf has several endpoints with their targets.
func tableOf(endpoints map[queue.Endpoint][]string) *route.Table {
	var all []*route.Endpoint
	for e, targets := range endpoints {
		all = append(all, endpointOf(e, time.Hour, targets))
	}
	return route.NewTable(all)
}

func endpointOf(e queue.Endpoint, maxAge time.Duration, targets []string) *route.Endpoint {
	made := &route.Endpoint{Key: types.NamespacedName{Namespace: e.Namespace, Name: e.Name}, RetryMaxAge: maxAge}
	for _, name := range targets {
		if name == "event" {
			made.Targets = append(made.Targets, route.Target{Name: name, Event: true})
			continue
		}
		made.Targets = append(made.Targets, route.Target{Name: name, Service: &route.Service{Name: name, Port: intstr.FromInt32(80)}})
	}
	return made
}

func (w *world) start() {
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.stopped <- w.Run(ctx) }()
	synctest.Wait()
}

func (w *world) end() {
	w.t.Helper()
	w.stop()
	if err := <-w.stopped; err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

// restart goes on with the same queue, as another process would.
func (w *world) restart() {
	w.t.Helper()
	w.end()
	w.Dispatcher = New(w.o)
	w.queue.onItem = w.Announce
	w.start()
}

// put stores a small notification for target a.
func (w *world) put(order uint64) { w.queue.put(shop, order, 100, time.Now(), "a") }

// lane returns the stats of the lane of target a; zero if there is none.
func (w *world) lane() LaneStats {
	var found LaneStats
	w.Lanes(func(s LaneStats) {
		if s.Endpoint == shop && s.Target == "a" {
			found = s
		}
	})
	return found
}

// after lets virtual time pass until everything is at rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
