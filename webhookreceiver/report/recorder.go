// SPDX-License-Identifier: Apache-2.0

package report

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Store keeps small values; the queue is one.
type Store interface {
	States(prefix string, yield func(name string, value []byte) bool) error
	SetStates(values map[string][]byte) error
}

// RecorderOptions are what a Recorder works with.
type RecorderOptions struct {
	Store Store
	// Reasons are all that Rejected may be called with, at most 32.
	Reasons []string
	Now     func() time.Time
	Logger  logr.Logger
}

// Recorder counts what becomes of notifications, for the endpoints of the routes. Any number of goroutines may use it at once.
type Recorder struct {
	RecorderOptions
	reasons map[string]int

	// endpoints is replaced as a whole, so that reading it takes no lock.
	endpoints atomic.Pointer[map[types.NamespacedName]*endpoint]

	// saving has something in it while totals are saved, which takes as long as the disk does. Whoever holds mu waits for no disk.
	saving chan struct{}

	mu       sync.Mutex
	gone     map[types.NamespacedName]*endpoint
	obsolete map[string]bool // names of what the store has and is not wanted any more
	nextSave time.Time
}

// endpoint is what is known of one NotificationEndpoint.
type endpoint struct {
	key types.NamespacedName
	uid types.UID

	received, duplicates atomic.Int64
	verifiedAt           atomic.Int64 // Unix nanoseconds; 0: never
	rejected             []rejections // by index of the reason
	changed              atomic.Uint64
	stored               stored // guarded by saving

	mu       sync.Mutex
	route    *route.Endpoint // as of the last Sync
	last     slot
	triggers map[types.NamespacedName]*trigger
	byType   map[string]*trigger // nil: no trigger of this endpoint
	targets  map[string]*target  // those of the route
	redriven string              // the annotation's value that was carried out last
	known    bool                // the totals are those of the store, or of status
	goneAt   time.Time           // zero while the routes have it, and before they are known
}

type rejections struct {
	count, at atomic.Int64
	// guessed are those of count that came at a path that anybody can guess, as far as that was noted.
	guessed atomic.Int64
}

type trigger struct {
	key  types.NamespacedName
	uid  types.UID
	last slot
}

// target is how deliveries to a target went.
type target struct {
	delivered, discarded int64
	deliveredAt          time.Time
	failure              *failure
	// failures is how many attempts failed, to be made again, since the last that was answered for good; failingSince is when the first of
	// them ended.
	failures     int
	failingSince time.Time
}

type failure struct {
	at         time.Time
	statusCode int
	message    string
}

// NewRecorder makes a recorder that goes on from what the store has. What it has and cannot be read is an error: counting would begin
// at zero again.
func NewRecorder(o RecorderOptions) (*Recorder, error) {
	r := &Recorder{
		RecorderOptions: o, reasons: map[string]int{}, saving: make(chan struct{}, 1),
		gone: map[types.NamespacedName]*endpoint{}, obsolete: map[string]bool{},
	}
	for i, reason := range o.Reasons {
		r.reasons[reason] = i
	}
	r.endpoints.Store(&map[types.NamespacedName]*endpoint{})
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Recorder) lookup(key types.NamespacedName) *endpoint { return (*r.endpoints.Load())[key] }

// touch notes that something of the endpoint changed.
func (e *endpoint) touch() { e.changed.Add(1) }

// Stored counts a notification that was verified and stored. It keeps n, and of record the event type and the targets.
func (r *Recorder) Stored(at *route.Endpoint, id queue.ID, record *queue.Record, n *notification.Notification) {
	e := r.lookup(at.Key)
	if e == nil {
		return
	}
	e.received.Add(1)
	e.verifiedAt.Store(record.ReceivedAt.UnixNano())
	e.mu.Lock()
	e.last.stored(id, record, n)
	if t := e.triggerFor(record.EventType); t != nil {
		t.last.stored(id, record, n)
	}
	e.mu.Unlock()
	e.touch()
}

// Duplicate counts a notification that was verified, and stored before.
func (r *Recorder) Duplicate(at *route.Endpoint) {
	e := r.lookup(at.Key)
	if e == nil {
		return
	}
	e.duplicates.Add(1)
	e.verifiedAt.Store(r.Now().UnixNano())
	e.touch()
}

// Rejected counts a request that was refused, at a path that anybody can guess or not. One for an endpoint that does not exist, at being
// nil, is nobody's.
func (r *Recorder) Rejected(at *route.Endpoint, reason string, guessed bool) {
	if at == nil {
		return
	}
	e := r.lookup(at.Key)
	i, known := r.reasons[reason]
	if e == nil || !known {
		return
	}
	if guessed {
		e.rejected[i].guessed.Add(1) // first: of count there are never less
	}
	e.rejected[i].count.Add(1)
	e.rejected[i].at.Store(r.Now().UnixNano())
	e.touch()
}

var _ delivery.Observer = (*Recorder)(nil)

// AttemptEnded counts how a delivery went.
func (r *Recorder) AttemptEnded(a delivery.Attempt) {
	e := r.lookup(types.NamespacedName{Namespace: a.Endpoint.Namespace, Name: a.Endpoint.Name})
	if e == nil {
		return
	}
	e.mu.Lock()
	if t := e.targets[a.Target]; t != nil {
		t.ended(&a)
	}
	e.last.ended(&a)
	if a.EventType != "" {
		if t := e.triggerFor(a.EventType); t != nil {
			t.last.ended(&a)
		}
	} else {
		for _, t := range e.triggers {
			t.last.ended(&a)
		}
	}
	e.mu.Unlock()
	e.touch()
}

// triggerFor is route.Endpoint.TriggerFor.
func (e *endpoint) triggerFor(eventType string) *trigger {
	if t, ok := e.byType[eventType]; ok {
		return t
	}
	return e.byType[allEventTypes]
}

// allEventTypes is Cloudinary's word for every event type.
const allEventTypes = "all"

func (t *target) ended(a *delivery.Attempt) {
	switch a.Outcome {
	case delivery.OutcomeDelivered:
		t.delivered++
		t.deliveredAt = a.EndedAt
		t.answered()
	case delivery.OutcomeDiscarded:
		t.discarded++
	case delivery.OutcomeRetried, delivery.OutcomeDead:
		t.failure = &failure{at: a.EndedAt, statusCode: a.StatusCode, message: excerpt.Shorten(a.Message, maxMessageBytes)}
		switch {
		case !a.Tried:
		case a.Outcome == delivery.OutcomeDead:
			t.answered() // it works, and will never take this one: nothing is tried again
		default:
			if t.failures == 0 {
				t.failingSince = a.EndedAt
			}
			t.failures++
		}
	}
}

// answered notes that the target as such works, as the lane's breaker has it.
func (t *target) answered() { t.failures, t.failingSince = 0, time.Time{} }
