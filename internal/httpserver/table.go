// SPDX-License-Identifier: Apache-2.0

package httpserver

import "sync"

// State is what a connection is at.
type State int

// The states.
const (
	// StateHeader is a stranger's connection of which the first header is not there yet.
	StateHeader State = iota
	// StateRequest is one with a request that nobody has said to be trusted, and that is perhaps not there to its end.
	StateRequest
	// StateIdle is a stranger's that waits for another request.
	StateIdle
	// StateProven is that of somebody who has brought a trusted request, and waits for another one, or to be trusted with it.
	StateProven
	// StateTrusted is one with a trusted request that is being answered.
	StateTrusted

	states = int(StateTrusted) + 1
)

// States are all of them.
func States() []State {
	return []State{StateHeader, StateRequest, StateIdle, StateProven, StateTrusted}
}

// String is the state as a metric's label.
func (s State) String() string {
	switch s {
	case StateHeader:
		return "header"
	case StateRequest:
		return "request"
	case StateIdle:
		return "idle"
	case StateProven:
		return "proven"
	case StateTrusted:
		return "trusted"
	default:
		return "unknown"
	}
}

// Stats tell how a Server's connections fare. The last three count since the start.
type Stats struct {
	// Open is how many there are in each State.
	Open [states]int
	// MadeRoom is how many were closed for others, by the State that they were in.
	MadeRoom [states]int64
	// TurnedAway is how many were closed as soon as they were accepted: all others had trusted requests.
	TurnedAway int64
	// LargeHeaders is how many were closed for a header that is larger than the limits.
	LargeHeaders int64
}

// table has a server's connections. What it does under its lock takes the same time for any number of them.
type table struct {
	limit int

	mu   sync.Mutex
	left sync.Cond // of mu: a connection was forgotten
	// strangers are in the order in which they were accepted; proven in that in which they became idle. Those
	// that are StateTrusted are in neither.
	strangers, proven list
	closing           int // are cut, and not forgotten: net/http still holds what they took
	stats             Stats
}

func newTable(limit int) *table {
	t := &table{limit: limit}
	t.left.L = &t.mu
	return t
}

// place is a connection's in the table, guarded by the table's lock.
type place struct {
	in         *list
	next, prev *conn
	state      State
	cut        bool // to make room, or by the handler
	forgotten  bool
}

// list has connections, the longest there first.
type list struct{ first, last *conn }

func (l *list) push(c *conn) {
	c.place.in, c.place.prev, c.place.next = l, l.last, nil
	if l.last == nil {
		l.first = c
	} else {
		l.last.place.next = c
	}
	l.last = c
}

func (t *table) unlist(c *conn) {
	p := &c.place
	if p.in == nil {
		return
	}
	if p.prev == nil {
		p.in.first = p.next
	} else {
		p.prev.place.next = p.next
	}
	if p.next == nil {
		p.in.last = p.prev
	} else {
		p.next.place.prev = p.prev
	}
	p.in, p.prev, p.next = nil, nil, nil
}

// slack is how many connections may be closing beyond those that are open. Their memory is still held, for as long as it takes their
// goroutines to notice.
func (t *table) slack() int {
	const share = 8
	return 1 + t.limit/share
}

// admit takes a connection in, if need be in the place of another one. It reports whether there was a place.
func (t *table) admit(c *conn) bool {
	t.mu.Lock()
	if t.open() < t.limit {
		defer t.mu.Unlock()
		t.add(c)
		return true
	}
	victim := t.oldest()
	if victim == nil {
		defer t.mu.Unlock()
		t.stats.TurnedAway++
		return false
	}
	t.stats.MadeRoom[victim.place.state]++
	t.markCut(victim)
	t.add(c)
	t.mu.Unlock()
	_ = victim.raw.Close() // what waits for it notices
	t.waitForClosing()
	return true
}

func (t *table) add(c *conn) {
	t.strangers.push(c)
	t.stats.Open[StateHeader]++
}

// waitForClosing waits until memory of connections that were cut is given back.
func (t *table) waitForClosing() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.closing > t.slack() {
		t.left.Wait()
	}
}

func (t *table) open() int {
	n := 0
	for _, of := range t.stats.Open {
		n += of
	}
	return n
}

// oldest is which connection makes room first: nil where all have trusted requests.
func (t *table) oldest() *conn {
	if t.strangers.first != nil {
		return t.strangers.first
	}
	return t.proven.first
}

// cut closes a connection under whoever uses it, unless its request has been trusted or answered meanwhile.
func (t *table) cut(c *conn) {
	t.mu.Lock()
	due := c.place.state == StateRequest && !c.place.cut && !c.place.forgotten
	if due {
		t.markCut(c)
	}
	t.mu.Unlock()
	if due {
		_ = c.raw.Close() // outside of the lock: it waits for who reads
	}
}

func (t *table) markCut(c *conn) {
	c.place.cut = true
	t.unlist(c)
	t.stats.Open[c.place.state]--
	t.closing++
}

// change moves a connection on to what is next. It does nothing for one that is closing.
func (t *table) change(c *conn, state State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &c.place
	if p.cut || p.forgotten {
		return
	}
	if state == StateTrusted {
		c.proven.Store(true)
	}
	if state == StateIdle && c.proven.Load() {
		state = StateProven
	}
	t.stats.Open[p.state]--
	t.stats.Open[state]++
	p.state = state
	switch {
	case state == StateTrusted:
		t.unlist(c)
	case c.proven.Load():
		t.unlist(c)
		t.proven.push(c)
	default: // a stranger has been one since it was accepted
	}
}

// forget is called once net/http has done with a connection, once or more often.
func (t *table) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &c.place
	if p.forgotten {
		return
	}
	p.forgotten = true
	if p.cut {
		t.closing--
	} else {
		t.unlist(c)
		t.stats.Open[p.state]--
	}
	t.left.Broadcast()
}

func (t *table) countLargeHeader() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.LargeHeaders++
}

func (t *table) read() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// empty reports whether net/http has done with all connections.
func (t *table) empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open()+t.closing == 0
}
