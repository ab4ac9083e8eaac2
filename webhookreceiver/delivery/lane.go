// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const (
	// maxUnrecorded bounds how much is delivered again after a crash while the queue cannot note outcomes.
	maxUnrecorded = 1024
	// settleAtOnce bounds how long one look at a lane takes.
	settleAtOnce = 256
)

// lane decides what is tried next, and when, of what one target still has to get. It neither waits nor sends: time, the routes and
// the results are told to it.
//
//	fresh ──┬────────────────────────────► in flight ──► done
//	        └─► parked ──► ready ────────►  │     ▲
//	            (behind its order key)      ▼     │
//	                                      later ─► again
//	                                      (not due)
//
// Of each order key at most one entry is in ready, in flight, in later or in again: it holds the key, and has an entry in keys.
type lane struct {
	width    int
	maxBytes int64

	fresh fifo[entry]
	ready fifo[entry]
	later laterHeap
	again fifo[retry]
	keys  map[uint64]*fifo[entry] // those parked; nil: none

	parked        int
	flights       []*flight
	retriesFlying int
	bytesFlying   int64
	firstFlying   bool // one that is charged to the pool of firsts
	unrecorded    int

	breaker     breaker
	probedRetry bool // what the last probe was
	lastFailure string
}

func (l *lane) add(e entry) { l.fresh.push(e) }

// waiting is how many deliveries are not done.
func (l *lane) waiting() int {
	return l.fresh.n + l.ready.n + l.later.Len() + l.again.n + l.parked + len(l.flights)
}

func (l *lane) retrying() int { return l.later.Len() + l.again.n }

// empty says that there is nothing to remember.
func (l *lane) empty() bool { return l.waiting() == 0 && l.unrecorded == 0 }

// oldest is the beginning of the oldest age; false where nothing waits. What is parked is younger than what holds its key.
func (l *lane) oldest() (int64, bool) {
	least := int64(math.MaxInt64)
	if e := l.fresh.peek(); e != nil {
		least = min(least, e.since)
	}
	l.ready.all(func(e *entry) { least = min(least, e.since) })
	l.again.all(func(r *retry) { least = min(least, r.since) })
	for i := range l.later {
		least = min(least, l.later[i].since)
	}
	for _, f := range l.flights {
		least = min(least, f.since)
	}
	return least, least != math.MaxInt64
}

// step is what is to be done next.
type step struct {
	flight *flight // begin this attempt
	ended  *entry  // or this has ended without one
	kind   queue.Kind
	reason string
	more   bool // or look again at once: this look has lasted long enough
}

func (s *step) nothing() bool { return s.flight == nil && s.ended == nil && !s.more }

// next decides what is to be done at a time. An attempt that it returns has begun. admit asks a shared budget for a number of
// bytes; it is asked only if everything else allows the attempt.
func (l *lane) next(now int64, t *terms, admit func(budget, int64) bool) step {
	l.promote(now)
	if l.unrecorded >= maxUnrecorded {
		return step{}
	}
	if s := l.expire(now, t); !s.nothing() {
		return s
	}
	if !t.open || len(l.flights) >= l.width {
		return step{}
	}
	allowed, probe := l.breaker.allows(now)
	if !allowed {
		return step{}
	}
	settled, fresh := l.settle()
	if !settled {
		return step{more: true}
	}
	again := l.again.n > 0
	if fresh != nil && again {
		again = l.retriesFlying < max(1, l.width/2)
		if probe {
			again = !l.probedRetry
		}
	}
	switch {
	case again:
		if charged, ok := l.affords(l.again.peek().size, admit); ok {
			return step{flight: l.begin(l.again.pop(), charged, probe)}
		}
	case fresh != nil:
		if charged, ok := l.affords(fresh.peek().size, admit); ok {
			return step{flight: l.begin(retry{entry: fresh.pop()}, charged, probe)}
		}
	}
	return step{}
}

// settle parks what cannot begin, and returns where the first is that can and was never tried: nil for none. It is false if
// there is more to park.
func (l *lane) settle() (settled bool, from *fifo[entry]) {
	if l.ready.n > 0 {
		return true, &l.ready
	}
	for range settleAtOnce {
		e := l.fresh.peek()
		if e == nil {
			return true, nil
		}
		behind, held := l.keys[e.order]
		if e.order == 0 || !held {
			return true, &l.fresh
		}
		if behind == nil {
			behind = new(fifo[entry])
			l.keys[e.order] = behind
		}
		behind.push(l.fresh.pop())
		l.parked++
	}
	return false, nil
}

// affords reports whether one more attempt fits into the budgets, and which of the shared ones it takes from. The lane's own allows one always.
func (l *lane) affords(size uint32, admit func(budget, int64) bool) (charged budget, ok bool) {
	if len(l.flights) > 0 && l.bytesFlying+int64(size) > l.maxBytes {
		return 0, false
	}
	charged = ofFirsts
	if l.firstFlying {
		charged = ofMore
	}
	return charged, admit(charged, int64(size))
}

func (l *lane) begin(r retry, charged budget, probe bool) *flight {
	r.tried()
	f := &flight{retry: r, charged: charged, probe: probe}
	if r.order != 0 {
		l.hold(r.order)
	}
	l.flights = append(l.flights, f)
	l.bytesFlying += int64(r.size)
	if f.retried() {
		l.retriesFlying++
	}
	if charged == ofFirsts {
		l.firstFlying = true
	}
	if probe {
		l.breaker.probing = true
		l.probedRetry = f.retried()
	}
	return f
}

func (l *lane) hold(order uint64) {
	if _, held := l.keys[order]; held {
		return
	}
	if l.keys == nil {
		l.keys = map[uint64]*fifo[entry]{}
	}
	l.keys[order] = nil
}

// release lets the next one with the same order key go on.
func (l *lane) release(order uint64) {
	if order == 0 {
		return
	}
	behind := l.keys[order]
	if behind == nil {
		delete(l.keys, order)
		return
	}
	l.ready.push(behind.pop())
	l.parked--
	if behind.n == 0 {
		l.keys[order] = nil
	}
}

// land takes an attempt out of flight.
func (l *lane) land(f *flight) {
	i := slices.Index(l.flights, f)
	l.flights = slices.Delete(l.flights, i, i+1)
	l.bytesFlying -= int64(f.size)
	if f.retried() {
		l.retriesFlying--
	}
	if f.charged == ofFirsts {
		l.firstFlying = false
	}
}

// done notes that an attempt ended and is not to be repeated. Whoever calls it sees to the outcome being recorded.
func (l *lane) done(f *flight) {
	l.breaker.succeeded(f.probe)
	l.gone(f)
	l.unrecorded++
}

// gone notes that what was to be tried cannot be, which says nothing of the target.
func (l *lane) gone(f *flight) {
	l.land(f)
	if f.probe {
		l.breaker.probing = false
	}
	l.release(f.order)
}

// failure is an attempt that is to be repeated.
type failure struct {
	message string
	wait    time.Duration // before this one is tried again
	asked   time.Duration // for which the target wants to be left alone
	jitter  float64
	ours    bool // the target has nothing to do with it
}

// failed notes that an attempt ended and is to be repeated, and returns when.
func (l *lane) failed(f *flight, now int64, t *terms, why failure) int64 {
	l.land(f)
	if why.message == l.lastFailure {
		why.message = l.lastFailure // one string for many entries
	}
	l.lastFailure = why.message
	switch {
	case !why.ours:
		l.breaker.failedFor(f.id, f.probe, why.asked, now, why.jitter)
	case f.probe:
		l.breaker.probing = false
	}
	r := f.retry
	r.reason = why.message
	r.due = min(now+int64(why.wait), max(now, t.deadline(&r.entry)))
	heap.Push(&l.later, r)
	return r.due
}

// hasten has everything tried soon, since what made it fail may have changed.
func (l *lane) hasten() {
	l.breaker = breaker{}
	for _, f := range l.flights {
		f.probe = false
	}
	slices.SortFunc(l.later, func(a, b retry) int { return cmp.Compare(a.id, b.id) })
	for _, r := range l.later {
		l.again.push(r)
	}
	l.later = nil
}

// promote finds out what has become due.
func (l *lane) promote(now int64) {
	for len(l.later) > 0 && l.later[0].due <= now {
		l.again.push(heap.Pop(&l.later).(retry)) // a heap of these alone
	}
}

// expire ends the first entry that is too old. Entries behind it have their turn when it is gone.
func (l *lane) expire(now int64, t *terms) step {
	if e := l.fresh.peek(); e != nil && t.deadline(e) <= now {
		return l.end(l.fresh.pop(), l.lastFailure, t)
	}
	if e := l.ready.peek(); e != nil && t.deadline(e) <= now {
		e := l.ready.pop()
		l.release(e.order)
		return l.end(e, l.lastFailure, t)
	}
	if r := l.again.peek(); r != nil && t.deadline(&r.entry) <= now {
		r := l.again.pop()
		l.release(r.order)
		return l.end(r.entry, r.reason, t)
	}
	// Where nothing is tried, what failed need not become due first.
	if !t.open && len(l.later) > 0 && t.deadline(&l.later[0].entry) <= now {
		r := heap.Pop(&l.later).(retry) // a heap of these alone
		l.release(r.order)
		return l.end(r.entry, r.reason, t)
	}
	return step{}
}

func (l *lane) end(e entry, lastFailure string, t *terms) step {
	l.unrecorded++
	reason := t.gone
	if t.open {
		reason = "given up after " + duration(t.maxAge)
		if lastFailure != "" {
			reason += ": " + lastFailure
		}
	}
	return step{ended: &e, kind: t.end(&e), reason: excerpt.Shorten(reason, maxMessage)}
}

// wake is when next should be asked again though nothing happens meanwhile; 0: never.
func (l *lane) wake(now int64, t *terms) int64 {
	if l.unrecorded >= maxUnrecorded {
		return 0
	}
	at := int64(math.MaxInt64)
	paused := t.open && now < l.breaker.until
	if paused {
		at = l.breaker.until
	} else if len(l.later) > 0 {
		at = l.later[0].due
	}
	if paused || !t.open {
		at = min(at, l.nextExpiry(t))
	}
	if at == math.MaxInt64 || l.waiting() == len(l.flights) {
		return 0
	}
	return at
}

// nextExpiry is when the first of those that are not looked at otherwise becomes too old.
func (l *lane) nextExpiry(t *terms) int64 {
	at := int64(math.MaxInt64)
	if e := l.fresh.peek(); e != nil {
		at = min(at, t.deadline(e))
	}
	if e := l.ready.peek(); e != nil {
		at = min(at, t.deadline(e))
	}
	if r := l.again.peek(); r != nil {
		at = min(at, t.deadline(&r.entry))
	}
	if !t.open && len(l.later) > 0 {
		at = min(at, t.deadline(&l.later[0].entry))
	}
	return at
}
