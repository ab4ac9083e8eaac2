// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"slices"
	"time"
	"unique"
)

// entry is what is known in memory of an unfinished notification.
type entry struct {
	id         ID
	prev, next *entry // in one of the two lists
	route      *route
	states     []targetState // by target; nil: all pending
	key        dedupKey
	keyExpires int64
	receivedAt int64
	orderKey   uint64
	size       uint32
	pending    uint16
	dead       uint16
	inDead     bool // which of the two lists
	stored     bool // whether there is a state on disk
	lost       bool // the record was damaged and is not on disk any more
}

// route is what many notifications have in common.
type route struct {
	endpoint  Endpoint
	eventType string
	targets   []string
	encoded   string
	owner     []byte // the endpoint, encoded
	users     int
	share     *share
}

// share is what the notifications of one endpoint with something pending take up. Those that are dead letters altogether have a bound
// of their own.
type share struct {
	routes        int // that have it
	notifications int // as MaxNotifications counts them
	bytes         int64
}

type targetKind uint8

const (
	targetPending targetKind = iota
	targetDone
	targetDead
	targetRedriven // pending again
)

type targetState struct {
	reason unique.Handle[string]
	kind   targetKind
}

func (e *entry) state(target int) targetState {
	if e.states == nil {
		return targetState{}
	}
	return e.states[target]
}

// set changes how a target stands, and keeps the counts.
func (e *entry) set(target int, to targetState) {
	if e.states == nil {
		e.states = make([]targetState, len(e.route.targets))
	}
	switch e.states[target].kind {
	case targetPending, targetRedriven:
		e.pending--
	case targetDead:
		e.dead--
	case targetDone:
	}
	switch to.kind {
	case targetPending, targetRedriven:
		e.pending++
	case targetDead:
		e.dead++
	case targetDone:
	}
	e.states[target] = to
}

func (e *entry) item(target int) Item {
	i := Item{
		ID: e.id, Endpoint: e.route.endpoint, Target: e.route.targets[target], EventType: e.route.eventType, OrderKey: e.orderKey,
		ReceivedAt: fromUnixNano(uint64(e.receivedAt)), Size: int(e.size), //nolint:gosec // as it was stored
	}
	switch s := e.state(target); s.kind {
	case targetDead:
		i.Dead, i.Reason = true, s.reason.Value()
	case targetRedriven:
		i.Redriven = true
	case targetPending, targetDone:
	}
	return i
}

// index holds all unfinished notifications: those with a pending target in order of ID, the others, which are dead letters
// altogether, in the order in which they died.
type index struct {
	entries      map[ID]*entry
	live         list
	dead         list
	routes       map[string]*route
	shares       map[Endpoint]*share
	pendingItems int
	deadItems    int
	counted      int // notifications, as MaxNotifications counts them
	deadCounted  int
	bytes        int64
	deadBytes    int64
}

type list struct {
	first, last *entry
	n           int
}

func (l *list) append(e *entry) { l.insertAfter(l.last, e) }

// insertAfter puts e behind at, or in front of all if at is nil.
func (l *list) insertAfter(at, e *entry) {
	e.prev, e.next = at, l.first
	if at != nil {
		e.next = at.next
		at.next = e
	} else {
		l.first = e
	}
	if e.next != nil {
		e.next.prev = e
	} else {
		l.last = e
	}
	l.n++
}

func (l *list) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
	l.n--
}

func newIndex() index {
	return index{entries: map[ID]*entry{}, routes: map[string]*route{}, shares: map[Endpoint]*share{}}
}

// newEntry makes an entry of a record that is not in the index yet.
func (x *index) newEntry(id ID, h *head, size int) (*entry, error) {
	rt := x.routes[string(h.route)]
	if rt == nil {
		var err error
		if rt, err = decodeRoute(h.route); err != nil {
			return nil, err
		}
		rt.encoded, rt.owner = string(h.route), bytes.Clone(ownerOf(h.route))
		if len(rt.targets) > 0 {
			x.addRoute(rt)
		}
	}
	return &entry{
		id: id, route: rt, key: h.key, keyExpires: h.keyExpires, receivedAt: h.receivedAt, orderKey: h.orderKey,
		size: uint32(size), pending: uint16(len(rt.targets)), //nolint:gosec // see maxRecordBytes and maxTargets
	}, nil
}

func (x *index) addRoute(rt *route) {
	x.routes[rt.encoded] = rt
	rt.share = x.shares[rt.endpoint]
	if rt.share == nil {
		rt.share = &share{}
		x.shares[rt.endpoint] = rt.share
	}
	rt.share.routes++
}

// forgetRoute drops a route that no entry has any more, or that newEntry added for one that was not kept.
func (x *index) forgetRoute(rt *route) {
	if rt.users > 0 || rt.share == nil {
		return
	}
	delete(x.routes, rt.encoded)
	if rt.share.routes--; rt.share.routes == 0 {
		delete(x.shares, rt.endpoint)
	}
}

// weigh counts an entry for its endpoint, or takes it off.
func (e *entry) weigh(sign int) {
	e.route.share.notifications += sign * e.route.counts()
	e.route.share.bytes += int64(sign) * int64(e.size)
}

// counts is how many times a notification counts, by the memory that it takes: once, and once more for each two targets beyond the first.
func (r *route) counts() int { return 1 + max(len(r.targets)-1, 0)/2 }

// weighDead counts an entry as a dead letter altogether, or no longer.
func (x *index) weighDead(e *entry, sign int) {
	x.deadBytes += int64(sign) * int64(e.size)
	x.deadCounted += sign * e.route.counts()
}

// add takes in an entry that comes after all others.
func (x *index) add(e *entry) {
	e.route.users++
	x.entries[e.id] = e
	x.bytes += int64(e.size)
	x.counted += e.route.counts()
	x.count(e, 1)
	if e.pending > 0 {
		x.live.append(e)
		e.weigh(1)
		return
	}
	x.dead.append(e)
	x.weighDead(e, 1)
	e.inDead = true
}

func (x *index) count(e *entry, sign int) {
	x.pendingItems += sign * int(e.pending)
	x.deadItems += sign * int(e.dead)
}

// remove takes out an entry, wherever it is.
func (x *index) remove(e *entry) {
	x.count(e, -1)
	x.leave(e)
	x.bytes -= int64(e.size)
	x.counted -= e.route.counts()
	delete(x.entries, e.id)
	e.route.users--
	x.forgetRoute(e.route)
}

func (x *index) leave(e *entry) {
	if e.inDead {
		x.dead.remove(e)
		x.weighDead(e, -1)
		return
	}
	x.live.remove(e)
	e.weigh(-1)
}

// set changes how a target of an entry stands. An entry with nothing pending any more belongs to the dead letters.
func (x *index) set(e *entry, target int, to targetState) {
	x.count(e, -1)
	e.set(target, to)
	x.count(e, 1)
	if e.pending == 0 && !e.inDead {
		x.live.remove(e)
		e.weigh(-1)
		x.dead.append(e)
		x.weighDead(e, 1)
		e.inDead = true
	}
}

// revive makes a dead letter pending again. The search for its place begins at hint, an entry with a lower ID or nil; the result
// is a hint for the next higher ID.
func (x *index) revive(e *entry, target int, hint *entry) *entry {
	x.count(e, -1)
	e.set(target, targetState{kind: targetRedriven})
	x.count(e, 1)
	if !e.inDead {
		return hint
	}
	x.dead.remove(e)
	x.weighDead(e, -1)
	e.inDead = false
	if hint == nil && x.live.first != nil && x.live.first.id < e.id {
		hint = x.live.first
	}
	for hint != nil && hint.next != nil && hint.next.id < e.id {
		hint = hint.next
	}
	x.live.insertAfter(hint, e)
	e.weigh(1)
	return e
}

// oldestPending is when the first pending notification was received.
func (x *index) oldestPending() time.Time {
	if x.live.first == nil {
		return time.Time{}
	}
	return fromUnixNano(uint64(x.live.first.receivedAt)) //nolint:gosec // as it was stored
}

func (x *index) sortedIDs() []ID {
	ids := make([]ID, 0, len(x.entries))
	for id := range x.entries {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
