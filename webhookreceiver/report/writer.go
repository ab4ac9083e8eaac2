// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
)

// Queue is what a Writer needs of a queue.Queue.
type Queue interface {
	Redrive(ctx context.Context, which queue.Selection) (int, error)
	Discard(ctx context.Context, which queue.Selection, discarded func(queue.Item)) (int, error)
	Items(yield func(queue.Item) bool)
	Stats() queue.Stats
}

// Objects returns an object as it was seen last, which is not changed, or nil.
type Objects interface {
	Endpoint(key types.NamespacedName) *v1alpha1.NotificationEndpoint
	Trigger(key types.NamespacedName) *v1alpha1.CloudinaryTrigger
}

// StatusWriter writes part of an object's status by server-side apply, taking over fields of other managers.
type StatusWriter interface {
	ApplyStatus(ctx context.Context, part *statusapply.Configuration, fieldManager string) error
}

// WriterOptions are what a Writer works with, and its bounds.
type WriterOptions struct {
	Recorder *Recorder
	// Objects has endpoints and triggers as they were seen last; watch.Watcher is one.
	Objects Objects
	// Client writes their status; kube.Client is one.
	Client StatusWriter
	// Events writes the Events of redrives, and of conditions that turn. It may be nil.
	Events events.Creator
	// Instance is the name of the Pod.
	Instance string
	// Lanes visits what waits, by target: delivery.Dispatcher.Lanes.
	Lanes func(visit func(delivery.LaneStats))
	Queue Queue
	// Observer is told of what Discard ends. Nil: the Recorder alone is.
	Observer delivery.Observer
	Now      func() time.Time
	Logger   logr.Logger

	// Pace is the time between two writes.
	Pace time.Duration
	// Look is how often it is looked for what changed.
	Look time.Duration
	// Numbers is how often an object is written whose conditions do not change.
	Numbers time.Duration
	// Settle is how long a change waits for others, and Pending how long one of numbers alone does while deliveries of the last
	// notification are on their way.
	Settle, Pending time.Duration
	// Timeout is that of one write.
	Timeout time.Duration
}

// DefaultWriterOptions has the bounds that the API's documentation names.
func DefaultWriterOptions() WriterOptions {
	return WriterOptions{
		Now:  time.Now, //nolint:forbidigo // where the injected clock gets its default
		Pace: 200 * time.Millisecond, Look: 500 * time.Millisecond, Numbers: time.Minute,
		Settle: 300 * time.Millisecond, Pending: 3 * time.Second, Timeout: 5 * time.Second,
	}
}

// Writer keeps status as the Recorder has it.
type Writer struct {
	WriterOptions
	endpoints map[types.NamespacedName]*endpointObject
	triggers  map[types.NamespacedName]*triggerObject
	dead      deadLetters
	letters   atomic.Pointer[map[lane]letters]
	back      backoff
	turns     turn.Teller
	nextLook  time.Time
	nextSweep time.Time
	// recallAt is when to look for what the last run left behind, recalled that this was done.
	recallAt time.Time
	recalled bool

	// recount has dead letters counted anew, whatever their total.
	recount atomic.Bool
	askedMu sync.Mutex
	asked   map[*endpoint]Redriven // dead letters that Redrive has delivered again, and no Event tells of yet
}

// NewWriter makes a writer.
func NewWriter(o WriterOptions) *Writer {
	if o.Observer == nil {
		o.Observer = o.Recorder
	}
	return &Writer{
		WriterOptions: o,
		endpoints:     map[types.NamespacedName]*endpointObject{}, triggers: map[types.NamespacedName]*triggerObject{},
	}
}

// Run writes until ctx ends. What is not written then is in the store, and is written after the next start.
func (w *Writer) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.Pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.step(ctx)
		}
	}
}

// step makes at most one write.
func (w *Writer) step(ctx context.Context) {
	now := w.Now()
	if !now.Before(w.nextLook) {
		w.nextLook = now.Add(w.Look)
		w.look(ctx, now)
	}
	if w.back.waits(now) {
		return
	}
	if o := w.next(now); o != nil {
		w.attempt(ctx, o, now)
	}
}

// attempt writes an object.
func (w *Writer) attempt(ctx context.Context, o object, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	err := o.write(ctx, w, now)
	s := o.schedule()
	switch verdict := judge(err); verdict {
	case written:
		w.back.reset()
		s.done(now)
	case unchanged:
		s.clean()
	case gone:
		// The routes will not have it any more, or another one of its name.
		s.done(now)
	case outdated:
		// Somebody else wrote, and the cache does not have it yet.
		s.conflicts++
		s.retryAt = now.Add(min(maxBackoff, w.Settle<<min(s.conflicts, 10)))
	case refused:
		w.Logger.Error(err, "status is not accepted")
		s.retryAt = now.Add(w.Numbers)
	case unreachable:
		if w.back.failures == 0 {
			w.Logger.Error(err, "status cannot be written; it is tried again")
		}
		w.back.failed(now)
	}
}

// next is the object that is to be written next: one whose condition changed, else the one that has waited longest; nil if none is due.
func (w *Writer) next(now time.Time) object {
	var best object
	consider := func(o object) {
		s := o.schedule()
		if s.due(now, w.Settle, w.Numbers) && (best == nil || s.before(best.schedule())) {
			best = o
		}
	}
	for _, o := range w.endpoints {
		consider(o)
	}
	for _, o := range w.triggers {
		consider(o)
	}
	return best
}

// schedule says when an object is to be written. It is pure.
type schedule struct {
	// dueAt is when the change that has been waiting longest may be written; zero: there is none.
	dueAt   time.Time
	dirtyAt time.Time
	// urgentAt is when a condition was seen to have changed; zero: none has.
	urgentAt  time.Time
	writtenAt time.Time // zero: not in this run
	retryAt   time.Time
	conflicts int // in a row
}

// dirty notes that there is something to write, from settle on.
func (s *schedule) dirty(now time.Time, settle time.Duration, urgent bool) {
	if s.dirtyAt.IsZero() {
		s.dirtyAt = now
	}
	s.dueAt = s.dirtyAt.Add(settle)
	if !urgent {
		s.urgentAt = time.Time{}
	} else if s.urgentAt.IsZero() {
		s.urgentAt = now
	}
}

// clean notes that there is nothing to write.
func (s *schedule) clean() { s.dueAt, s.dirtyAt, s.urgentAt = time.Time{}, time.Time{}, time.Time{} }

func (s *schedule) done(now time.Time) {
	s.clean()
	s.writtenAt, s.conflicts = now, 0
}

func (s *schedule) due(now time.Time, settle, numbers time.Duration) bool {
	switch {
	case s.dirtyAt.IsZero() || now.Before(s.retryAt):
		return false
	case !s.urgentAt.IsZero() && now.Sub(s.urgentAt) >= settle:
		return true
	default:
		return !now.Before(s.dueAt) && (s.writtenAt.IsZero() || now.Sub(s.writtenAt) >= numbers)
	}
}

func (s *schedule) before(other *schedule) bool {
	if s.urgentAt.IsZero() != other.urgentAt.IsZero() {
		return !s.urgentAt.IsZero()
	}
	return s.dirtyAt.Before(other.dirtyAt)
}

// backoff spaces attempts while the API server does not answer.
type backoff struct {
	failures int
	until    time.Time
}

const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

func (b *backoff) waits(now time.Time) bool { return now.Before(b.until) }

func (b *backoff) reset() { *b = backoff{} }

func (b *backoff) failed(now time.Time) {
	pause := maxBackoff
	if b.failures < 5 {
		pause = min(maxBackoff, minBackoff<<b.failures)
	}
	b.failures++
	b.until = now.Add(pause)
}
