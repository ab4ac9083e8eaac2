// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxGroupBytes and maxGroupOps bound what is written together. Half of a memtable would be written as a file of its own.
	maxGroupBytes = 640 << 10
	maxGroupOps   = 1024
)

// inbox holds the operations that wait for the writer, and knows whose turn it is to write.
type inbox struct {
	mu       sync.Mutex
	ops      []*op
	closed   bool
	inFlight int  // groups that are being made or written
	alone    bool // the one in flight is its caller's
	awaited  bool // by the writer, which is to be told when it is written
	slow     bool // the disk was, the last time
	stuck    bool // the engine cannot write its files, and takes no more at some point
	wake     chan struct{}
}

// slowWrite is how long a write takes on a disk that may well hang. Nobody is to wait for it who cannot go away.
const slowWrite = 100 * time.Millisecond

// put leaves an operation to the writer; or, if nothing else is going on, to its caller, who has to call end when it is written.
func (i *inbox) put(o *op) (alone bool, err error) {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return false, ErrClosed
	}
	if i.inFlight == 0 && len(i.ops) == 0 && !i.awaited && !i.slow && !i.stuck {
		i.inFlight, i.alone = 1, true
		i.mu.Unlock()
		return true, nil
	}
	i.ops = append(i.ops, o)
	first := len(i.ops) == 1 && !i.alone
	i.mu.Unlock()
	if first {
		i.poke()
	}
	return false, nil
}

// withdraw takes back an operation that its caller gives up. It is false if the operation is being written, or was.
func (i *inbox) withdraw(o *op) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := slices.Index(i.ops, o)
	if at < 0 {
		return false
	}
	i.ops = slices.Delete(i.ops, at, at+1)
	return true
}

// setEngineFails leaves everything to the writer for as long as the engine cannot write its files: what is handed to it may wait for ever.
func (i *inbox) setEngineFails(fails bool) {
	i.mu.Lock()
	i.stuck = fails
	i.mu.Unlock()
}

// end takes note that a group is written, which took as long as it says if it was to.
func (i *inbox) end(g *group) {
	i.mu.Lock()
	i.inFlight--
	if g != nil && g.commit != 0 {
		i.slow = g.took > slowWrite
	}
	tell := i.alone && (i.awaited || len(i.ops) > 0)
	i.alone = false
	i.mu.Unlock()
	if tell {
		i.poke()
	}
}

func (i *inbox) close() {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.poke()
}

// poke has the writer look at what it is to do.
func (i *inbox) poke() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take waits for operations and takes as many as one group may have. There are none only after close. When poked it calls poked first.
func (i *inbox) take(poked func()) []*op {
	for {
		i.begin()
		poked()
		i.mu.Lock()
		if len(i.ops) > 0 {
			ops := i.group()
			i.mu.Unlock()
			return ops
		}
		i.inFlight--
		closed := i.closed
		i.mu.Unlock()
		if closed {
			return nil
		}
		<-i.wake
	}
}

// begin waits until no caller writes by itself, and keeps the next one from doing so.
func (i *inbox) begin() {
	for {
		i.mu.Lock()
		if !i.alone {
			i.inFlight++
			i.awaited = false
			i.mu.Unlock()
			return
		}
		i.awaited = true
		i.mu.Unlock()
		<-i.wake
	}
}

// group takes as many operations as a group may have.
func (i *inbox) group() []*op {
	n, bytes := 0, 0
	for n < len(i.ops) && n < maxGroupOps && (n == 0 || bytes+i.ops[n].bytes() <= maxGroupBytes) {
		bytes += i.ops[n].bytes()
		n++
	}
	ops := slices.Clone(i.ops[:n])
	left := copy(i.ops, i.ops[n:])
	clear(i.ops[left:])
	i.ops = i.ops[:left]
	return ops
}
