// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"fmt"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// judgeDeath holds a dead letter against the reasons for which there may be one.
func (h *history) judgeDeath(n *note, d destination, l *landing, a *delivery.Attempt) {
	if a.Tried {
		switch {
		case l.refused || !l.passing.IsZero() && time.Since(l.passing) >= 5*time.Minute-time.Second:
			h.comeLocked(deadByRefusal)
		default:
			h.brokenLocked("%s became a dead letter of %s, which has not refused it: %s", n, d, a.Message)
		}
		return
	}
	begun := n.sent[0].at
	if l.redrivenAt.After(begun) {
		begun = l.redrivenAt
	}
	h.comeLocked(deadOfAge)
	if age := time.Since(begun); age < h.retryMaxAge && h.clockSetAt.IsZero() && !strings.Contains(a.Message, "removed") {
		h.brokenLocked("%s became a dead letter of %s of age, at %s: %s", n, d, age, a.Message)
	}
}

// judgeDiscard holds what is dropped against the reasons for which it may be.
func (h *history) judgeDiscard(n *note, d destination, _ *landing, a *delivery.Attempt) {
	switch {
	case a.Message == "discarded by hand":
		if h.discarding == 0 && time.Since(h.discardedAt) > time.Second {
			h.brokenLocked("%s was discarded by hand for %s, and nobody has", n, d)
		}
	case strings.Contains(a.Message, "the target was removed"):
		gone := h.targetGone[d]
		if gone.IsZero() || time.Since(gone) < 10*time.Minute-time.Second {
			h.brokenLocked("%s was discarded since %s was taken out %s ago", n, d, time.Since(gone))
		}
		h.comeLocked(targetRemoved)
	case strings.Contains(a.Message, "the endpoint was removed"):
		h.brokenLocked("%s was discarded since its endpoint was deleted, which was not 72 hours ago", n)
	case strings.Contains(a.Message, "budget of Kubernetes Events"):
		asked := 0
		for _, at := range h.eventsOf[n.endpoint] {
			if time.Since(at) < 25*15*time.Second {
				asked++
			}
		}
		const underWay = 16 // have taken of the budget, and not asked yet
		if asked < 25-underWay && h.clockSetAt.IsZero() {
			h.brokenLocked("%s has no Event for want of budget, of which %d were used", n, asked)
		}
		h.comeLocked(eventOverBudget)
	default:
		h.brokenLocked("%s was dropped for %s: %s", n, d, a.Message)
	}
}

// settlesWithin is how long everything may take to be delivered once the trouble is over: the pause after many attempts is 5 minutes, that
// of a lane 2, and what waits for a target that is not there is discarded 10 minutes after that was found out.
const settlesWithin = 25 * time.Minute

// quietens waits until nothing waits any more.
func (h *history) quietens() {
	for begun := time.Now(); ; time.Sleep(10 * time.Second) {
		p := h.running()
		if p != nil && p.store.Stats().Pending == 0 {
			h.come(settled)
			break
		}
		if time.Since(begun) < settlesWithin {
			continue
		}
		if p == nil {
			h.broken("no process serves %s after all trouble was over", settlesWithin)
			return
		}
		var waiting []string
		for i := range p.store.Items {
			if !i.Dead {
				waiting = append(waiting, fmt.Sprintf("%d for %s of %s", i.ID, i.Target, i.Endpoint))
			}
		}
		h.broken("%d deliveries wait %s after all trouble was over: %.5q", len(waiting), settlesWithin, waiting)
		return
	}
	time.Sleep(3 * time.Minute) // status follows
}

// judges holds what was answered with 200 against what the targets got, and what is still there.
func (h *history) judges() {
	p := h.running()
	if p == nil {
		return
	}
	there := map[destination]map[queue.ID]bool{}
	dead := map[destination]int{}
	for i := range p.store.Items {
		d := destination{i.Endpoint.Namespace, i.Endpoint.Name, i.Target}
		if there[d] == nil {
			there[d] = map[queue.ID]bool{}
		}
		there[d][i.ID] = true
		if i.Dead {
			dead[d]++
		}
	}
	h.judgesStatus(p, dead)
	evictions := p.store.Stats().EvictedDead
	h.mu.Lock()
	defer h.mu.Unlock()
	evictions += h.evictions
	dropped := map[destination]int{} // of what nobody knows the ID of
	for _, all := range h.unjudged {
		for _, a := range all {
			if a.Outcome == delivery.OutcomeDiscarded {
				dropped[destination{a.Endpoint.Namespace, a.Endpoint.Name, a.Target}]++
			}
		}
	}
	for _, n := range h.notes {
		h.judgesNote(n, there, dropped, &evictions)
	}
}

func (h *history) judgesNote(n *note, there map[destination]map[queue.ID]bool, dropped map[destination]int, evictions *int) {
	if len(n.due) == 0 && !n.ackAt.IsZero() {
		for _, target := range h.alwaysFor(n) {
			n.due[destination{n.endpoint.Namespace, n.endpoint.Name, target}] = stamp{}
		}
	}
	for d := range n.due {
		l := n.at(d)
		isThere := false
		for id := range n.ids {
			isThere = isThere || id.era == h.era && there[d][id.id]
		}
		if isThere {
			h.comeLocked(deadKept)
		}
		h.judgesTwice(n, d, l)
		if len(l.works) > 0 || isThere || l.excused != "" || n.ackAt.IsZero() || n.lost {
			continue
		}
		if _, known := n.anyID(); !known && dropped[d] > 0 {
			dropped[d]--
			continue
		}
		if l.died && *evictions > 0 {
			*evictions--
			h.comeLocked(evicted)
			continue
		}
		h.brokenLocked("LOST: %s was answered with 200 at %s, and %s does not have it, nor is it kept", n, n.ackAt.Sub(h.begun), d)
	}
}

// anyID is an ID of a note, if one is known.
func (n *note) anyID() (queue.ID, bool) {
	for id := range n.ids {
		return id.id, true
	}
	return 0, false
}

// judgesTwice holds how often a destination got a note against how often it may have.
func (h *history) judgesTwice(n *note, d destination, l *landing) {
	more := len(l.works) - 1
	if more <= 0 {
		return
	}
	h.twice += more
	if n.manyTimes {
		h.comeLocked(signedAnewWithout)
		return
	}
	if h.knobs.maxKeys < 1000 && n.endpoint != quiet {
		h.comeLocked(keysForgotten)
		return
	}
	for _, why := range []clause{answerLost, endedBeforeNoting, redriven, restored, begunWithWrongClock} {
		if more > 0 && l.allowed[why] > 0 {
			more -= l.allowed[why]
			h.comeLocked(why)
		}
	}
	if more > 0 {
		h.brokenLocked("TWICE: %s came to %s %d times, and nothing allows that", n, d, len(l.works))
	}
}

// judgesStatus holds status and metrics against what is in the store.
func (h *history) judgesStatus(p *process, dead map[destination]int) {
	for at := range h.specs {
		e := h.api.endpoint(at)
		if e == nil || e.Status.Receiver == nil {
			continue
		}
		for _, t := range e.Status.Receiver.Targets {
			d := destination{at.Namespace, at.Name, t.Name}
			if t.DeadLetters == nil || t.Waiting == nil {
				continue
			}
			if int(*t.DeadLetters) != dead[d] || *t.Waiting != 0 {
				h.broken("the status of %s has %d dead letters and %d that wait; there are %d and none", d, *t.DeadLetters, *t.Waiting, dead[d])
			}
			h.come(statusAgrees)
		}
	}
	stats := p.store.Stats()
	h.judgesMetrics(p, &stats)
}

func (h *history) judgesMetrics(p *process, stats *queue.Stats) {
	families, err := p.registry.Gather()
	if err != nil {
		h.broken("the metrics cannot be read: %v", err)
		return
	}
	for _, f := range families {
		var is, should float64
		for _, m := range f.GetMetric() {
			is += m.GetGauge().GetValue()
		}
		switch f.GetName() {
		case "cloudinary_receiver_queue_dead_letters":
			should = float64(stats.Dead)
		case "cloudinary_receiver_queue_bytes":
			should = float64(stats.Bytes)
		default:
			continue
		}
		if is != should {
			h.broken("the metric %s is %v, and should be %v", f.GetName(), is, should)
		}
		h.come(metricsAgree)
	}
}
