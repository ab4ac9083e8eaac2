// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// stepsAtOnce bounds how long a lane is locked.
const stepsAtOnce = 64

// pump changes a lane and has begun whatever can begin then, in it and in those whose turn it is to use a shared budget. It is
// false, and nothing was done, if the lane has been dropped. change may be nil. It does not block.
func (d *Dispatcher) pump(t *track, change func(*lane)) bool {
	t.mu.Lock()
	if t.dropped {
		t.mu.Unlock()
		return false
	}
	if change != nil {
		change(&t.lane)
	}
	d.look(t)
	for _, p := range d.pools {
		for next := p.next(); next != nil; next = p.next() {
			next.mu.Lock()
			d.look(next)
			p.passed(next)
		}
	}
	return true
}

// look begins and ends what is due in a locked lane, and unlocks it.
func (d *Dispatcher) look(t *track) {
	if t.dropped || d.phase.Load() != phaseRunning {
		t.mu.Unlock()
		return
	}
	now := d.steady()
	p := lookup(d.o.Routes(), t.destination)
	t.notice(p.target)
	terms := t.terms(p, now, d.o.RemovedAfter)
	var ends []step
	more := true
	for range stepsAtOnce {
		s := t.lane.next(now, &terms, func(b budget, bytes int64) bool { return d.pools[b].take(t, bytes) })
		if s.nothing() {
			more = false
			break
		}
		if s.flight != nil {
			d.attempts.Add(1)
			go d.fly(t, s.flight, p)
		}
		if s.ended != nil {
			ends = append(ends, s)
		}
	}
	if !more {
		d.arm(t, now, t.lane.wake(now, &terms))
	}
	empty := t.lane.empty()
	t.mu.Unlock()

	d.conclude(t, ends)
	if empty {
		d.drop(t)
	}
	if more {
		// Whoever called may be in a hurry.
		go d.pump(t, nil)
	}
}

// arm has a locked lane looked at when something becomes due. An alarm that is too early costs a look, so it is left alone.
func (d *Dispatcher) arm(t *track, now, at int64) {
	if at == 0 || (t.alarm != 0 && t.alarm <= at) {
		return
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.alarm = at
	t.timer = d.o.Clock.AfterFunc(time.Duration(at-now), func() {
		d.pump(t, func(*lane) {
			if t.alarm == at {
				t.alarm = 0
			}
		})
	})
}

// drop forgets a lane in which nothing is left.
func (d *Dispatcher) drop(t *track) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped || !t.lane.empty() {
		return
	}
	t.dropped = true
	if t.timer != nil {
		t.timer.Stop()
	}
	delete(d.tracks, t.destination)
}

// conclude has deliveries noted that ended without an attempt.
func (d *Dispatcher) conclude(t *track, ends []step) {
	for _, s := range ends {
		d.recorder.add(result{track: t, outcome: queue.Outcome{ID: s.ended.id, Target: t.target, Kind: s.kind, Reason: s.reason}})
		outcome := OutcomeDead
		if s.kind == queue.Discarded {
			outcome = OutcomeDiscarded
		}
		d.o.Observer.AttemptEnded(Attempt{
			ID: s.ended.id, Endpoint: t.endpoint, Target: t.target, Number: int(s.ended.attempts),
			EndedAt: d.o.Clock.Now(), Outcome: outcome, Message: s.reason,
		})
	}
}

// recorded is told of outcomes that the queue has noted.
func (d *Dispatcher) recorded(results []result) {
	count := map[*track]int{}
	for i := range results {
		count[results[i].track]++
	}
	for t, n := range count {
		d.pump(t, func(l *lane) { l.unrecorded -= n })
	}
}

// fly makes an attempt and sees to what comes of it.
func (d *Dispatcher) fly(t *track, f *flight, p place) {
	defer d.attempts.Done()
	begun := d.steady()
	record, err := d.o.Queue.Get(f.id)
	if errors.Is(err, queue.ErrNotFound) {
		d.o.Logger.V(1).Info("A notification is not there any more", "endpoint", t.key(), "target", t.target)
		d.after(t, f, func(l *lane) { l.gone(f) })
		return
	}
	a := Attempt{ID: f.id, Endpoint: t.endpoint, Target: t.target, Number: int(f.attempts), Tried: err == nil}
	var r Result
	switch {
	case errors.Is(err, queue.ErrDamaged):
		d.o.Logger.Error(err, "A notification was damaged on disk and is lost", "endpoint", t.key(), "target", t.target)
		r = Result{Verdict: Suppressed, Message: "damaged on disk"}
	case err != nil:
		r = Result{Message: "the receiver could not read it from its store"}
	default:
		a.EventType, a.ReceivedAt = record.EventType, record.ReceivedAt
		r = d.send(p, &Delivery{ID: f.id, Record: record, Endpoint: p.endpoint, Target: p.target, Attempt: a.Number})
	}
	a.EndedAt = d.o.Clock.Now()
	if a.Tried {
		a.StatusCode, a.Duration = r.StatusCode, time.Duration(d.steady()-begun)
	}
	if r.Verdict == Failed && d.attemptIn.Err() != nil {
		return // cut off: nobody knows, so it is made again after the next start
	}
	d.settle(t, f, a, r)
}

// send makes the attempt. A Sender that panics must not take the receiver down, over and over again.
func (d *Dispatcher) send(p place, delivery *Delivery) (r Result) {
	defer func() {
		if cause := recover(); cause != nil {
			d.o.Logger.Error(fmt.Errorf("panic: %v", cause), "An attempt failed inside the receiver", "stack", string(debug.Stack()))
			r = Result{Message: "the receiver failed; its log says how"}
		}
	}()
	if p.target.Event {
		return d.o.Event.Send(d.attemptIn, delivery)
	}
	return d.o.Service.Send(d.attemptIn, delivery)
}

// settle has the lane and the queue know what came of an attempt.
func (d *Dispatcher) settle(t *track, f *flight, a Attempt, r Result) {
	a.Message = excerpt.Shorten(r.Message, maxMessage)
	outcome := queue.Outcome{ID: f.id, Target: t.target, Reason: a.Message}
	switch r.Verdict {
	case Delivered:
		outcome.Kind, a.Outcome, a.Message = queue.Delivered, OutcomeDelivered, ""
	case Refused:
		outcome.Kind, a.Outcome = queue.Dead, OutcomeDead
	case Suppressed:
		outcome.Kind, a.Outcome = queue.Discarded, OutcomeDiscarded
	case Failed:
		d.again(t, f, a, r)
		return
	}
	d.recorder.add(result{track: t, outcome: outcome})
	d.o.Observer.AttemptEnded(a)
	d.after(t, f, func(l *lane) {
		if !a.Tried {
			l.gone(f)
			l.unrecorded++
			return
		}
		wasClosed := l.breaker.closed()
		l.done(f)
		if !wasClosed && l.breaker.closed() {
			d.o.Logger.Info("A target works again", "endpoint", t.key(), "target", t.target)
		}
	})
}

// again puts an attempt off.
func (d *Dispatcher) again(t *track, f *flight, a Attempt, r Result) {
	asked := min(max(r.RetryAfter, 0), maxRetryAfter)
	why := failure{message: a.Message, jitter: d.o.Random(), ours: !a.Tried}
	why.wait = max(asked, backoff(int(f.attempts), minBackoff, maxBackoff, d.o.Random()))
	if r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusServiceUnavailable {
		why.asked = asked
	}
	now := d.steady()

	t.mu.Lock()
	terms := t.terms(lookup(d.o.Routes(), t.destination), now, d.o.RemovedAfter)
	wasClosed := t.lane.breaker.closed()
	due := t.lane.failed(f, now, &terms, why)
	pausedNow := wasClosed && !t.lane.breaker.closed()
	t.mu.Unlock()

	a.Outcome, a.RetryAt = OutcomeRetried, a.EndedAt.Add(time.Duration(due-now))
	if pausedNow {
		d.o.Logger.Info("A target is left alone for a while", "endpoint", t.key(), "target", t.target, "statusCode", a.StatusCode, "reason", a.Message)
	}
	d.o.Observer.AttemptEnded(a)
	d.after(t, f, nil)
}

// after goes on with the lane of an attempt that has ended.
func (d *Dispatcher) after(t *track, f *flight, change func(*lane)) {
	d.pools[f.charged].giveBack(t, int64(f.size))
	d.pump(t, change)
}
