// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"context"
	"math"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// active is how long there is trouble.
func (h *history) active(c *chance) time.Duration { return c.between(30*time.Minute, 70*time.Minute) }

// live lets everybody act, then ends all trouble, and judges how it ends.
func (h *history) live() {
	var supervised, acting sync.WaitGroup
	if c := newChance(h.seed, "first"); c.one(4) {
		h.begunBadly(c)
	}
	supervised.Go(func() { h.supervise(newChance(h.seed, "kubelet")) })
	time.Sleep(5 * time.Second)
	world := newChance(h.seed, "length")
	end := time.Now().Add(h.active(world))
	acting.Go(func() { h.cloudinaryActs(newChance(h.seed, "events"), end) })
	acting.Go(func() { h.strangersAct(newChance(h.seed, "strangers"), end) })
	acting.Go(func() { h.nodeFails(newChance(h.seed, "node"), end) })
	acting.Go(func() { h.peopleAct(newChance(h.seed, "people"), end) })
	for _, t := range h.targets {
		acting.Go(func() { t.acts(newChance(h.seed, "moods of "+t.service), end) })
	}
	acting.Wait()
	h.bursts.Wait()
	h.note("all trouble is over")
	h.quietens()
	h.judges()
	h.mu.Lock()
	h.over = true
	p := h.process
	h.mu.Unlock()
	p.stop()
	supervised.Wait()
	h.graves.Wait()
}

// cloudinaryActs has events happen at Cloudinary, and what was recorded of them sent again.
func (h *history) cloudinaryActs(c *chance, end time.Time) {
	var sending sync.WaitGroup
	defer sending.Wait()
	gap := pick(c, 20*time.Second, 40*time.Second, 90*time.Second)
	for number := 1; time.Now().Before(end); number++ {
		at := h.anyEndpoint(c)
		n := h.newNote(at, c, number)
		sending.Go(func() { h.notifies(n, newChance(h.seed, n.String())) })
		time.Sleep(c.between(0, 2*gap))
	}
}

func (h *history) strangersAct(c *chance, end time.Time) {
	for number := 1; time.Now().Before(end); number++ {
		time.Sleep(c.between(time.Second, 4*time.Minute))
		switch c.below(6) {
		case 0, 1:
			h.forges(number, c)
		case 2:
			h.come(strangersDawdle)
			h.dawdles(c)
		default:
			h.replays(c)
		}
	}
}

// acts changes how a target behaves, time and again.
func (t *target) acts(c *chance, end time.Time) {
	defer t.become(well)
	for time.Now().Before(end) {
		time.Sleep(min(c.between(time.Second, 15*time.Minute), time.Until(end)))
		m := pick(c, slow, hangs, down, fails, busy, unheard, tooLate, refuses, rolledOut, failsAfter)
		t.become(m)
		time.Sleep(min(c.between(time.Second, 12*time.Minute), time.Until(end)))
		t.become(well)
	}
}

// nodeFails has processes end, disks fail and clocks jump.
func (h *history) nodeFails(c *chance, end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(c.between(10*time.Second, 8*time.Minute))
		switch c.below(14) {
		case 12:
			h.backsUp()
		case 13:
			h.restores(c)
		case 0, 1, 2, 3, 4, 5:
			if c.one(2) {
				h.waitsForARequest(c)
			}
			h.kill(c, c.one(2))
		case 6:
			h.stop()
		case 7:
			h.diskSlows(c)
		case 8:
			h.diskHangs(c)
		case 9:
			h.diskFills(c)
		case 10:
			h.diskFails(c)
		default:
			h.clockJumps(c)
		}
	}
}

// waitsForARequest waits until something is sent, and a moment more: a request takes a few milliseconds.
func (h *history) waitsForARequest(c *chance) {
	sent := make(chan struct{})
	h.mu.Lock()
	h.ambush = sent
	h.mu.Unlock()
	select {
	case <-sent:
		time.Sleep(c.between(0, 4*time.Millisecond))
	case <-time.After(5 * time.Minute):
	}
}

// badDisk begins trouble with the disk.
func (h *history) badDisk(what string, i *ill) (end func()) {
	over := h.trouble(what)
	h.mu.Lock()
	h.diskBadFrom = time.Now()
	h.mu.Unlock()
	if i != nil {
		h.volume.befall(i)
	}
	return func() {
		if i != nil {
			h.volume.heal(i)
		}
		time.Sleep(15 * time.Second) // what was put off is noted by then
		h.mu.Lock()
		h.diskBadFrom = time.Time{}
		h.mu.Unlock()
		over()
	}
}

func (i *ill) always() *ill {
	i.left.Store(math.MaxInt64)
	return i
}

func (i *ill) upTo(n int) *ill {
	i.left.Store(int64(n))
	return i
}

func onLog(a act, name string) bool { return a == toSync && isLog(name) }

func (h *history) diskSlows(c *chance) {
	i := (&ill{does: onLog, takes: c.between(20*time.Millisecond, 900*time.Millisecond)}).always()
	end := h.badDisk("the disk is slow", i)
	time.Sleep(c.between(5*time.Second, 3*time.Minute))
	end()
}

func (h *history) diskHangs(c *chance) {
	end := h.badDisk("the disk hangs", (&ill{does: onLog, over: make(chan struct{})}).always())
	g := &hang{from: time.Now()}
	h.mu.Lock()
	h.hangs = append(h.hangs, g)
	h.mu.Unlock()
	if c.one(2) { // many come just then
		time.Sleep(3 * time.Second)
		h.burst(c, pick(c, 15, 15, 45), 10*time.Second)
	}
	time.Sleep(c.between(3*time.Second, time.Minute))
	h.mu.Lock()
	g.until = time.Now()
	h.mu.Unlock()
	end()
}

// hang is a time in which the disk hung.
type hang struct {
	from, until time.Time
	given       int // how many were stored though their senders were told otherwise in the middle of it
}

// burst has many events happen at once.
func (h *history) burst(c *chance, n int, within time.Duration) {
	h.note("many events happen at once")
	for range n {
		h.mu.Lock()
		number := 10_000 + len(h.notes)
		h.mu.Unlock()
		one := h.newNote(busy1, c, number)
		after := c.between(0, within)
		h.bursts.Go(func() {
			time.Sleep(after)
			h.notifies(one, newChance(h.seed, one.String()))
		})
	}
}

func (h *history) diskFills(c *chance) {
	end := h.badDisk("others fill the volume", nil)
	h.volume.fillUpTo(int64(c.below(3 << 20)))
	time.Sleep(c.between(5*time.Second, 4*time.Minute))
	h.volume.fillUpTo(plenty)
	end()
}

// diskFails has a kind of file fail in one way, once or for as long as a process lives.
func (h *history) diskFails(c *chance) {
	i := &ill{err: syscall.EIO}
	var what string
	switch c.below(5) {
	case 0, 1:
		what, i.does = "the log cannot be synced", onLog
	case 2:
		what, i.does = "the log cannot be written", func(a act, name string) bool { return a == toWrite && isLog(name) }
	case 3:
		what, i.does = "no names can be synced", func(a act, _ string) bool { return a == toSyncName }
	default:
		h.engineFails(c)
		return
	}
	if c.one(2) {
		i.upTo(1)
		what += ", once"
	} else {
		i.always()
	}
	end := h.badDisk(what, i)
	p := h.running()
	begun := time.Now()
	for time.Since(begun) < time.Minute && i.met.Load() == 0 {
		time.Sleep(200 * time.Millisecond)
	}
	if p != nil && i.met.Load() > 0 && i.does(toSync, "/store/log/1.log") {
		select {
		case <-p.exited:
			h.come(syncFails)
		case <-time.After(2 * time.Second):
			h.broken("process %d goes on though its log could not be synced", p.number)
		}
	} else {
		time.Sleep(c.between(time.Second, 20*time.Second))
	}
	end()
}

// clockJumps sets the node's clock, and sets it right after a while.
func (h *history) clockJumps(c *chance) {
	by := pick(c, -3*3600, -600, -40, 30, 400, 2*3600, 30*3600)
	end := h.trouble("the node's clock is set")
	set := func(to int) {
		h.mu.Lock()
		h.clockSetAt = time.Now()
		h.mu.Unlock()
		h.clock.ahead.Store(int64(to))
		h.note("the node's clock is set, and is %d s ahead", to)
	}
	set(by)
	h.come(clockSet)
	time.Sleep(c.between(5*time.Second, 5*time.Minute))
	if c.one(3) {
		h.kill(c, false)
		time.Sleep(40 * time.Second)
	}
	set(0)
	end()
}

// peopleAct has people change endpoints and keys, redrive and discard, and the API server fail. They do one thing at a time.
func (h *history) peopleAct(c *chance, end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(c.between(20*time.Second, 6*time.Minute))
		switch c.below(9) {
		case 0:
			h.apiLeaves(c)
		case 1:
			h.apiFails(c)
		case 2:
			h.rotatesKey(c)
		case 3:
			h.extraComesAndGoes(c)
		case 4, 5:
			h.redrives(c)
		case 6:
			h.discards(c)
		case 7:
			h.raisesMaxAge()
		default:
			h.makesAnew(c)
		}
	}
}

func (h *history) apiLeaves(c *chance) {
	end := h.begin("the API server is away", false)
	h.api.leave()
	time.Sleep(c.between(5*time.Second, 10*time.Minute))
	h.api.comeBack()
	time.Sleep(time.Minute) // clients pause longer and longer
	end()
}

func (h *history) apiFails(c *chance) {
	end := h.begin("the API server is late, and fails now and then", false)
	h.api.mu.Lock()
	h.api.late, h.api.failing = c.between(0, 4*time.Second), 2+c.below(4)
	h.api.mu.Unlock()
	time.Sleep(c.between(10*time.Second, 5*time.Minute))
	h.api.comeBack()
	end()
}

// rotatesKey has a new key in the Secret first, and Cloudinary sign with it later. The old one counts for a while.
func (h *history) rotatesKey(c *chance) {
	if !h.clockIsRight() {
		return
	}
	h.addKey()
	h.note("key %d is in the Secret", len(h.keys))
	time.Sleep(c.between(15*time.Second, 2*time.Minute))
	h.cloud.mu.Lock()
	h.cloud.key = signingKey{h.keys[len(h.keys)-1].ID, h.keys[len(h.keys)-1].Secret}
	h.cloud.sha256 = c.one(2)
	h.cloud.mu.Unlock()
	h.note("Cloudinary signs with key %d", len(h.keys))
	h.come(keyRotated)
	time.Sleep(c.between(time.Second, 2*time.Minute))
	until := time.Now().Add(30 * time.Minute).UTC()
	for i := range h.keys[:len(h.keys)-1] {
		if h.keys[i].NotAfter == nil {
			h.keys[i].NotAfter = &until
			h.mu.Lock()
			h.keysUntil[h.keys[i].ID] = until
			h.mu.Unlock()
		}
	}
	h.putKeys()
}

func (h *history) clockIsRight() bool { return h.clock.ahead.Load() == 0 }

// extraComesAndGoes takes out a target, or brings it back.
func (h *history) extraComesAndGoes(c *chance) {
	at := pick(c, busy1, busy2)
	d := destination{at.Namespace, at.Name, extraTarget}
	h.mu.Lock()
	_, known := h.targetGone[d]
	there := known && h.targetGone[d].IsZero()
	h.mu.Unlock()
	if there {
		h.note("%s is taken out", d)
		h.change(at, func(e *v1alpha1.NotificationEndpoint) {
			e.Spec.Receiver.DeliverTo = e.Spec.Receiver.DeliverTo[:len(e.Spec.Receiver.DeliverTo)-1]
		})
	} else {
		h.note("%s is there", d)
		h.change(at, func(e *v1alpha1.NotificationEndpoint) {
			e.Spec.Receiver.DeliverTo = append(e.Spec.Receiver.DeliverTo, targetOf(at, extraTarget))
		})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if there {
		h.targetGone[d] = time.Now()
	} else {
		h.targetGone[d] = time.Time{}
	}
}

func (h *history) redrives(c *chance) {
	p := h.running()
	if p == nil {
		return
	}
	at := pick(c, busy1, busy2, quiet)
	which := queue.Selection{Endpoint: queue.Endpoint{Namespace: at.Namespace, Name: at.Name}}
	letters := p.store.DeadLetters(which, queue.Letter{}, 10_000)
	if len(letters) == 0 {
		return
	}
	h.note("%d dead letters of %s are redriven", len(letters), at)
	h.mu.Lock()
	for _, i := range letters {
		if n := h.byID[stamp{h.era, i.ID}]; n != nil {
			l := n.at(destination{at.Namespace, at.Name, i.Target})
			l.allowed[redriven]++
			l.redrivenAt, l.deadAt = time.Now(), time.Time{}
		}
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.live, 30*time.Second)
	defer cancel()
	if c.one(2) {
		h.change(at, func(e *v1alpha1.NotificationEndpoint) {
			e.Generation--
			e.Annotations = map[string]string{v1alpha1.AnnotationRedrive: time.Now().Format(time.RFC3339Nano)}
		})
		return
	}
	if _, err := p.writer.Redrive(ctx, which); err != nil {
		h.note("the redrive fails: %v", err)
	}
}

func (h *history) discards(c *chance) {
	p := h.running()
	if p == nil {
		return
	}
	at := pick(c, busy1, busy2, quiet)
	which := queue.Selection{Endpoint: queue.Endpoint{Namespace: at.Namespace, Name: at.Name}}
	h.mu.Lock()
	h.discarding++
	h.noteLocked("the dead letters of %s are discarded", at)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.live, 30*time.Second)
	defer cancel()
	n, err := p.writer.Discard(ctx, which)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.discarding--
	h.discardedAt = time.Now()
	h.noteLocked("%d dead letters are discarded: %v", n, err)
}

func (h *history) raisesMaxAge() {
	h.mu.Lock()
	h.maxAges[busy1] += 20 * time.Minute
	maxAge := h.maxAges[busy1]
	h.maxAgeRaisedAt = time.Now()
	h.mu.Unlock()
	h.note("maxAge of %s is raised to %s", busy1, maxAge)
	h.change(busy1, func(e *v1alpha1.NotificationEndpoint) {
		e.Spec.Receiver.Verification.MaxAge = v1alpha1.Duration(maxAge.String())
	})
}

// makesAnew deletes an endpoint, and makes it again under its name.
func (h *history) makesAnew(c *chance) {
	at := pick(c, busy2, quiet)
	end := h.trouble("an endpoint is not there")
	is := h.api.endpoint(at)
	h.note("%s is deleted", at)
	h.mu.Lock()
	h.endpointGone[at] = time.Now()
	h.mu.Unlock()
	h.api.remove(endpointsResource, types.NamespacedName{Namespace: at.Namespace, Name: at.Name})
	time.Sleep(c.between(time.Second, 5*time.Minute))
	again := is.DeepCopy()
	h.uids++
	again.UID = types.UID(again.Name + "-" + time.Now().Format(time.RFC3339))
	again.Status.Receiver, again.Status.Conditions = nil, nil
	h.api.put(endpointsResource, again)
	h.note("%s is made again", at)
	h.mu.Lock()
	delete(h.endpointGone, at)
	h.anewAt[at] = time.Now()
	h.mu.Unlock()
	end()
}

// engineFails has the store's engine not write its files, with a process that has to when it begins.
func (h *history) engineFails(c *chance) {
	i := (&ill{err: syscall.EIO, does: func(a act, name string) bool { return a == toWrite && isTable(name) }}).always()
	end := h.badDisk("the engine cannot write its files", i)
	h.kill(c, c.one(2))
	time.Sleep(35 * time.Second) // the next one has begun
	h.mu.Lock()
	p := h.process
	h.mu.Unlock()
	if i.met.Load() > 0 {
		select {
		case <-p.serving:
		case <-p.exited:
		case <-time.After(30 * time.Second):
			h.broken("process %d goes on for a minute though it cannot write its files", p.number)
		}
	}
	end()
}

// begunBadly has the first processes fail at some of the names that they make, once each. The volume is as new then.
func (h *history) begunBadly(c *chance) {
	skip := int64(c.below(8))
	i := &ill{err: syscall.EIO}
	i.does = func(a act, name string) bool { return a == toSyncName && i.seen.Add(1) > skip }
	end := h.badDisk("a name cannot be synced, once", i.upTo(1))
	h.graves.Go(func() {
		time.Sleep(time.Minute)
		end()
	})
}
