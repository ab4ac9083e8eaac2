// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// op is one operation on its way through the writer.
type op struct {
	// apply adds the operation to a group. It runs one at a time, with Store.mu held.
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
	content  []byte // of the batch, encoded
	ops      []*op
	items    []Item // to be announced
	bytes    int
	commit   uint64
	lastID   ID
	finishes bool
	began    time.Time
	took     time.Duration
	evicted  int
}

// do has an operation written and waits until it is durable. Only if the second result is true the caller may use the operation again.
// When ctx ends while the operation still waits for others, it is taken back, and nothing of it is written: whoever bounds how many call
// at a time bounds what is held here.
//
// Where nothing else is going on the caller writes by itself: to wake another goroutine, and to be woken by it, costs half as much
// as the disk. It then waits for the disk even if ctx ends before, but not for one that was slow the last time.
func (s *Store) do(ctx context.Context, o *op) (error, bool) {
	if err := s.failure(); err != nil {
		return err, true
	}
	alone, err := s.inbox.put(o)
	if err != nil {
		return err, true
	}
	if alone {
		if !s.writeAlone(o) {
			return s.failure(), false
		}
		return o.err, true
	}
	select {
	case <-o.done:
		return o.err, true
	case <-s.failed:
		return s.failure(), false
	case <-ctx.Done():
		return ctx.Err(), s.inbox.withdraw(o)
	}
}

// doForSure is do for what must not be left in doubt: what is being written when ctx ends is waited for.
func (s *Store) doForSure(ctx context.Context, o *op) error {
	err, known := s.do(ctx, o)
	if known || s.failure() != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-s.failed:
		return s.failure()
	}
}

// writeAlone writes an operation in its caller's goroutine, unless the store fails.
func (s *Store) writeAlone(o *op) bool {
	g := s.apply([]*op{o})
	written := g != nil && s.commit(g)
	s.inbox.end(g)
	if written {
		<-o.done // it is there
	}
	return written
}

// write is the writer: it makes groups of what waits and hands them on, one after the other.
func (s *Store) write() {
	defer close(s.groups)
	for {
		ops := s.inbox.take(s.repairIfDamaged)
		if len(ops) == 0 {
			return
		}
		g := s.apply(ops)
		if g == nil {
			return
		}
		select {
		case s.groups <- g:
		case <-s.failed:
			return
		}
	}
}

// apply makes a group and gives it to the engine, in whose memory it is then: what is not in the log yet is nothing that anybody
// was told of. The result is nil if the store has failed.
func (s *Store) apply(ops []*op) *group {
	g := &group{batch: s.db.NewBatch(), ops: ops}
	s.build(g)
	s.o.Failpoint(FailBeforeCommit)
	if g.finishes {
		s.o.Failpoint(FailBeforeFinish)
	}
	g.began = s.o.Now()
	if g.commit == 0 {
		return g
	}
	g.content = g.batch.Repr() // of a large one the engine takes possession
	if err := s.db.Apply(g.batch, pebble.NoSync); err != nil {
		s.fail(fmt.Errorf("write: %w", err))
		return nil
	}
	return g
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
	s.writeFloors(g)
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

// acknowledge commits one group after the other, while the writer makes the next.
func (s *Store) acknowledge() {
	defer close(s.acknowledged)
	for g := range s.groups {
		if !s.commit(g) {
			return
		}
		s.inbox.end(g)
	}
}

// commit makes a group durable and answers its operations, unless the store has failed. Then nothing is answered any more, even if it needs no
// write: a duplicate is one of something that may not have come to the disk.
func (s *Store) commit(g *group) bool {
	if s.failure() != nil {
		return false
	}
	if g.commit != 0 {
		if err := s.wal.Append(g.commit, g.content); err != nil {
			s.fail(fmt.Errorf("write: %w", err))
			return false
		}
		g.took = s.o.Now().Sub(g.began)
		s.o.OnCommit(Commit{Operations: len(g.ops), Bytes: g.bytes, Took: g.took})
		s.o.Failpoint(FailAfterCommit)
		if err := s.mark.write(g.commit); err != nil {
			s.paced.Error(err, "cannot note what is on disk")
		}
		s.o.Failpoint(FailAfterMarkWrite)
	}
	_ = g.batch.Close() // it was applied, or is empty
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
	return true
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
