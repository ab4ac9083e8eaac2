// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// endpoint has the series of one endpoint, resolved.
type endpoint struct {
	key                  types.NamespacedName
	received, duplicates prometheus.Counter
	forgotten            prometheus.Counter
	rejected, suppressed *series
	eventTypes           *series

	targets atomic.Pointer[map[string]*target]
}

// target has the series of one target, resolved.
type target struct {
	kind                prometheus.Observer
	latency             prometheus.Observer
	retries             prometheus.Counter
	attempts, endedWith *series
	ownLatency          *lazyHistogram
}

// series are the children of a vector that differ in their last label. A child comes with the first thing it counts.
type series struct {
	vector   *prometheus.CounterVec
	labels   []string // but for the last
	children []atomic.Pointer[prometheus.Counter]

	mu     sync.Mutex
	values []string // the last labels of those that there are
	gone   bool
}

func newSeries(vector *prometheus.CounterVec, n int, labels ...string) *series {
	return &series{vector: vector, labels: labels, children: make([]atomic.Pointer[prometheus.Counter], n)}
}

// inc counts in the i-th child, whose last label is value.
func (s *series) inc(i int, value string) {
	c := s.children[i].Load()
	if c == nil {
		c = s.child(i, value)
	}
	if c != nil {
		(*c).Inc()
	}
}

func (s *series) child(i int, value string) *prometheus.Counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil // or the series of what is gone would come back
	}
	if c := s.children[i].Load(); c != nil {
		return c
	}
	c := s.vector.WithLabelValues(append(slices.Clip(s.labels), value)...)
	s.children[i].Store(&c)
	s.values = append(s.values, value)
	return &c
}

// end takes the children out of the vector, and keeps others from coming into being. Each is named: to look for them among those of all
// endpoints would let whoever makes and deletes many of his own hold up the others.
func (s *series) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for _, value := range s.values {
		s.vector.DeleteLabelValues(append(slices.Clip(s.labels), value)...)
	}
	s.values = nil
}

func (m *Metrics) lookup(key types.NamespacedName) *endpoint { return (*m.endpoints.Load())[key] }

func (e *endpoint) target(name string) *target { return (*e.targets.Load())[name] }

// Sync makes series for the endpoints and targets of a table, and removes those of what it does not have.
func (m *Metrics) Sync(table *route.Table) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := *m.endpoints.Load()
	next := make(map[types.NamespacedName]*endpoint, table.Len())
	table.All(func(at *route.Endpoint) bool {
		e := before[at.Key]
		if e == nil {
			e = m.newEndpoint(at.Key)
		}
		m.syncTargets(e, at)
		next[at.Key] = e
		return true
	})
	m.endpoints.Store(&next)
	for key, e := range before {
		if next[key] == nil {
			m.remove(e)
		}
	}
}

func (m *Metrics) newEndpoint(key types.NamespacedName) *endpoint {
	v := &m.vectors
	e := &endpoint{
		key:      key,
		rejected: newSeries(v.rejected, len(m.reasons), key.Namespace, key.Name), suppressed: newSeries(v.suppressed, len(m.suppression), key.Namespace, key.Name),
		eventTypes: newSeries(v.eventTypes, len(m.eventTypes), key.Namespace, key.Name),
	}
	e.targets.Store(&map[string]*target{})
	if key.Name != "" {
		e.received, e.duplicates = v.received.WithLabelValues(key.Namespace, key.Name), v.duplicates.WithLabelValues(key.Namespace, key.Name)
		e.forgotten = v.forgotten.WithLabelValues(key.Namespace, key.Name)
	}
	return e
}

func (m *Metrics) syncTargets(e *endpoint, at *route.Endpoint) {
	before := *e.targets.Load()
	next := make(map[string]*target, len(at.Targets))
	for i := range at.Targets {
		t := &at.Targets[i]
		kind := kindService
		if t.Event {
			kind = kindEvent
		}
		known := before[t.Name]
		if known == nil {
			known = m.newTarget(e.key, t.Name)
		}
		// A target that stays may have become one of the other kind.
		next[t.Name] = &target{
			kind: m.vectors.attemptDuration.WithLabelValues(kind), latency: m.vectors.latency.WithLabelValues(kind),
			retries: known.retries, attempts: known.attempts, endedWith: known.endedWith, ownLatency: known.ownLatency,
		}
	}
	e.targets.Store(&next)
	for name, t := range before {
		if next[name] == nil {
			m.removeTarget(e.key, name, t)
		}
	}
}

func (m *Metrics) newTarget(key types.NamespacedName, name string) *target {
	v := &m.vectors
	return &target{
		retries:   v.retries.WithLabelValues(key.Namespace, key.Name, name),
		attempts:  newSeries(v.attempts, statusClasses, key.Namespace, key.Name, name),
		endedWith: newSeries(v.deliveries, len(delivery.Outcomes()), key.Namespace, key.Name, name),

		ownLatency: &lazyHistogram{vector: v.targetLatency, labels: []string{key.Namespace, key.Name, name}},
	}
}

// removeTarget takes away all series of a target.
func (m *Metrics) removeTarget(key types.NamespacedName, name string, t *target) {
	t.attempts.end()
	t.endedWith.end()
	t.ownLatency.end()
	m.vectors.retries.DeleteLabelValues(key.Namespace, key.Name, name)
}

// remove takes away all series of an endpoint.
func (m *Metrics) remove(e *endpoint) {
	e.rejected.end()
	e.suppressed.end()
	e.eventTypes.end()
	for name, t := range *e.targets.Load() {
		m.removeTarget(e.key, name, t)
	}
	m.vectors.received.DeleteLabelValues(e.key.Namespace, e.key.Name)
	m.vectors.duplicates.DeleteLabelValues(e.key.Namespace, e.key.Name)
	m.vectors.forgotten.DeleteLabelValues(e.key.Namespace, e.key.Name)
}

// statusClass is the index of a value of delivery.Attempt.StatusClass.
func statusClass(class string) int {
	switch class {
	case "2xx":
		return 0
	case "3xx":
		return 1
	case "4xx":
		return 2
	case "5xx":
		return 3
	case "none":
		return 4
	default:
		return statusClasses - 1
	}
}

const statusClasses = 6

func (t *target) ended(a *delivery.Attempt) {
	if a.Tried {
		class := a.StatusClass()
		t.attempts.inc(statusClass(class), class)
		t.kind.Observe(a.Duration.Seconds())
	}
	if a.Outcome == delivery.OutcomeRetried {
		t.retries.Inc()
		return
	}
	for i, outcome := range delivery.Outcomes() {
		if outcome == a.Outcome {
			t.endedWith.inc(i, string(outcome))
		}
	}
	if a.Outcome == delivery.OutcomeDelivered && !a.ReceivedAt.IsZero() {
		took := a.EndedAt.Sub(a.ReceivedAt).Seconds()
		t.latency.Observe(took)
		t.ownLatency.observe(took)
	}
}
