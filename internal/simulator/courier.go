// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds on what is held in memory.
const (
	maxPendingDeliveries = 20000
	maxPendingBytes      = 256 << 20
	maxHistoryBytes      = 128 << 20
)

// ErrBusy means that a notification was not accepted.
var ErrBusy = errors.New("not accepted: too many deliveries are pending, or the simulator is being stopped")

// Values of Delivery.State.
const (
	stateQueued    = "queued"
	stateSending   = "sending"
	stateRetrying  = "retrying"
	stateDelivered = "delivered"
	stateFailed    = "failed"
)

// delivery is one notification to one address, with its attempts. While it is being sent, only its worker reads and writes header;
// everything else that changes is guarded by the courier's lock.
type delivery struct {
	addressed
	id         string
	eventType  string
	signing    Signing
	ownSigning bool // a retry is not signed as notifications are now
	header     http.Header

	state     string
	due       time.Time // of the next attempt, while retrying
	attempts  []attempt
	forgotten bool
}

func (d *delivery) pending() bool { return d.state != stateDelivered && d.state != stateFailed }

// courier sends deliveries. It has goroutines only while there is something to send, and one timer while something waits for a retry.
type courier struct {
	options DeliveryOptions
	clock   func() time.Time
	client  *http.Client
	sign    func(*delivery, time.Time) http.Header
	workers sync.WaitGroup

	mu         sync.Mutex // guards everything below
	closed     bool
	working    int
	deliveries []*delivery // all that are remembered, oldest first
	ready      []*delivery
	retrying   []*delivery
	sending    map[*delivery]context.CancelFunc
	timer      *time.Timer
	wakesAt    time.Time // zero: the timer does not run
	pending    weight
	history    weight
}

type weight struct{ count, bytes int }

func (w *weight) add(d *delivery) {
	w.count++
	w.bytes += len(d.body)
}

func (w *weight) remove(d *delivery) {
	w.count--
	w.bytes -= len(d.body)
}

func newCourier(options Options, sign func(*delivery, time.Time) http.Header) *courier {
	return &courier{
		options: options.Delivery, clock: options.Clock, client: newClient(options.Delivery.Concurrency), sign: sign,
		sending: map[*delivery]context.CancelFunc{},
	}
}

// accept takes all of the deliveries or none.
func (c *courier) accept(deliveries []*delivery) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := c.pending
	for _, d := range deliveries {
		after.add(d)
	}
	if c.closed || after.count > maxPendingDeliveries || after.bytes > maxPendingBytes {
		return ErrBusy
	}
	c.pending = after
	for _, d := range deliveries {
		d.state = stateQueued
	}
	c.deliveries = append(c.deliveries, deliveries...)
	c.ready = append(c.ready, deliveries...)
	c.dispatch()
	return nil
}

// dispatch starts as many workers as there is work for. The lock is held.
func (c *courier) dispatch() {
	if c.closed {
		return
	}
	for range min(c.options.Concurrency-c.working, len(c.ready)) {
		c.working++
		c.workers.Go(c.work)
	}
}

func (c *courier) work() {
	for c.workOnce() {
	}
}

// workOnce makes one attempt; false means that there was nothing to do.
func (c *courier) workOnce() bool {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	defer cancel()
	d := c.take(cancel)
	if d == nil {
		return false
	}
	at := c.clock()
	if d.header == nil || c.options.RetryTimestamp == RetryFresh {
		d.header = c.sign(d, at)
	}
	c.settle(d, c.post(ctx, d, at))
	return true
}

func (c *courier) take(cancel context.CancelFunc) *delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.ready) == 0 {
		c.working--
		return nil
	}
	d := c.ready[0]
	c.ready = c.ready[1:]
	d.state = stateSending
	c.sending[d] = cancel
	return d
}

// settle records an attempt and decides what follows.
func (c *courier) settle(d *delivery, made attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sending, d)
	if d.forgotten {
		return
	}
	d.attempts = append(d.attempts, made)
	retries := len(d.attempts) - 1
	switch {
	case made.Status == http.StatusOK:
		c.end(d, stateDelivered)
	case retries >= len(c.options.RetrySchedule):
		c.end(d, stateFailed)
	default:
		d.state, d.due = stateRetrying, d.attempts[0].at.Add(c.options.RetrySchedule[retries])
		c.retrying = append(c.retrying, d)
		c.wakeAt(d.due)
	}
}

func (c *courier) end(d *delivery, state string) {
	d.state = state
	c.pending.remove(d)
	c.history.add(d)
	for c.history.count > c.options.History || c.history.bytes > maxHistoryBytes {
		i := slices.IndexFunc(c.deliveries, func(other *delivery) bool { return !other.pending() })
		c.history.remove(c.deliveries[i])
		c.deliveries = slices.Delete(c.deliveries, i, i+1)
	}
}

// wakeAt sets the timer, unless it goes off earlier anyway. The lock is held.
func (c *courier) wakeAt(due time.Time) {
	if c.closed || (!c.wakesAt.IsZero() && !due.Before(c.wakesAt)) {
		return
	}
	c.stopTimer()
	c.wakesAt = due
	// Never at once: what is due at about the same time goes together.
	c.timer = time.AfterFunc(max(due.Sub(c.clock()), time.Millisecond), c.wake)
}

func (c *courier) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.wakesAt = time.Time{}
}

func (c *courier) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakesAt = time.Time{}
	now := c.clock()
	c.release(func(d *delivery) bool { return !d.due.After(now) })
	if len(c.retrying) > 0 {
		c.wakeAt(slices.MinFunc(c.retrying, func(a, b *delivery) int { return a.due.Compare(b.due) }).due)
	}
}

// release makes those that wait for a retry ready, and says how many. The lock is held.
func (c *courier) release(due func(*delivery) bool) int {
	var waiting []*delivery
	before := len(c.ready)
	for _, d := range c.retrying {
		if due(d) {
			d.state = stateQueued
			c.ready = append(c.ready, d)
		} else {
			waiting = append(waiting, d)
		}
	}
	c.retrying = waiting
	released := len(c.ready) - before
	c.dispatch()
	return released
}

// retryNow makes the retries of those that match due.
func (c *courier) retryNow(matches func(*delivery) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.release(matches)
}

// forgetAll drops every delivery and cuts those that are being sent.
func (c *courier) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d, cancel := range c.sending {
		d.forgotten = true
		cancel()
	}
	c.deliveries, c.ready, c.retrying = nil, nil, nil
	c.pending, c.history = weight{}, weight{}
	c.stopTimer()
}

// close starts nothing any more, and returns when nothing is being sent. What the context's end finds being sent is cut.
func (c *courier) close(ctx context.Context) {
	c.mu.Lock()
	c.closed = true
	c.stopTimer()
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		c.workers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		c.cut()
		<-ended
	}
	c.client.CloseIdleConnections()
}

func (c *courier) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.sending {
		cancel()
	}
}
