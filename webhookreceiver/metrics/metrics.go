// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Options are what the metrics are read from. The functions are called at each scrape; those that are nil leave their metrics out.
type Options struct {
	// Reasons are all that Rejected may be called with.
	Reasons []string
	// Version and Revision are those of the program.
	Version, Revision string
	// Durable says that what is stored outlives the Pod.
	Durable bool

	Now func() time.Time
	// Queue is queue.Queue.Stats, MaxBytes and MaxNotifications its limits.
	Queue            func() queue.Stats
	MaxBytes         int64
	MaxNotifications int
	// Lanes is delivery.Dispatcher.Lanes.
	Lanes func(visit func(delivery.LaneStats))
	// DeadLetters is report.Writer.DeadLetters.
	DeadLetters func(visit func(at queue.Endpoint, target string, n int))
	// InFlight is webhookreceiver.Handler.InFlight.
	InFlight func() (requests int, bytes int64)
	// Connections is httpserver.Server.Stats of the listener for notifications, MaxConnections its limit.
	Connections    func() httpserver.Stats
	MaxConnections int
}

// Metrics are the receiver's metrics. Any number of goroutines may use them at once.
type Metrics struct {
	reasons     map[string]int
	suppression map[events.Suppression]int
	eventTypes  map[string]int // otherEventType among them
	vectors     vectors
	answers     map[int]prometheus.Counter
	otherAnswer prometheus.Counter

	// nobody counts requests for endpoints that do not exist.
	nobody    *endpoint
	mu        sync.Mutex // for Sync
	endpoints atomic.Pointer[map[types.NamespacedName]*endpoint]
}

// vectors are the metrics that are counted, as opposed to read.
type vectors struct {
	received, duplicates, rejected, responses     *prometheus.CounterVec
	forgotten, eventTypes                         *prometheus.CounterVec
	attempts, retries, deliveries, suppressed     *prometheus.CounterVec
	requestDuration                               prometheus.Histogram
	commitDuration, commitOperations, commitBytes prometheus.Histogram
	attemptDuration, latency, targetLatency       *prometheus.HistogramVec
}

// otherEventType stands for all event types that Cloudinary does not document: whoever signs a body may write any word into it.
const otherEventType = "other"

// eventTypeLabels are all that the label for an event type is ever set to.
func eventTypeLabels() []string {
	return append(notification.EventTypes(), notification.UnknownEventType, otherEventType)
}

// The kinds of targets.
const (
	kindService = "service"
	kindEvent   = "event"
)

// New makes the metrics and registers them.
func New(registry prometheus.Registerer, o Options) (*Metrics, error) {
	m := &Metrics{
		reasons: map[string]int{}, suppression: map[events.Suppression]int{}, eventTypes: map[string]int{}, vectors: newVectors(),
		answers: map[int]prometheus.Counter{},
	}
	for i, reason := range o.Reasons {
		m.reasons[reason] = i
	}
	for i, why := range events.Suppressions() {
		m.suppression[why] = i
	}
	for i, eventType := range eventTypeLabels() {
		m.eventTypes[eventType] = i
	}
	for _, c := range m.vectors.all() {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	if err := registry.Register(newReader(o)); err != nil {
		return nil, err
	}
	for _, code := range []int{
		http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	} {
		m.answers[code] = m.vectors.responses.WithLabelValues(strconv.Itoa(code))
	}
	m.otherAnswer = m.vectors.responses.WithLabelValues("other")
	m.endpoints.Store(&map[types.NamespacedName]*endpoint{})
	m.nobody = m.newEndpoint(types.NamespacedName{})
	return m, nil
}

func newVectors() vectors {
	endpoint := []string{"namespace", "endpoint"}
	target := []string{"namespace", "endpoint", "target"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	}
	return vectors{
		received: counter("cloudinary_receiver_notifications_received_total",
			"Notifications that were verified and stored, duplicates left out.", endpoint...),
		duplicates: counter("cloudinary_receiver_notifications_duplicate_total",
			"Notifications that were verified, and stored before.", endpoint...),
		forgotten: counter("cloudinary_receiver_notifications_forgotten_total",
			"Notifications that are no longer remembered although they could still be sent again, for want of room.", endpoint...),
		eventTypes: counter("cloudinary_receiver_notifications_by_event_type_total",
			"Notifications that were verified and stored, by event type (unknown: the body does not tell; other: one that Cloudinary does not document).",
			append(endpoint, "event_type")...),
		rejected: counter("cloudinary_receiver_requests_rejected_total",
			"Requests that were refused, by reason; those for an endpoint that does not exist have no namespace and no endpoint.",
			append(endpoint, "reason")...),
		responses: counter("cloudinary_receiver_responses_total", "Answers, by HTTP status.", "status"),
		attempts: counter("cloudinary_receiver_delivery_attempts_total",
			"Attempts to deliver, by class of the target's HTTP status (none: no answer).", append(target, "status")...),
		retries: counter("cloudinary_receiver_delivery_retries_total",
			"Attempts that failed and are made again.", target...),
		deliveries: counter("cloudinary_receiver_deliveries_total",
			"Deliveries that ended, by outcome (delivered, dead, discarded).", append(target, "outcome")...),
		suppressed: counter("cloudinary_receiver_events_suppressed_total",
			"Kubernetes Events that were not written, by reason.", append(endpoint, "reason")...),
		requestDuration: prometheus.NewHistogram(histogram("cloudinary_receiver_request_duration_seconds",
			"Time to answer a request.", []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5})),
		commitDuration: prometheus.NewHistogram(histogram("cloudinary_receiver_queue_commit_duration_seconds",
			"Time to write a group of changes to disk, fsync included.", []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1})),
		commitOperations: prometheus.NewHistogram(histogram("cloudinary_receiver_queue_commit_operations",
			"Changes that were written to disk together.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
		commitBytes: prometheus.NewHistogram(histogram("cloudinary_receiver_queue_commit_bytes",
			"Bytes that were written to disk together.", prometheus.ExponentialBuckets(1024, 4, 8))),
		attemptDuration: prometheus.NewHistogramVec(histogram("cloudinary_receiver_delivery_attempt_duration_seconds",
			"Duration of an attempt to deliver, by kind of target (service, event).",
			[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60}), []string{"kind"}),
		latency: prometheus.NewHistogramVec(histogram("cloudinary_receiver_delivery_latency_seconds",
			"Time from storing a notification until a target has it, by kind of target (service, event).",
			[]float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86400}), []string{"kind"}),
		// Fewer buckets than the one by kind has: there is one for each target.
		targetLatency: prometheus.NewHistogramVec(histogram("cloudinary_receiver_target_latency_seconds",
			"Time from storing a notification until the target has it.", []float64{0.05, 0.25, 1, 5, 30, 120, 600, 3600, 21600}), target),
	}
}

func (v *vectors) all() []prometheus.Collector {
	return []prometheus.Collector{
		v.received, v.duplicates, v.forgotten, v.eventTypes, v.rejected, v.responses, v.attempts, v.retries, v.deliveries, v.suppressed,
		v.requestDuration, v.commitDuration, v.commitOperations, v.commitBytes, v.attemptDuration, v.latency, v.targetLatency,
	}
}

// Stored counts a notification that was verified and stored.
func (m *Metrics) Stored(at *route.Endpoint, eventType string) {
	e := m.lookup(at.Key)
	if e == nil {
		return
	}
	e.received.Inc()
	i, known := m.eventTypes[eventType]
	if !known {
		eventType = otherEventType
		i = m.eventTypes[eventType]
	}
	e.eventTypes.inc(i, eventType)
}

// Duplicate counts a notification that was verified, and stored before.
func (m *Metrics) Duplicate(at *route.Endpoint) {
	if e := m.lookup(at.Key); e != nil {
		e.duplicates.Inc()
	}
}

// Forgotten counts notifications of an endpoint that are no longer remembered, for want of room.
func (m *Metrics) Forgotten(at queue.Endpoint, n int) {
	if e := m.lookup(types.NamespacedName{Namespace: at.Namespace, Name: at.Name}); e != nil {
		e.forgotten.Add(float64(n))
	}
}

// Rejected counts a request that was refused; at is nil where it was for no endpoint that exists.
func (m *Metrics) Rejected(at *route.Endpoint, reason string) {
	e := m.nobody
	if at != nil {
		e = m.lookup(at.Key)
	}
	if i, known := m.reasons[reason]; known && e != nil {
		e.rejected.inc(i, reason)
	}
}

// Answered counts an answer, and how long it took.
func (m *Metrics) Answered(code int, took time.Duration) {
	counter, known := m.answers[code]
	if !known {
		counter = m.otherAnswer
	}
	counter.Inc()
	m.vectors.requestDuration.Observe(took.Seconds())
}

// Suppressed counts a Kubernetes Event that was not written.
func (m *Metrics) Suppressed(at *route.Endpoint, why events.Suppression) {
	e := m.lookup(at.Key)
	if i, known := m.suppression[why]; known && e != nil {
		e.suppressed.inc(i, string(why))
	}
}

// Committed counts a group of changes that the queue wrote.
func (m *Metrics) Committed(c queue.Commit) {
	m.vectors.commitDuration.Observe(c.Took.Seconds())
	m.vectors.commitOperations.Observe(float64(c.Operations))
	m.vectors.commitBytes.Observe(float64(c.Bytes))
}

var _ delivery.Observer = (*Metrics)(nil)

// AttemptEnded counts how a delivery went.
func (m *Metrics) AttemptEnded(a delivery.Attempt) {
	e := m.lookup(types.NamespacedName{Namespace: a.Endpoint.Namespace, Name: a.Endpoint.Name})
	if e == nil {
		return
	}
	if t := e.target(a.Target); t != nil {
		t.ended(&a)
	}
}

func goVersion() string { return runtime.Version() }
