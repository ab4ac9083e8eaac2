// SPDX-License-Identifier: Apache-2.0

// Package fairqueue is the queue of a controller whose workers are shared between tenants. A tenant may have any number of items, each of
// which may keep a worker for as long as a call takes: others are served meanwhile as if those items were not there.
//
// Tenants take turns. One is given half of the workers that are free at most, and never more than its share; what goes beyond waits in the
// queue and keeps no worker. The calls to one host are bounded in the same way. The package knows nothing of what the items are.
package fairqueue

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// Bounds are how many items may be worked on at once.
type Bounds struct {
	// Workers is how many workers there are.
	Workers int
	// PerTenant is how many of a tenant's items are worked on at once, at most.
	PerTenant int
	// PerHost is how many items that call one host are worked on at once, at most, whoever's they are.
	PerHost int
	// PerTenantAtHost is how many of these are one tenant's, at most: what it has elsewhere does not wait for a host that does not answer.
	PerTenantAtHost int
}

// Config says what the items are to the queue. Its functions may be called by any goroutine, and must not call the queue.
type Config[T comparable] struct {
	Bounds Bounds
	// Tenants are those that an item belongs to as things are. It is worked on at the turn of any one of them, on whose account it is then.
	Tenants func(T) []string
	// Host is where an item's work calls, as far as that is known; empty: it is not, or nothing is called.
	Host func(T) string
	// RateLimiter says how long an item waits that is added after an error.
	RateLimiter workqueue.TypedRateLimiter[T]
	// Waited is told how long an item has waited that begins to be worked on; it may be nil.
	Waited func(time.Duration)
	Clock  clock.Clock
}

// Queue is a workqueue.TypedRateLimitingInterface. As in those of client-go an item is there once, however often it is added, and is
// never worked on by two workers at once.
type Queue[T comparable] struct {
	config Config[T]

	mu       sync.Mutex
	changed  *sync.Cond // there may be something to do for a worker
	lines    lines[T]
	waiting  map[T]*waiting[T]
	running  map[T]account
	again    map[T][]string // of those that run: for whom they are to run once more
	later    schedule[T]
	sooner   chan struct{} // the first of what is for later has changed
	ended    chan struct{}
	shutdown bool
}

// account is on whose account an item is worked on.
type account struct {
	tenant, host string
}

// New makes a queue. It keeps a goroutine until ShutDown is called.
func New[T comparable](config Config[T]) *Queue[T] {
	q := &Queue[T]{
		config: config, lines: newLines[T](config.Bounds),
		waiting: map[T]*waiting[T]{}, running: map[T]account{}, again: map[T][]string{},
		later: newSchedule[T](), sooner: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	q.changed = sync.NewCond(&q.mu)
	go q.deliver()
	return q
}

// Add has an item worked on as soon as one of its tenants has its turn.
func (q *Queue[T]) Add(item T) { q.AddFor(item) }

// AddFor is Add where it is known who has asked for the work, besides those that the item belongs to.
func (q *Queue[T]) AddFor(item T, tenants ...string) {
	tenants = union(tenants, q.config.Tenants(item))
	host := q.config.Host(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(item, tenants, host)
}

// add is AddFor with the lock held.
func (q *Queue[T]) add(item T, tenants []string, host string) {
	if q.shutdown {
		return
	}
	q.later.remove(item)
	if _, runs := q.running[item]; runs {
		q.again[item] = union(q.again[item], tenants)
		return
	}
	if len(tenants) == 0 {
		tenants = []string{""} // the account of those that nobody has
	}
	w := q.waiting[item]
	if w == nil {
		w = &waiting[T]{item: item, host: host, since: q.config.Clock.Now()}
		q.waiting[item] = w
	}
	for _, tenant := range tenants {
		q.lines.join(tenant, w)
	}
	q.changed.Signal()
}

// AddAfter has an item worked on after a while, unless it is to be sooner.
func (q *Queue[T]) AddAfter(item T, wait time.Duration) {
	if wait <= 0 {
		q.Add(item)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	_, again := q.again[item]
	if q.shutdown || again || q.waiting[item] != nil {
		return
	}
	// Who an item belongs to may not be known by itself: then it stays with the one that it was worked on for.
	var tenants []string
	if account, runs := q.running[item]; runs {
		tenants = []string{account.tenant}
	}
	if q.later.put(item, q.config.Clock.Now().Add(wait), tenants) {
		q.notify()
	}
}

// AddRateLimited has an item worked on that had an error, the later the more it had in a row.
func (q *Queue[T]) AddRateLimited(item T) { q.AddAfter(item, q.config.RateLimiter.When(item)) }

// Forget says that an item has had no error.
func (q *Queue[T]) Forget(item T) { q.config.RateLimiter.Forget(item) }

// NumRequeues is how many errors in a row an item had.
func (q *Queue[T]) NumRequeues(item T) int { return q.config.RateLimiter.NumRequeues(item) }

// Get waits for an item that may be worked on now. Done must follow, unless the queue has been shut down.
func (q *Queue[T]) Get() (item T, shutdown bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.shutdown {
			return item, true
		}
		if w, tenant := q.lines.next(); w != nil {
			q.begin(w, tenant)
			return w.item, false
		}
		q.changed.Wait()
	}
}

func (q *Queue[T]) begin(w *waiting[T], tenant string) {
	delete(q.waiting, w.item)
	q.running[w.item] = account{tenant, w.host}
	if q.config.Waited != nil {
		q.config.Waited(q.config.Clock.Since(w.since))
	}
	if len(q.waiting) > 0 { // which may be for another worker: each that finds something wakes the next
		q.changed.Signal()
	}
}

// Enter reports whether a worker may call a host for the item that it works on. If not, nothing keeps the host from answering others: the
// item is to be added again, and is given out once there is room for it. It must be known where it calls by then.
func (q *Queue[T]) Enter(item T, host string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	is, runs := q.running[item]
	if !runs || is.host == host {
		return true
	}
	if !q.lines.move(is.tenant, is.host, host) {
		return false
	}
	q.running[item] = account{is.tenant, host}
	q.changed.Signal() // there is room at the other host
	return true
}

// Done ends the work on an item.
func (q *Queue[T]) Done(item T) {
	tenants, host := q.config.Tenants(item), q.config.Host(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	is, runs := q.running[item]
	if !runs {
		return
	}
	delete(q.running, item)
	q.lines.leave(is.tenant, is.host)
	if asked, again := q.again[item]; again {
		delete(q.again, item)
		if tenants = union(asked, tenants); len(tenants) == 0 {
			tenants = []string{is.tenant}
		}
		q.add(item, tenants, host)
	}
	q.changed.Signal()
}

// Len is how many items wait for their turn. Those that are for later are not counted.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// ShutDown lets go all who wait in Get. Nothing is given out any more.
func (q *Queue[T]) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.shutdown {
		q.shutdown = true
		close(q.ended)
		q.changed.Broadcast()
	}
}

// ShutDownWithDrain is ShutDown: whoever works on an item ends that by itself.
func (q *Queue[T]) ShutDownWithDrain() { q.ShutDown() }

// ShuttingDown reports whether ShutDown was called.
func (q *Queue[T]) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shutdown
}

// deliver adds what is for later when its time has come.
func (q *Queue[T]) deliver() {
	for {
		var timer clock.Timer
		var due <-chan time.Time
		if wait, more := q.addDue(); more {
			timer = q.config.Clock.NewTimer(wait)
			due = timer.C()
		}
		select {
		case <-q.ended:
		case <-q.sooner:
		case <-due:
		}
		if timer != nil {
			timer.Stop()
		}
		if q.ShuttingDown() {
			return
		}
	}
}

// addDue adds what is due, and returns how long it is until the next.
func (q *Queue[T]) addDue() (wait time.Duration, more bool) {
	for {
		q.mu.Lock()
		next := q.later.first()
		now := q.config.Clock.Now()
		if next == nil || next.at.After(now) {
			defer q.mu.Unlock()
			if next == nil {
				return 0, false
			}
			return next.at.Sub(now), true
		}
		q.later.remove(next.item)
		q.mu.Unlock()
		q.AddFor(next.item, next.tenants...)
	}
}

func (q *Queue[T]) notify() {
	select {
	case q.sooner <- struct{}{}:
	default: // it is told already
	}
}

func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// schedule is what is for later, each item once.
type schedule[T comparable] struct {
	heap dueHeap[T]
	by   map[T]*appointment[T]
}

type appointment[T comparable] struct {
	item    T
	at      time.Time
	tenants []string
	index   int // in the heap
}

func newSchedule[T comparable]() schedule[T] { return schedule[T]{by: map[T]*appointment[T]{}} }

// put notes an item for a time, unless it is there for an earlier one, and reports whether it is the first now.
func (s *schedule[T]) put(item T, at time.Time, tenants []string) bool {
	a := s.by[item]
	switch {
	case a == nil:
		a = &appointment[T]{item: item, at: at, tenants: tenants}
		s.by[item] = a
		heap.Push(&s.heap, a)
	case at.Before(a.at):
		a.at, a.tenants = at, union(a.tenants, tenants)
		heap.Fix(&s.heap, a.index)
	default:
		a.tenants = union(a.tenants, tenants)
	}
	return s.heap[0] == a
}

func (s *schedule[T]) remove(item T) {
	if a := s.by[item]; a != nil {
		delete(s.by, item)
		heap.Remove(&s.heap, a.index)
	}
}

func (s *schedule[T]) first() *appointment[T] {
	if len(s.heap) == 0 {
		return nil
	}
	return s.heap[0]
}

// dueHeap is a heap.Interface.
type dueHeap[T comparable] []*appointment[T]

func (h *dueHeap[T]) Len() int           { return len(*h) }
func (h *dueHeap[T]) Less(i, j int) bool { return (*h)[i].at.Before((*h)[j].at) }

func (h *dueHeap[T]) Swap(i, j int) {
	(*h)[i], (*h)[j] = (*h)[j], (*h)[i]
	(*h)[i].index, (*h)[j].index = i, j
}

func (h *dueHeap[T]) Push(x any) {
	if a, ok := x.(*appointment[T]); ok {
		a.index = len(*h)
		*h = append(*h, a)
	}
}

func (h *dueHeap[T]) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return a
}
