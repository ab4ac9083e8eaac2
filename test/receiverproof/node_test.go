// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// supervise runs one process after the other, as the kubelet does, until the history is over.
func (h *history) supervise(c *chance) {
	for number := 1; ; number++ {
		p := h.newProcess(number)
		killed := make(chan struct{})
		h.mu.Lock()
		h.process, h.killed, h.serving = p, killed, false
		h.starts++
		h.noteLocked("process %d begins", number)
		h.mu.Unlock()
		starting := h.trouble("no process serves")
		go p.run()
		select {
		case <-p.serving:
			h.begins(p)
			starting()
			select {
			case <-p.exited:
			case <-killed:
			}
		case <-p.exited:
			starting()
		case <-killed:
			starting()
		}
		ending := h.trouble("no process runs")
		h.hasEnded(p, killed)
		h.graves.Go(p.bury)
		if h.isOver() {
			ending()
			return
		}
		time.Sleep(c.between(time.Second, 30*time.Second))
		ending()
	}
}

func (h *history) isOver() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// begins takes in what a process has found on its volume.
func (h *history) begins(p *process) {
	type found struct {
		item   queue.Item
		record *queue.Record
	}
	var all []found
	for i := range p.store.Items {
		if r, err := p.store.Get(i.ID); err == nil {
			all = append(all, found{i, r})
		} else {
			h.broken("process %d cannot read notification %d: %v", p.number, i.ID, err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = true
	if !h.clockIsRight() { // what has expired by it is not remembered
		for _, n := range h.notes {
			for _, l := range n.landed {
				l.allowed[begunWithWrongClock]++
			}
		}
	}
	h.noteLocked("process %d serves; %d deliveries are on its volume", p.number, len(all))
	if p.number > 1 {
		h.comeLocked(restarted)
		if h.api.isAway() {
			h.comeLocked(begunWithoutAPIServer)
		}
	}
	for _, f := range all {
		if n := h.noteOf(f.record.Body, "is on the volume"); n != nil {
			h.known(stamp{h.era, f.item.ID}, n)
			h.owe(n, stamp{h.era, f.item.ID}, f.record)
		}
	}
}

// noted is how long a process has at most between a target's answer and noting it, on a disk that is well.
const noted = 2 * time.Second

// hasEnded takes note of how a process ended, and of what it may not have noted of its deliveries.
func (h *history) hasEnded(p *process, killed <-chan struct{}) {
	p.die()
	how := "was killed"
	select {
	case <-killed:
	default:
		how = "has ended"
		if p.err != nil {
			how += ": " + p.err.Error()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = false
	h.ends++
	h.noteLocked("process %d %s", p.number, how)
	if strings.Contains(how, "cannot write its files") {
		h.comeLocked(cannotWrite)
	}
	clean := how == "has ended"
	if !clean {
		h.unclean = true
	}
	if p.err != nil && how != "was killed" {
		if errors.Is(p.err, queue.ErrDamaged) || h.diskBadFrom.IsZero() {
			h.brokenLocked("process %d has ended on a disk that is well: %v", p.number, p.err)
		}
	}
	if p.store != nil && (how == "has ended" || h.wasServing(p)) {
		h.evictions += p.store.Stats().EvictedDead
	}
	if clean && h.diskBadFrom.IsZero() {
		return
	}
	since := time.Now().Add(-noted)
	if bad := h.diskBadFrom.Add(-noted); !h.diskBadFrom.IsZero() && bad.Before(since) {
		since = bad
	}
	for _, n := range h.notes {
		for _, l := range n.landed {
			if k := len(l.works); k > 0 && l.works[k-1].by == p && !l.works[k-1].at.Before(since) {
				l.allowed[endedBeforeNoting]++
			}
		}
	}
}

func (h *history) wasServing(p *process) bool {
	select {
	case <-p.serving:
		return true
	default:
		return false
	}
}

// kill ends the process at this moment, whatever it is at. With power lost, what was not synced is there in part.
func (h *history) kill(c *chance, power bool) {
	h.mu.Lock()
	p, killed := h.process, h.killed
	waiting := false
	for _, n := range h.notes {
		waiting = waiting || !n.ackAt.IsZero() && n.ackBy == p && time.Since(n.ackAt) < time.Minute
	}
	under := h.underWay > 0
	h.mu.Unlock()
	select {
	case <-killed:
		return
	case <-p.exited:
		return
	default:
	}
	p.die()
	what := "the process is killed"
	if power {
		percent := pick(c, 0, 0, 50, 100)
		h.volume.losePower(percent, rand.New(rand.NewPCG(h.seed, uint64(c.below(1<<30)))))
		h.note("the node loses power; %d %% of what was not synced is left", percent)
		what = "the process goes with it"
	}
	h.note("%s", what)
	if waiting {
		h.come(endedAfterAnswer)
	}
	if power {
		h.come(powerLost)
	}
	if under {
		h.come(endedBeforeAnswer)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-killed:
	default:
		close(killed)
	}
}

// stop asks the process to end.
func (h *history) stop() {
	h.mu.Lock()
	p := h.process
	h.mu.Unlock()
	h.note("process %d is told to stop", p.number)
	end := h.trouble("a process stops")
	defer end()
	p.stop()
	select {
	case <-p.exited:
	case <-h.killed:
	case <-time.After(3 * time.Minute):
		h.broken("process %d has not ended 3 minutes after it was told to", p.number)
	}
}

// backsUp stops the process, and copies its volume before the next one begins.
func (h *history) backsUp() {
	h.stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.backup, h.backupAt = h.volume.copyOf(), time.Now()
	h.noteLocked("the volume is backed up")
}

// restores puts the backup in the place of the volume.
func (h *history) restores(c *chance) {
	h.mu.Lock()
	backup, at := h.backup, h.backupAt
	h.mu.Unlock()
	if backup == nil {
		return
	}
	h.kill(c, false)
	h.volume.mu.Lock()
	h.volume.mem = backup
	h.volume.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noteLocked("the volume is lost, and restored from the backup of %s", at.Sub(h.begun))
	h.backup = nil
	h.era++
	for _, n := range h.notes {
		lost := !n.ackAt.IsZero() && n.ackAt.After(at.Add(-noted))
		for _, l := range n.landed {
			if k := len(l.works); lost || k > 0 && l.works[k-1].at.After(at.Add(-noted)) {
				l.allowed[restored] += 2
			}
		}
		n.lost = n.lost || lost
	}
}
