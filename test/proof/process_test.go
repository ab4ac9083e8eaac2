// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
)

// process is a manager: the real Reconciler, what its process remembers, and a pass that may be
// parked at a step. It makes one pass at a time.
type process struct {
	run        *run
	number     int
	reconciler *controllers.Reconciler
	queue      *queue
	cache      *cache
	lastWrite  int
	read       map[name]*v1alpha1.CloudinaryTrigger // what the pass began with
	skew       time.Duration                        // of its clock
	renewed    time.Time                            // its lease, by its clock
	dead       bool
	stepped    bool          // it parks at each step
	intending  bool          // it is storing an intent
	unheld     map[name]bool // objects to which the pass has failed to add the finalizer
	deleted    place         // where the pass has deleted a trigger last
	bound      bound         // of the context that was used last

	unit   controllers.Unit
	pass   *pass // that is under way
	result ctrl.Result
	err    error
}

// killed is what the end of a process panics with.
type killed struct{}

// kill ends the process where it is.
func (p *process) kill(where string) {
	p.dead = true
	p.run.kills[where]++
	p.run.note("process %d ends %s", p.number, where)
	panic(killed{})
}

// alive sees to it that the dead write nothing.
func (p *process) alive() {
	if p.dead {
		panic("a process that has ended makes a call")
	}
}

// Remaining implements controllers.Fence.
func (p *process) Remaining(now time.Time) time.Duration {
	return p.renewed.Add(leaseDuration).Sub(now)
}

func (p *process) now() time.Time { return p.run.now.Add(p.skew) }

// renew renews the lease, if it is still this process's.
func (p *process) renew() {
	if p.run.leader == p {
		p.renewed, p.run.renewed = p.now(), p.run.now
	}
}

// reached is called at each step of a pass. Anything may happen there.
func (p *process) reached(s step) {
	r := p.run
	r.reached[s]++
	if r.settling {
		p.renew()
		return
	}
	r.last = s
	if *traceFlag {
		r.note("process %d: %s", p.number, s)
	}
	if r.script != nil {
		r.scripted(s, p)
		return
	}
	if r.ends(s) {
		p.kill(string(s))
	}
	r.happens(p)
	if p.stepped || r.freezes(p) {
		if !p.pass.park() {
			p.dead = true
			panic(killed{})
		}
	}
}

// begin begins a pass that parks where reached says so.
func (p *process) begin(unit controllers.Unit) {
	p.unit, p.deleted, p.intending = unit, place{}, false
	clear(p.unheld)
	if *traceFlag && p.run.settling {
		p.run.note("process %d: pass of %s", p.number, unit)
	}
	ctx := logf.IntoContext(context.Background(), logr.Discard())
	p.pass = begin(func() {
		defer func() {
			v := recover()
			if _, ok := v.(killed); v != nil && !ok {
				p.dead = true
				p.run.violated("a pass of %s panics: %v\n%s", unit, v, debug.Stack())
			}
		}()
		p.result, p.err = p.reconciler.Reconcile(ctx, unit)
	})
	p.resume()
}

// resume goes on with the pass until it parks or ends.
func (p *process) resume() {
	if p.pass.goOn() {
		return
	}
	p.pass = nil
	if p.dead {
		return
	}
	switch {
	case p.err != nil:
		p.queue.AddRateLimited(p.unit)
	case p.result.RequeueAfter > 0:
		p.queue.Forget(p.unit)
		p.queue.AddAfter(p.unit, p.result.RequeueAfter)
	default:
		p.queue.Forget(p.unit)
	}
}

func (p *process) parked() bool { return p.pass != nil }

// abandon ends a process that is parked or at rest.
func (p *process) abandon() {
	p.dead = true
	if p.pass != nil {
		p.pass.end()
		p.pass = nil
	}
}

// queue is the controller's queue on simulated time.
type queue struct {
	now      func() time.Time
	entries  []entry
	failures map[controllers.Unit]int
}

type entry struct {
	unit controllers.Unit
	at   time.Time
}

const (
	minErrorDelay = 50 * time.Millisecond
	maxErrorDelay = time.Minute
)

func newQueue(now func() time.Time) *queue {
	return &queue{now: now, failures: map[controllers.Unit]int{}}
}

func (q *queue) Add(u controllers.Unit) { q.AddAfter(u, 0) }

func (q *queue) AddAfter(u controllers.Unit, d time.Duration) {
	at := q.now().Add(d)
	i := slices.IndexFunc(q.entries, func(e entry) bool { return e.unit == u })
	if i < 0 {
		q.entries = append(q.entries, entry{u, at})
	} else if at.Before(q.entries[i].at) {
		q.entries[i].at = at
	}
}

func (q *queue) AddRateLimited(u controllers.Unit) {
	delay := min(maxErrorDelay, minErrorDelay<<min(q.failures[u], 20))
	q.failures[u]++
	q.AddAfter(u, delay)
}

func (q *queue) Forget(u controllers.Unit)          { delete(q.failures, u) }
func (q *queue) NumRequeues(u controllers.Unit) int { return q.failures[u] }
func (q *queue) Len() int                           { return len(q.entries) }
func (q *queue) Done(controllers.Unit)              {}
func (q *queue) ShutDown()                          {}
func (q *queue) ShutDownWithDrain()                 {}
func (q *queue) ShuttingDown() bool                 { return false }

// Get is the controller's, whose part the simulation plays.
func (q *queue) Get() (controllers.Unit, bool) {
	panic(fmt.Sprintf("%d units were asked for", q.Len()))
}

// due takes a unit that is due, the nth of them.
func (q *queue) due(nth func(int) int) (controllers.Unit, bool) {
	var due []int
	for i, e := range q.entries {
		if !e.at.After(q.now()) {
			due = append(due, i)
		}
	}
	if len(due) == 0 {
		return controllers.Unit{}, false
	}
	i := due[nth(len(due))]
	unit := q.entries[i].unit
	q.entries = slices.Delete(q.entries, i, i+1)
	return unit, true
}

// wait is how long until the next unit is due.
func (q *queue) wait() (time.Duration, bool) {
	if len(q.entries) == 0 {
		return 0, false
	}
	first := slices.MinFunc(q.entries, func(a, b entry) int { return a.at.Compare(b.at) })
	return max(0, first.at.Sub(q.now())), true
}
