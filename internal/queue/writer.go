// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// maxGroupBytes and maxGroupOps bound what is written together. Half of a memtable would be written as a file of its own.
	maxGroupBytes = 640 << 10
	maxGroupOps   = 1024
)

// op is one operation on its way through the writer.
type op struct {
	// apply adds the operation to a group. It runs in the writer, with Store.mu held.
	apply func(s *Store, g *group, o *op)

	record   []byte     // put
	outcomes []Outcome  // finish
	dead     []deadItem // redrive, discard
	stubs    []entryKey // sweep
	states   []state    // set states

	result PutResult
	ended  []Item // discard
	n      int
	err    error
	done   chan struct{}
}

func (o *op) bytes() int {
	n := len(o.record) + 64
	for i := range o.states {
		n += len(o.states[i].name) + len(o.states[i].value)
	}
	return n
}

// group is what is written together.
type group struct {
	batch    *pebble.Batch
	ops      []*op
	items    []Item // to be announced
	bytes    int
	commit   uint64
	lastID   ID
	finishes bool
	began    time.Time
	evicted  int
}

// inbox holds the operations that wait for the writer.
type inbox struct {
	mu     sync.Mutex
	ops    []*op
	closed bool
	wake   chan struct{}
}

func (i *inbox) put(o *op) error {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return ErrClosed
	}
	i.ops = append(i.ops, o)
	first := len(i.ops) == 1
	i.mu.Unlock()
	if first {
		i.poke()
	}
	return nil
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

// take waits for operations and moves as many as one group may have into ops. There are none only after close. When poked it
// calls poked first.
func (i *inbox) take(ops []*op, poked func()) []*op {
	for {
		poked()
		i.mu.Lock()
		if len(i.ops) > 0 {
			n, bytes := 0, 0
			for n < len(i.ops) && n < maxGroupOps && (n == 0 || bytes+i.ops[n].bytes() <= maxGroupBytes) {
				bytes += i.ops[n].bytes()
				n++
			}
			ops = append(ops, i.ops[:n]...)
			left := copy(i.ops, i.ops[n:])
			clear(i.ops[left:])
			i.ops = i.ops[:left]
			i.mu.Unlock()
			return ops
		}
		closed := i.closed
		i.mu.Unlock()
		if closed {
			return ops
		}
		<-i.wake
	}
}

// do hands an operation to the writer and waits until it is durable. Only if the second result is true the caller may
// use the operation again.
func (s *Store) do(ctx context.Context, o *op) (error, bool) {
	if err := s.failure(); err != nil {
		return err, true
	}
	if err := s.inbox.put(o); err != nil {
		return err, true
	}
	select {
	case <-o.done:
		return o.err, true
	case <-s.failed:
		return s.failure(), false
	case <-ctx.Done():
		return ctx.Err(), false
	}
}

// write is the writer: it makes groups of what waits and hands them to the engine, one after the other.
func (s *Store) write() {
	defer close(s.groups)
	for {
		g := &group{batch: s.db.NewBatch()}
		g.ops = s.inbox.take(g.ops, s.repairIfDamaged)
		if len(g.ops) == 0 {
			_ = g.batch.Close() // nothing was in it
			return
		}
		s.build(g)
		s.o.Failpoint(FailBeforeCommit)
		if g.finishes {
			s.o.Failpoint(FailBeforeFinish)
		}
		g.began = s.o.Now()
		if g.commit != 0 {
			if err := s.db.ApplyNoSyncWait(g.batch, pebble.Sync); err != nil {
				s.fail(fmt.Errorf("write: %w", err))
				return
			}
		}
		select {
		case s.groups <- g:
		case <-s.failed:
			return
		}
	}
}

// build applies the operations of a group to what is known in memory, and fills its batch.
func (s *Store) build(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range g.ops {
		o.apply(s, g, o)
	}
	g.lastID = s.ledger.nextID - 1
	if g.batch.Empty() {
		return
	}
	g.bytes = g.batch.Len()
	s.writeLink(g)
	g.commit = s.ledger.commit
}

// writeLink ends a batch with what the store then holds. It lies beside what was accepted last: one fixed place would make all of
// the engine's files overlap, and have it rewrite every body once more.
func (s *Store) writeLink(g *group) {
	s.ledger.commit++
	id := s.ledger.nextID - 1
	if id != s.linkID {
		s.stubs.add(id, 0)
		s.linkID = id
	}
	key, link := keyOf(id, kindLink), s.ledger.encode()
	s.set(g, key[:], link[:])
}

// acknowledge waits for one group after the other to be durable, and answers its operations.
func (s *Store) acknowledge() {
	defer close(s.acknowledged)
	for g := range s.groups {
		if g.commit != 0 {
			if err := g.batch.SyncWait(); err != nil {
				s.fail(fmt.Errorf("sync: %w", err))
				return
			}
			s.o.OnCommit(Commit{Operations: len(g.ops), Bytes: g.bytes, Took: s.o.Now().Sub(g.began)})
			s.o.Failpoint(FailAfterCommit)
			if err := s.mark.write(g.commit); err != nil {
				s.log.Error(err, "cannot note what is on disk")
			}
			s.o.Failpoint(FailAfterMarkWrite)
			_ = g.batch.Close() // it was applied
		}
		s.durable.Store(uint64(g.lastID))
		for _, i := range g.items {
			s.o.OnItem(i)
		}
		s.o.Failpoint(FailAfterAnnounce)
		for _, o := range g.ops {
			o.done <- struct{}{}
		}
		if g.evicted > 0 {
			s.log.Info("discarded the oldest dead letters to make room", "count", g.evicted)
		}
	}
}

// set adds a key to a group's batch.
func (s *Store) set(g *group, key, value []byte) {
	d := g.batch.SetDeferred(len(key), len(value))
	copy(d.Key, key)
	copy(d.Value, value)
	s.must(d.Finish())
}

func (s *Store) remove(g *group, key entryKey) {
	d := g.batch.DeleteDeferred(len(key))
	copy(d.Key, key[:])
	s.must(d.Finish())
}

// must holds for what fails only by a mistake in this package: filling a batch.
func (s *Store) must(err error) {
	if err != nil {
		panic(err)
	}
}
