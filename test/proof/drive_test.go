// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/controllers"
)

// drive makes the run: a history, then rest, then the verdict.
func (r *run) drive() error {
	r.populate()
	for range 8 + r.upTo(17) {
		r.act()
		for range r.upTo(9) {
			r.work()
		}
		if r.failure != nil {
			return r.failure
		}
	}
	r.settle()
	if r.failure == nil {
		r.judge()
	}
	return r.failure
}

// work lets a process go on, and there is one if there can be.
func (r *run) work() {
	if r.frozen != nil && r.one(3) {
		r.thaw()
		return
	}
	p := r.leads()
	if r.failure != nil {
		return
	}
	p.stepped = r.frozen != nil
	p.turn()
	r.bury()
}

// thaw lets a process that was leader go on from where it froze. Sooner or later it notices, and
// ends.
func (r *run) thaw() {
	p := r.frozen
	p.stepped = true
	p.resume()
	if p.dead || !p.parked() || r.one(6) {
		p.abandon()
		r.frozen = nil
		r.note("process %d is gone", p.number)
	}
}

// bury forgets a leader that has ended, or is frozen.
func (r *run) bury() {
	if r.leader != nil && (r.leader.dead || r.leader == r.frozen) {
		r.leader = nil
	}
}

// leads is the process that works now. Where the last one has ended, another one begins: with
// leader election not before the lease has run out, unless the container was restarted in its Pod.
func (r *run) leads() *process {
	if r.leader != nil {
		return r.leader
	}
	end := r.renewed.Add(leaseDuration)
	sameIdentity := r.frozen == nil && r.coin()
	if r.elects && !sameIdentity && r.now.Before(end) {
		r.advance(end.Sub(r.now) + r.between(0, 3*time.Second))
	} else {
		r.advance(r.between(100*time.Millisecond, 3*time.Second))
	}
	if r.processes > 0 {
		r.takeover++
	}
	r.leader = r.newProcess()
	return r.leader
}

// newProcess begins with what the API server has, and knows nothing else. It makes the Reconciler
// itself, and not through internal/manager: clock, API server, queue and lease are simulated, and
// controller-runtime's manager takes none of these.
func (r *run) newProcess() *process {
	r.processes++
	p := &process{run: r, number: r.processes, skew: r.between(-5*time.Second, 5*time.Second), unheld: map[name]bool{}}
	p.queue = newQueue(p.now)
	p.cache = newCache(r.api, len(r.api.log))
	p.reconciler = &controllers.Reconciler{
		Client: cachedClient{p: p}, Live: liveReader{p: p}, Metrics: r.metrics, Transport: wire{p}, Now: p.now, Options: r.options,
		Rand: r.random.Float64, Parallelize: r.inAnyOrder,
	}
	if r.elects {
		p.reconciler.Fence = p
	}
	tell, err := p.reconciler.Attach(r.context(), p.queue)
	if err != nil {
		r.violated("a process cannot begin: %v", err)
	}
	for _, kind := range []string{kindSecret, kindEndpoint, kindTrigger} {
		for _, n := range p.cache.names(kind) {
			tell(nil, metadataOnly(p.cache.objects[n]))
		}
	}
	p.cache.onChange = func(before, after clientObject) { tell(metadataOnly(before), metadataOnly(after)) }
	p.renewed, r.renewed = p.now(), r.now
	r.note("process %d begins", p.number)
	return p
}

// turn goes on with the pass that is under way, or begins one that is due.
func (p *process) turn() {
	r := p.run
	p.renew()
	if p.parked() {
		p.resume()
		return
	}
	if !r.one(4) || r.settling || r.script != nil {
		p.cache.see(len(r.api.log))
	} else {
		p.cache.see(p.cache.position + r.upTo(5))
	}
	unit, ok := p.queue.due(r.random.IntN)
	if !ok {
		wait, found := p.queue.wait()
		if !found {
			wait = time.Minute
		}
		r.advance(wait)
		p.renew()
		if unit, ok = p.queue.due(r.random.IntN); !ok {
			return
		}
	}
	p.begin(unit)
}

const (
	// enough turns for any run to come to rest, many times over.
	enough = 6000
	// restful is how long nothing may change for the world to be at rest: longer than a few syncs.
	restful = 4 * time.Minute
)

// settle puts an end to all trouble, and works until nothing changes any more: at once, after
// refusals that are remembered briefly, and after those that are remembered for an hour.
func (r *run) settle() {
	r.note("the trouble ends")
	r.settling = true
	r.mend()
	if r.frozen != nil {
		r.frozen.abandon()
		r.frozen = nil
	}
	if r.leader != nil && (r.coin() || r.leader.parked()) {
		r.leader.abandon()
		r.leader = nil
	}
	changes, since := r.changes(), r.now
	jumps := []time.Duration{11 * time.Minute, 61 * time.Minute, 61 * time.Minute}
	calm := restful
	if r.script != nil {
		jumps, calm = jumps[2:], restful/2 // which is enough for one thing that went wrong
	}
	for range enough {
		p := r.leads()
		p.stepped = false
		p.turn()
		r.bury()
		if r.failure != nil {
			return
		}
		if n := r.changes(); n != changes {
			changes, since = n, r.now
			continue
		}
		if r.now.Sub(since) < calm {
			continue
		}
		if len(jumps) == 0 {
			return
		}
		r.advance(jumps[0])
		jumps, since = jumps[1:], r.now
	}
	r.violated("it does not come to rest")
}

// changes counts all that was changed anywhere.
func (r *run) changes() int { return len(r.api.log) + r.ledger.writes }
