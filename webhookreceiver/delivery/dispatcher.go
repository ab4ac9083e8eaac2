// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Dispatcher delivers what it is told of. Its methods may be called concurrently.
type Dispatcher struct {
	o        Options
	recorder *recorder
	pools    [budgets]*pool
	attempts sync.WaitGroup
	cutOff   context.CancelFunc // ends the attempts in flight

	// phase changes before every track's lock is taken once, so that whoever holds one knows that it is still true.
	phase     atomic.Int32
	attemptIn context.Context //nolint:containedctx // that of Run, for the goroutines that it did not start itself
	origin    time.Time       // see steady
	started   int64

	mu     sync.Mutex
	tracks map[destination]*track
	early  []queue.Item // announced before everything was loaded
}

const (
	phaseLoading = iota
	phaseRunning
	phaseEnding
)

// New makes a Dispatcher that delivers nothing before Run.
func New(o Options) *Dispatcher {
	d := &Dispatcher{o: o.withDefaults(), tracks: map[destination]*track{}}
	d.pools = [budgets]*pool{
		ofFirsts: newPool(ofFirsts, d.o.FirstInFlight, d.o.FirstBytes), ofMore: newPool(ofMore, d.o.SharedInFlight, d.o.SharedBytes),
	}
	d.recorder = newRecorder(&d.o, d.recorded)
	d.origin = d.o.Clock.Now()
	return d
}

// steady is the time that lanes go by: that of the clock at first, and then what has passed, whatever the clock is set to meanwhile. A
// target must not be left alone for hours, nor what waits for it be given up, because somebody has set the clock.
func (d *Dispatcher) steady() int64 { return d.origin.UnixNano() + int64(d.o.Clock.Since(d.origin)) }

// shown is what the clock shows at an instant of the time that lanes go by.
func (d *Dispatcher) shown(at int64) time.Time {
	return d.o.Clock.Now().Add(time.Duration(at - d.steady()))
}

// Announce tells of an item that the queue has. It is fit for queue.Options.OnItem: it does not block, and may be called before Run.
func (d *Dispatcher) Announce(item queue.Item) {
	if item.Dead {
		return
	}
	// A redriven item's age begins anew, and that of any other has just begun.
	e := entryOf(item, d.steady())
	for added := false; !added; {
		d.mu.Lock()
		if d.phase.Load() == phaseLoading {
			d.early = append(d.early, item)
			d.mu.Unlock()
			return
		}
		t := d.trackFor(item)
		d.mu.Unlock()
		// It may have been dropped just now.
		added = d.pump(t, func(l *lane) { l.add(e) })
	}
}

// trackFor finds an item's track, or makes it. d.mu is held.
func (d *Dispatcher) trackFor(item queue.Item) *track {
	key := destination{endpoint: item.Endpoint, target: item.Target}
	t := d.tracks[key]
	if t == nil {
		t = &track{destination: key, lane: lane{width: d.o.LaneInFlight, maxBytes: d.o.LaneBytes}}
		d.tracks[key] = t
	}
	return t
}

func entryOf(item queue.Item, since int64) entry {
	return entry{
		id: item.ID, order: item.OrderKey, since: since, size: uint32(min(max(item.Size, 0), math.MaxUint32)), redriven: item.Redriven,
	}
}

// Run loads what the queue has and delivers until ctx ends. Then it begins nothing any more, gives attempts in flight Options.Grace to
// end, and has their outcomes noted; the error says if that was not possible. When the queue has failed it ends at once: nothing can be noted
// any more. It may be called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.attemptIn, d.cutOff = context.WithCancel(context.WithoutCancel(ctx))
	defer d.cutOff()
	d.started = d.steady()

	stop, written := make(chan struct{}), make(chan error, 1)
	go func() { written <- d.recorder.run(ctx, stop) }()
	d.load()
	select {
	case <-ctx.Done():
	case err := <-written:
		d.phase.Store(phaseEnding)
		d.quiesce()
		return err
	}

	d.phase.Store(phaseEnding)
	d.quiesce()
	d.land()
	close(stop)
	return <-written
}

// load takes in what the queue has, and what was announced meanwhile.
func (d *Dispatcher) load() {
	now := d.o.Clock.Now()
	d.o.Queue.Items(func(item queue.Item) bool {
		if item.Dead {
			return true
		}
		since := d.started
		if !item.ReceivedAt.IsZero() {
			since -= int64(max(now.Sub(item.ReceivedAt), 0))
		}
		d.mu.Lock()
		t := d.trackFor(item)
		d.mu.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lane.add(entryOf(item, since))
		return true
	})
	d.mu.Lock()
	d.addEarly()
	d.phase.Store(phaseRunning)
	all := d.all()
	d.mu.Unlock()
	for _, t := range all {
		d.pump(t, nil)
	}
}

// addEarly adds what was announced and is not loaded: the queue may have told of an item both ways. d.mu is held.
func (d *Dispatcher) addEarly() {
	known := map[*track]map[queue.ID]bool{}
	for _, item := range d.early {
		t := d.trackFor(item)
		t.mu.Lock()
		if known[t] == nil {
			known[t] = map[queue.ID]bool{}
			t.lane.fresh.all(func(e *entry) { known[t][e.id] = true })
		}
		if !known[t][item.ID] {
			known[t][item.ID] = true
			t.lane.add(entryOf(item, d.started))
		}
		t.mu.Unlock()
	}
	d.early = nil
}

// all lists the tracks. d.mu is held.
func (d *Dispatcher) all() []*track {
	all := make([]*track, 0, len(d.tracks))
	for _, t := range d.tracks {
		all = append(all, t)
	}
	return all
}

func (d *Dispatcher) snapshot() []*track {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all()
}

// RoutesChanged has every lane look at its target anew.
func (d *Dispatcher) RoutesChanged() {
	for _, t := range d.snapshot() {
		d.pump(t, nil)
	}
}

// Lanes visits the targets for which anything waits, in no particular order.
func (d *Dispatcher) Lanes(visit func(LaneStats)) {
	table := d.o.Routes()
	for _, t := range d.snapshot() {
		if stats, ok := d.stats(t, table); ok {
			visit(stats)
		}
	}
}

func (d *Dispatcher) stats(t *track, table *route.Table) (LaneStats, bool) {
	routed := lookup(table, t.destination).target != nil
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lane
	s := LaneStats{
		Endpoint: t.endpoint, Target: t.target, Routed: routed,
		Waiting: l.waiting(), Retrying: l.retrying(), InFlight: len(l.flights), Unrecorded: l.unrecorded,
		LastFailure: l.lastFailure,
	}
	if oldest, ok := l.oldest(); ok {
		s.Oldest = d.shown(oldest)
	}
	if !l.breaker.closed() {
		s.PausedUntil = d.shown(l.breaker.until)
	}
	return s, !t.dropped
}

// quiesce waits until nobody begins attempts, and stops the timers.
func (d *Dispatcher) quiesce() {
	for _, t := range d.snapshot() {
		t.mu.Lock()
		if t.timer != nil {
			t.timer.Stop()
		}
		t.mu.Unlock()
	}
}

// lastLanding is how long attempts that were cut off may take to notice.
const lastLanding = 5 * time.Second

// land waits for the attempts in flight, and after the grace cuts them off. One that goes on all the same is left behind: the process
// has to end, and nothing of that attempt counts.
func (d *Dispatcher) land() {
	landed := make(chan struct{})
	go func() {
		d.attempts.Wait()
		close(landed)
	}()
	if d.within(d.o.Grace, landed) {
		return
	}
	d.cutOff()
	if d.within(lastLanding, landed) {
		return
	}
	for _, t := range d.snapshot() {
		t.mu.Lock()
		flying := len(t.lane.flights)
		t.mu.Unlock()
		if flying > 0 {
			d.o.Logger.Error(nil, "Attempts did not end when they were cut off; they are made again after the next start",
				"endpoint", t.key(), "target", t.target, "count", flying)
		}
	}
}

// within reports whether something has ended before so much time is over.
func (d *Dispatcher) within(patience time.Duration, ended <-chan struct{}) bool {
	timer := d.o.Clock.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C():
		return false
	}
}
