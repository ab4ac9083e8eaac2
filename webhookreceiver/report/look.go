// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// sweepEvery is how often all endpoints are looked at, changed or not: what waits for a target changes a moment after the Recorder
// hears of it.
const sweepEvery = time.Minute

// look finds out what is to be written.
func (w *Writer) look(ctx context.Context, now time.Time) {
	serving := w.Recorder.all()
	w.recall(now)
	w.follow(serving)
	sweep := !now.Before(w.nextSweep)
	if sweep {
		w.nextSweep = now.Add(sweepEvery)
	}
	w.adopt()
	if w.recount.Swap(false) {
		w.dead.stale()
	}
	changed := w.dead.count(w.Queue, now)
	w.letters.Store(&w.dead.letters)
	var waiting map[queue.Endpoint]map[string]queued
	for key, o := range w.endpoints {
		at := queue.Endpoint{Namespace: key.Namespace, Name: key.Name}
		if o.released || !o.adopted {
			continue
		}
		if !sweep && !changed[at] && !o.mayHaveChanged() {
			continue
		}
		if waiting == nil {
			waiting = w.waiting()
		}
		w.redrive(ctx, o, now)
		w.lookAt(o, waiting[at], now)
	}
	for _, o := range w.triggers {
		w.lookAtTrigger(o, now)
	}
	w.tellAsked(ctx, now)
}

// mayHaveChanged reports whether there is reason to look.
func (o *endpointObject) mayHaveChanged() bool {
	return !o.looked || o.unsettled || o.seen != o.e.changed.Load()
}

// follow makes objects of what the Recorder counts for, and drops those of what it does not.
func (w *Writer) follow(serving map[types.NamespacedName]*endpoint) {
	for key, o := range w.endpoints {
		switch e := serving[key]; {
		case e == nil && o.mayLeave():
			delete(w.endpoints, key)
		case e == nil && !o.released:
			o.released = true
			o.s.dirty(w.Now(), 0, true)
		case e != nil && (e.uid != o.uid || o.released):
			delete(w.endpoints, key) // to be made anew
		}
	}
	triggers := map[types.NamespacedName]*triggerObject{}
	for key, e := range serving {
		if w.endpoints[key] == nil {
			w.endpoints[key] = &endpointObject{e: e, uid: e.uid}
		}
		w.followTriggers(e, triggers)
	}
	w.triggers = triggers
}

// mayLeave says that nothing is left to be taken back.
func (o *endpointObject) mayLeave() bool {
	return !o.adopted || (o.receiver == nil && len(o.conditions) == 0)
}

func (w *Writer) followTriggers(e *endpoint, triggers map[types.NamespacedName]*triggerObject) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, t := range e.triggers {
		if o := w.triggers[key]; o != nil && o.t == t {
			triggers[key] = o
		} else {
			triggers[key] = &triggerObject{e: e, t: t, uid: t.uid}
		}
	}
}

// recall has a look, once, at endpoints that the last run counted for and the routes do not have: those that lost their receiver meanwhile
// have a status that nobody else takes back. By then the objects were read.
func (w *Writer) recall(now time.Time) {
	if w.recallAt.IsZero() {
		w.recallAt = now.Add(recallAfter)
	}
	if w.recalled || now.Before(w.recallAt) {
		return
	}
	w.recalled = true
	for _, e := range w.Recorder.left() {
		o := &endpointObject{e: e, uid: e.uid, adopted: true, released: true, receiver: &v1alpha1.ReceiverStatus{}}
		o.s.dirty(now, 0, true)
		w.endpoints[e.key] = o
	}
}

const recallAfter = time.Minute

// adopt reads the status of objects that were not read yet, so that nothing is written that is there already, and what an
// endpoint without totals had goes on. Before they are adopted, they are not written.
func (w *Writer) adopt() {
	for key, o := range w.endpoints {
		if o.adopted {
			continue
		}
		if object := w.Objects.Endpoint(key); object != nil && object.UID == o.uid {
			o.adopt(object, w.Recorder)
		}
	}
	for key, o := range w.triggers {
		if o.adopted {
			continue
		}
		if object := w.Objects.Trigger(key); object != nil && object.UID == o.uid {
			o.adopt(object)
		}
	}
}

func (o *endpointObject) adopt(object *v1alpha1.NotificationEndpoint, r *Recorder) {
	o.adopted = true
	o.receiver, o.conditions = object.Status.Receiver.DeepCopy(), own(object.Status.Conditions)
	if o.e.learn(o.receiver, r.reasons) {
		o.e.touch()
	}
}

func (o *triggerObject) adopt(object *v1alpha1.CloudinaryTrigger) {
	o.adopted = true
	o.last = object.Status.LastNotification.DeepCopy()
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	o.t.last.restore(0, o.last)
}

// learn takes over the totals of status where the store had none, and reports whether it did. What was counted since the
// start is added.
func (e *endpoint) learn(s *v1alpha1.ReceiverStatus, reasons map[string]int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known {
		return false
	}
	e.known = true
	if s == nil {
		return true
	}
	e.received.Add(value(s.Received))
	e.duplicates.Add(value(s.Duplicates))
	for _, rejected := range s.Rejected {
		if i, known := reasons[rejected.Reason]; known {
			e.rejected[i].count.Add(rejected.Count)
			e.rejected[i].at.CompareAndSwap(0, rejected.LastAt.UnixNano())
		}
	}
	if n := s.LastNotification; n != nil {
		e.last.restore(0, n)
		e.verifiedAt.CompareAndSwap(0, n.ReceivedAt.UnixNano())
	}
	for i := range s.Targets {
		if t := e.targets[s.Targets[i].Name]; t != nil {
			t.learn(&s.Targets[i])
		}
	}
	if e.redriven == "" {
		e.redriven = s.LastHandledRedrive
	}
	return true
}

func (t *target) learn(s *v1alpha1.TargetStatus) {
	t.delivered += value(s.Delivered)
	t.discarded += value(s.Discarded)
	if s.LastDeliveredAt != nil && t.deliveredAt.IsZero() {
		t.deliveredAt = s.LastDeliveredAt.Time
	}
	if f := s.LastFailure; f != nil && f.At != nil && t.failure == nil {
		t.failure = &failure{at: f.At.Time, statusCode: int(f.StatusCode), message: f.Message}
	}
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// lookAt notes whether an endpoint is to be written.
func (w *Writer) lookAt(o *endpointObject, waiting map[string]queued, now time.Time) {
	v := w.Recorder.view(o.e, waiting)
	d := o.judge(v, now)
	o.seen, o.looked, o.unsettled = v.version, true, d.unsettled
	if d.equals(o) {
		o.s.clean()
		return
	}
	o.s.dirty(now, w.settle(d.pending), d.urgent)
}

func (w *Writer) lookAtTrigger(o *triggerObject, now time.Time) {
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	if !o.adopted || (o.looked && o.seen == o.t.last.version) {
		return
	}
	o.seen, o.looked = o.t.last.version, true
	status := o.t.last.status()
	if status == nil || equality.Semantic.DeepEqual(status, o.last) {
		o.s.clean()
		return
	}
	o.s.dirty(now, w.settle(pending(status)), false)
}

func (w *Writer) settle(pending bool) time.Duration {
	if pending {
		return w.Pending
	}
	return w.Settle
}

// waiting is what is queued, by endpoint and target.
func (w *Writer) waiting() map[queue.Endpoint]map[string]queued {
	all := map[queue.Endpoint]map[string]queued{}
	entry := func(at queue.Endpoint, target string, change func(*queued)) {
		if all[at] == nil {
			all[at] = map[string]queued{}
		}
		q := all[at][target]
		change(&q)
		all[at][target] = q
	}
	w.Lanes(func(s delivery.LaneStats) { entry(s.Endpoint, s.Target, func(q *queued) { q.stats = s }) })
	for lane, all := range w.dead.letters {
		entry(lane.endpoint, lane.target, func(q *queued) { q.dead, q.died = all.n, all.reason })
	}
	return all
}
