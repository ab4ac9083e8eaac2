// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// note is one event at Cloudinary, and all that is known of what became of it. The history's lock guards it.
type note struct {
	number   int
	endpoint types.NamespacedName
	event    string
	asset    string // those of one asset are delivered in order; "": in any
	identity identity
	body     []byte

	sent      []*sending
	ackAt     time.Time // when it was answered with 200 first
	ackEra    int
	ackBy     *process
	ids       map[stamp]bool
	unseenAck bool // Cloudinary did not see the 200
	lost      bool // with the volume
	given     bool // to the store by somebody who was told that it was not
	manyTimes bool // it may be delivered any number of times
	landed    map[destination]*landing
	due       map[destination]stamp // who has to get it, and as which ID: what the routes said when it was stored
}

func (n *note) String() string { return fmt.Sprintf("n%d (%s to %s)", n.number, n.event, n.endpoint) }

// stamp is an ID in an era: a volume that is restored from a backup gives out the same IDs once more.
type stamp struct {
	era int
	id  queue.ID
}

// landing is what a destination got of a note.
type landing struct {
	arrivals   int
	works      []*work
	keys       map[string]bool
	allowed    map[clause]int // how often it may come again, and why
	deadAt     time.Time      // last; zero: it is no dead letter
	redrivenAt time.Time
	died       bool      // ever
	refused    bool      // by the target, for good
	passing    time.Time // when the target first answered as one that is rolled out does
	excused    string    // why it need not come
	excusedBy  *process
	event      bool
}

// work is a target's work for a note.
type work struct {
	at   time.Time
	by   *process
	seen bool // the receiver saw the answer, as far as is known
}

func (n *note) at(d destination) *landing {
	l := n.landed[d]
	if l == nil {
		l = &landing{keys: map[string]bool{}, allowed: map[clause]int{}}
		n.landed[d] = l
	}
	return l
}

func (h *history) register(n *note) {
	n.ids, n.landed, n.due = map[stamp]bool{}, map[destination]*landing{}, map[destination]stamp{}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, n)
	h.byBody[string(n.body)] = n
}

func (h *history) registerForged(body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forged[string(body)] = true
}

// noteOf finds a note by its body. What nobody signed is nowhere but in a stranger's requests.
func (h *history) noteOf(body []byte, where string) *note {
	n := h.byBody[string(body)]
	if n == nil {
		what := "something else than was sent"
		if h.forged[string(body)] {
			what = "a forged notification"
		}
		h.brokenLocked("%s %s: %.80s", what, where, body)
	}
	return n
}

// recorded is something that was sent before, at random.
func (h *history) recorded(c *chance) *sending {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sendings) == 0 {
		return nil
	}
	return h.sendings[c.below(len(h.sendings))]
}

func (h *history) sent(s *sending) {
	key := s.deduplicationKey()
	h.mu.Lock()
	defer h.mu.Unlock()
	s.at = time.Now()
	s.note.sent = append(s.note.sent, s)
	h.underWay++
	h.sendings = append(h.sendings, s)
	h.byKey[hex.EncodeToString(key[:])[:10]] = s.note
	if h.ambush != nil {
		close(h.ambush)
		h.ambush = nil
	}
	how := "with the timestamp that it had"
	if time.Since(s.signed) < time.Second {
		how = "signed now"
	}
	h.noteLocked("Cloudinary sends %s, try %d, %s, by key %s", s.note, s.try+1, how, s.key.id)
}

// unseen notes that Cloudinary did not see a 200.
func (n *note) unseen() { n.unseenAck = true }

// answered judges the answer to something that was signed rightly.
func (h *history) answered(s *sending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, r := s.note, &s.reply
	if !s.replay {
		h.underWay--
	}
	h.noteLocked("%s is answered %d %s%s after %s", n, r.code, r.stored, r.reason, r.took().Round(time.Millisecond))
	if r.code == http.StatusOK {
		h.took(s)
		return
	}
	if r.code != 0 && h.takesSince(r.begun) && !s.replay && s.slowly == 0 && h.roomFor(n) {
		h.brokenLocked("%s was answered %d %s though nothing was wrong", n, r.code, r.reason)
	}
	h.refusedWithCause(s)
}

// took judges a 200.
func (h *history) took(s *sending) {
	n, r := s.note, &s.reply
	switch id, err := strconv.ParseUint(r.stored, 10, 64); {
	case r.stored == notification.StoredBefore:
		h.comeLocked(ownAnswer)
		h.recognized(s)
	case err != nil || id == 0:
		h.brokenLocked("the 200 for %s does not say what is stored: %q", n, r.stored)
	default:
		h.comeLocked(ownAnswer)
		h.known(stamp{h.era, queue.ID(id)}, n)
	}
	if !h.keyCounts(s.key, r) {
		h.brokenLocked("%s was taken, signed with key %s, which does not count", n, s.key.id)
	}
	if age := h.leastAge(s.signed, r); age >= h.longestAge(n.endpoint, r)+2*time.Second {
		h.brokenLocked("%s was taken %s after it was signed", n, age)
	}
	if r.took() > 2*time.Second && s.slowly == 0 && h.takesSince(r.begun) {
		h.brokenLocked("%s was answered only after %s", n, r.took())
	}
	if n.ackAt.IsZero() {
		n.ackAt, n.ackEra, n.ackBy = time.Now(), h.era, h.process
		h.acknowledged++
		if s.try > 0 {
			h.comeLocked(takenByARetry)
		}
		if h.api.isAway() {
			h.comeLocked(takenWithoutAPIServer)
		}
	}
}

// recognized counts in which ways something was sent again.
func (h *history) recognized(s *sending) {
	n := s.note
	if n.unseenAck && !s.replay {
		h.comeLocked(sentAgain)
	}
	if n.ackAt.IsZero() {
		return
	}
	if n.ackBy != h.process {
		h.comeLocked(sentAgainAfterRestart)
	}
	if n.identity == hasIdentity && !s.signed.Equal(n.sent[0].signed) {
		h.comeLocked(signedAnew)
	}
	if anew := h.anewAt[n.endpoint]; n.ackAt.Before(anew) {
		h.comeLocked(endpointAnew)
	}
}

// refusedWithCause counts what kept something from being taken.
func (h *history) refusedWithCause(s *sending) {
	switch s.reply.reason {
	case "disk_full":
		h.comeLocked(diskFull)
	case "queue_full":
		h.comeLocked(queueFull)
		if s.note.endpoint == quiet && h.roomFor(s.note) {
			h.brokenLocked("%s was refused for want of room, which others have used up", s.note)
		}
	case "store_failed":
		if r := &s.reply; r.took() > 2*time.Second && s.slowly == 0 {
			h.brokenLocked("%s was told only after %s that it could not be stored", s.note, r.took())
		}
		for _, g := range h.hangs {
			if g.until.IsZero() && s.reply.begun.After(g.from) {
				h.comeLocked(diskHangs)
				s.hung = g
			}
		}
	case "stale":
		if s.replay && h.clockSetAt.IsZero() {
			h.comeLocked(staleRefused)
			if time.Since(s.signed) < h.maxAges[s.note.endpoint] {
				h.comeLocked(maxAgeRaised)
			}
		}
	}
}

// known notes which ID a note has.
func (h *history) known(id stamp, n *note) {
	if other := h.byID[id]; other != nil && other != n {
		h.brokenLocked("%s and %s were given one ID, %d", other, n, id.id)
	}
	h.byID[id] = n
	n.ids[id] = true
	for i := range h.unjudged[id] {
		h.judge(n, &h.unjudged[id][i])
	}
	delete(h.unjudged, id)
}

// stored is told by the receiver what it has stored.
func (h *history) stored(p *process, id queue.ID, record *queue.Record) {
	if p.mount.isDead() {
		return // it is stored nowhere
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.noteOf(record.Body, "was stored"); n != nil && h.process == p {
		h.known(stamp{h.era, id}, n)
		h.owe(n, stamp{h.era, id}, record)
	}
}

// owe notes whom a record is for.
func (h *history) owe(n *note, as stamp, record *queue.Record) {
	for _, target := range record.Targets {
		d := destination{record.Endpoint.Namespace, record.Endpoint.Name, target}
		if was := n.due[d]; was.id == 0 || was.era != as.era || as.id < was.id {
			n.due[d] = as
		}
		n.at(d)
	}
	for _, target := range h.alwaysFor(n) {
		if !slices.Contains(record.Targets, target) {
			h.brokenLocked("%s was stored without its target %s", n, target)
		}
	}
}

// arrival is a request at a target.
type arrival struct {
	h    *history
	note *note
	at   destination
	by   *process
}

func (h *history) arrives(p *process, at destination, body []byte, header http.Header) *arrival {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.noteOf(body, "came to "+at.String())
	if n == nil {
		return nil
	}
	if n.endpoint != (types.NamespacedName{Namespace: at.namespace, Name: at.endpoint}) {
		h.brokenLocked("%s came to %s", n, at)
	}
	l := n.at(at)
	l.arrivals++
	h.given(n)
	key := header.Get("Idempotency-Key")
	if l.arrivals > 1 && l.keys[key] {
		h.comeLocked(sameIdempotencyKey)
	}
	if l.keys[key] = true; len(l.keys) > 1 && n.identity == hasIdentity {
		h.brokenLocked("%s came to %s with two keys for idempotency", n, at)
	}
	return &arrival{h, n, at, p}
}

// works does a target's work. seen says that its answer is going to reach the receiver.
func (a *arrival) works(seen bool) *seenWork {
	h := a.h
	h.mu.Lock()
	defer h.mu.Unlock()
	l := a.note.at(a.at)
	w := &work{at: time.Now(), by: a.by, seen: seen}
	h.noteLocked("%s is done at %s", a.note, a.at)
	h.deliveries++
	if l.arrivals > 1 && len(l.works) == 0 {
		h.comeLocked(deliveredByARetry)
	}
	if !l.redrivenAt.IsZero() {
		h.comeLocked(redriven)
	}
	if len(l.works) == 0 {
		h.inOrder(a.note, a.at)
		h.inTime(a.note, a.at, l)
	}
	l.works = append(l.works, w)
	if !seen {
		l.allowed[answerLost]++
	}
	return &seenWork{h, l, w}
}

type seenWork struct {
	h *history
	l *landing
	w *work
}

// unheard notes that the answer did not reach the receiver after all.
func (s *seenWork) unheard() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if s.w.seen {
		s.w.seen = false
		s.l.allowed[answerLost]++
	}
}

// given counts what was stored although each time its sender was told in the middle of a hang that it was not.
func (h *history) given(n *note) {
	if n.given || len(n.sent) == 0 {
		return
	}
	for _, s := range n.sent {
		if s.hung == nil {
			return
		}
	}
	n.given = true
	g := n.sent[0].hung
	if g.given++; g.given > beingWritten {
		h.brokenLocked("%d notifications were stored of which their senders were told that they were not, while the disk hung", g.given)
	}
}

// beingWritten is how many notifications may be in what is being written when the disk begins to hang: two groups.
const beingWritten = 6

// roomFor reports whether the limits leave room for a note in any case. The others can fill a tight
// limit, since each may have some in any case.
func (h *history) roomFor(n *note) bool {
	return h.knobs.maxNotifications > 1000 || n.endpoint == quiet && h.knobs.maxNotifications > tightLimit
}

func (a *arrival) refused() {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	a.note.at(a.at).refused = true
}

// passes notes that the target answers as one that is rolled out.
func (a *arrival) passes() {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	if l := a.note.at(a.at); l.passing.IsZero() {
		l.passing = time.Now()
	}
}

// mayComeTwice notes that a note may be delivered any number of times: nothing tells it from one like it.
func (h *history) mayComeTwice(n *note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n.manyTimes = true
}

// inOrder holds what a destination gets first of a note against those about the same asset that were stored before.
func (h *history) inOrder(n *note, at destination) {
	if n.asset == "" {
		h.comeLocked(unordered)
		return
	}
	mine := n.due[at]
	if mine.id == 0 || mine.era != h.era {
		return
	}
	for _, other := range h.notes {
		if other == n || other.asset != n.asset || other.endpoint != n.endpoint {
			continue
		}
		its := other.due[at]
		l := other.at(at)
		switch {
		case its.id == 0 || its.era != h.era || its.id > mine.id:
		case len(l.works) == 0 && l.died:
			h.comeLocked(goesOnAfterADeadLetter)
		case len(l.works) == 0 && l.excused == "":
			h.brokenLocked("%s came to %s before %s, which is about the same asset and was stored before", n, at, other)
		default:
			h.comeLocked(orderKept)
		}
	}
}

// inTime holds when a destination gets a note first against when it has to.
func (h *history) inTime(n *note, at destination, l *landing) {
	if at.target == ordersTarget && n.endpoint == busy2 {
		h.comeLocked(sharedService)
	}
	if anew := h.anewAt[n.endpoint]; !n.ackAt.IsZero() && n.ackAt.Before(anew) {
		h.comeLocked(endpointAway)
	}
	for other := range n.due {
		if its := n.at(other); other != at && its.arrivals > 0 && len(its.works) == 0 {
			h.comeLocked(targetsDoNotWait)
		}
	}
	wellSince := h.targets[services[at.namespace+"/"+at.target]+":80"].isWellSince()
	if l.died || n.ackAt.IsZero() || wellSince.IsZero() || !h.calmSince(time.Now()) {
		return
	}
	took := time.Since(n.ackAt)
	switch {
	case n.ackAt.Before(wellSince) && h.calmSince(wellSince):
		h.comeLocked(deliveredAfterAPause)
		if took := time.Since(wellSince); took > longestPause {
			h.brokenLocked("%s came to %s only %s after that was well again", n, at, took)
		}
	case n.ackAt.Sub(wellSince) > 2*longestPause && n.ackAt.Sub(h.calmFrom) > longestPause: // nothing waits from before
		h.comeLocked(deliveredAtOnce)
		if h.oneHangs() {
			h.comeLocked(serviceHangs)
		}
		if took > 2*time.Second {
			h.brokenLocked("%s came to %s, which is well, only after %s", n, at, took)
		}
	}
}

// longestPause is the longest one between two attempts, and a little.
const longestPause = 5*time.Minute + 20*time.Second

// eventAsked is told of each time that the API server is asked to write an Event.
func (h *history) eventAsked(e *eventsv1.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.byKey[e.Name[strings.LastIndex(e.Name, ".")+1:]]; n != nil {
		h.eventsOf[n.endpoint] = append(h.eventsOf[n.endpoint], time.Now())
	}
}

// eventWritten is told of each Event that is new at the API server.
func (h *history) eventWritten(e *eventsv1.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.byKey[e.Name[strings.LastIndex(e.Name, ".")+1:]]
	if n == nil || e.Action != "Notify" {
		return
	}
	d := destination{n.endpoint.Namespace, n.endpoint.Name, eventTarget}
	l := n.at(d)
	l.event = true
	h.deliveries++
	h.comeLocked(eventWritten)
	l.works = append(l.works, &work{at: time.Now(), by: h.process, seen: true})
	if l.excused != "" && l.excusedBy == h.process && !n.manyTimes {
		h.brokenLocked("the Event of %s was written though it was %s", n, l.excused)
	}
}

// attemptEnded is told by the receiver of each attempt, and of what it gives up.
func (h *history) attemptEnded(p *process, a *delivery.Attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p != h.process || p.mount.isDead() {
		return
	}
	id := stamp{h.era, a.ID}
	n := h.byID[id]
	if n == nil { // nobody was told of it yet, or its sender was told that it could not be stored while it was being written
		h.unjudged[id] = append(h.unjudged[id], *a)
		return
	}
	h.judge(n, a)
}

// judge holds the end of a delivery against what is allowed.
func (h *history) judge(n *note, a *delivery.Attempt) {
	d := destination{a.Endpoint.Namespace, a.Endpoint.Name, a.Target}
	switch l := n.at(d); a.Outcome {
	case delivery.OutcomeDead:
		h.noteLocked("%s is a dead letter of %s: %s", n, d, a.Message)
		h.judgeDeath(n, d, l, a)
		l.deadAt, l.died = time.Now(), true
	case delivery.OutcomeDiscarded:
		h.noteLocked("%s is discarded for %s: %s", n, d, a.Message)
		h.judgeDiscard(n, d, l, a)
		l.excused, l.excusedBy, l.deadAt = a.Message, h.process, time.Time{}
	case delivery.OutcomeDelivered, delivery.OutcomeRetried:
	}
}
