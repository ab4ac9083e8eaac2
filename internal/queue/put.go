// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"fmt"
	"math"
)

// Put implements Queue.
func (s *Store) Put(ctx context.Context, r *Record) (PutResult, error) {
	if err := s.checkSize(r); err != nil {
		return PutResult{}, err
	}
	o := s.ops.Get().(*op) // nothing else is in the pool
	if n := encodedLen(r); cap(o.record) < n {
		o.record = make([]byte, 0, n)
	}
	o.record = appendRecord(o.record[:0], r)
	o.apply = applyPut
	err, whole := s.do(ctx, o)
	if !whole {
		return PutResult{}, err
	}
	result := o.result
	s.recycle(o)
	return result, err
}

func (s *Store) recycle(o *op) {
	const keep = 64 << 10
	record := o.record
	if cap(record) > keep {
		record = nil
	}
	*o = op{done: o.done, record: record}
	s.ops.Put(o)
}

func (s *Store) checkSize(r *Record) error {
	if len(r.Targets) > maxTargets {
		return fmt.Errorf("the notification is %w: %d targets, %d are possible", ErrTooLarge, len(r.Targets), maxTargets)
	}
	if n := int64(encodedLen(r)); n > min(s.o.MaxBytes, maxRecordBytes) {
		return fmt.Errorf("the notification is %w: %d bytes, %d are possible", ErrTooLarge, n, min(s.o.MaxBytes, maxRecordBytes))
	}
	return nil
}

// Known implements Queue.
func (s *Store) Known(key [32]byte) (known, durable bool) {
	if s.readable() != nil {
		return false, false
	}
	id, known := s.keys.has((*dedupKey)(key[:]), s.keyTime())
	return known, known && uint64(id) <= s.durable.Load()
}

// remember notes a deduplication key, and forgets as many others as there are too many.
func (s *Store) remember(owner []byte, key *dedupKey, id ID, expires, now int64) {
	for tooMany := s.keys.add(owner, key, id, expires); tooMany; {
		var one oneForgotten
		if one, tooMany = s.keys.forgetOne(now); one.early {
			s.noteForgotten(one)
		}
	}
}

func applyPut(s *Store, g *group, o *op) {
	h, err := decodeHead(o.record)
	if err != nil {
		o.err = fmt.Errorf("encode a notification: %w", err)
		return
	}
	now := s.keyTime()
	if _, known := s.keys.has(&h.key, now); known {
		o.result.Duplicate = true
		return
	}
	if !s.disk.room(len(o.record)) {
		o.err = ErrDiskFull
		return
	}
	e, err := s.index.newEntry(s.ledger.nextID, &h, len(o.record))
	if err != nil {
		o.err = fmt.Errorf("encode a notification: %w", err)
		return
	}
	if o.err = s.room(e); o.err != nil {
		s.index.forgetRoute(e.route)
		return
	}
	s.ledger.nextID++
	o.result.ID = e.id
	if h.keyExpires > now {
		s.remember(e.route.owner, &h.key, e.id, h.keyExpires, now)
	}
	if e.pending == 0 {
		s.writeStub(g, e, now)
		return
	}
	key := keyOf(e.id, kindRecord)
	s.set(g, key[:], o.record)
	s.ledger.add(e.id, kindRecord)
	s.index.add(e)
	s.stubs.keep(e.id, e.keyExpires)
	for i := range e.route.targets {
		g.items = append(g.items, e.item(i))
	}
}

const (
	// shareOfRest is how many times what is left of the limits one endpoint may hold. Whoever holds more has to wait until others, or its own
	// targets, have released something; so that there is always some room for one that holds little.
	shareOfRest = 4
	// As much as this an endpoint may hold in any case.
	minShareBytes         = 4 << 20
	minShareNotifications = 16
)

// room reports whether the limits leave any for a notification, and for one more of its endpoint.
func (s *Store) room(e *entry) error {
	if e.pending == 0 {
		return nil
	}
	bytes, notifications := s.o.MaxBytes-s.index.bytes-int64(e.size), s.o.MaxNotifications-s.index.counted-e.route.counts()
	if bytes < 0 || notifications < 0 {
		return ErrFull
	}
	holds := e.route.share
	if tooMuch(holds.bytes+int64(e.size), bytes, minShareBytes) || tooMuch(int64(holds.notifications+e.route.counts()), int64(notifications), minShareNotifications) {
		return ErrEndpointFull
	}
	return nil
}

// tooMuch reports whether what one endpoint holds is more than least, and more than its share of what is left.
func tooMuch(held, left, least int64) bool {
	return held > least && left < (held+shareOfRest-1)/shareOfRest // held > shareOfRest × left, which might overflow
}

// writeStub leaves the deduplication key of a notification that is done with.
func (s *Store) writeStub(g *group, e *entry, now int64) {
	if e.keyExpires <= now || e.keyExpires > math.MaxUint32 || s.keys.isForgotten(e.route.owner, e.id) {
		return
	}
	key, is := keyOf(e.id, kindStub), stub{key: e.key, expires: e.keyExpires, owner: e.route.owner}
	var room [stubFixed + 128]byte // enough for most names
	s.set(g, key[:], is.appendTo(room[:0]))
	s.ledger.add(e.id, kindStub)
	s.stubs.add(e.id, e.keyExpires)
}
