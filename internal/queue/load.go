// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
)

// loader builds what is known in memory from the entries in order.
type loader struct {
	s    *Store
	now  int64
	is   ledger
	last ID
	open *entry // the record read last, to which a state may follow

	link   ledger // the last one
	linked bool
	bad    []badEntry
}

// badEntry is one that the engine could read and that makes no sense.
type badEntry struct {
	id  ID
	k   kind
	err error
}

// load reads the whole store, checks that everything is there that should be, and cuts out what cannot be read.
func (s *Store) load(known uint64) error {
	if err := s.loadFloors(); err != nil {
		return s.openError(err)
	}
	l := &loader{s: s, now: s.keyTime()}
	gaps, err := scanAll(s.db, everything(), entries(l.entry))
	if err != nil {
		return s.openError(err)
	}
	l.flush()
	link, found := l.link, l.linked
	whole := link.entries == l.is.entries && link.sum == l.is.sum && link.commit >= known
	if !whole && !s.o.Salvage && len(gaps) == 0 {
		return s.lossError(fmt.Sprintf("of %d entries there are %d", link.entries, l.is.entries))
	}
	s.ledger = l.is
	s.ledger.commit = max(link.commit, known)
	s.ledger.nextID = max(link.nextID, l.last+1, 1)
	if known > link.commit || !found && (l.is.entries > 0 || len(gaps) > 0) {
		// IDs that were given to what is lost are not to be used again.
		s.ledger.nextID += ID((max(known, link.commit) - link.commit + 1) * maxGroupOps)
	}
	if whole && len(gaps) == 0 && len(l.bad) == 0 {
		return nil
	}
	return s.repairAtStart(gaps, l.bad, int(link.entries)-int(l.is.entries)) //nolint:gosec // counts
}

func (l *loader) entry(id ID, k kind, value []byte) error {
	l.is.count(id, k)
	l.last = id
	var err error
	switch k {
	case kindRecord:
		l.flush()
		err = l.record(id, value)
	case kindState:
		err = l.state(id, value)
	case kindStub:
		err = l.stub(id, value)
	case kindLink:
		l.s.stubs.add(id, 0)
		l.s.linkID = id
		l.link, err = decodeLink(value)
		l.linked = err == nil
	default:
		return fmt.Errorf("kind %d of entry is unknown to this receiver", k)
	}
	if err != nil {
		if !errors.Is(err, errMalformed) && !errors.Is(err, errChecksum) {
			return err
		}
		l.bad = append(l.bad, badEntry{id: id, k: k, err: err})
	}
	return nil
}

func (l *loader) record(id ID, value []byte) error {
	h, err := decodeHead(value)
	if err != nil {
		return err
	}
	if l.open, err = l.s.index.newEntry(id, &h, len(value)); err != nil {
		return err
	}
	l.s.stubs.keep(id, h.keyExpires)
	if owner := l.open.route.owner; h.keyExpires > l.now && !l.s.keys.isForgotten(owner, id) {
		l.s.remember(owner, &h.key, id, h.keyExpires, l.now)
	}
	return nil
}

func (l *loader) state(id ID, value []byte) error {
	if l.open == nil || l.open.id != id {
		return fmt.Errorf("a state without a record: %w", errMalformed)
	}
	states, err := decodeStates(value, len(l.open.route.targets))
	if err != nil {
		return err
	}
	l.open.stored = true
	for i, t := range states {
		if t.kind != targetPending {
			l.open.set(i, t)
		}
	}
	return nil
}

func (l *loader) stub(id ID, value []byte) error {
	is, err := decodeStub(value)
	if err != nil {
		return err
	}
	l.s.stubs.add(id, is.expires)
	switch {
	case is.expires <= l.now:
	case l.s.keys.isForgotten(is.owner, id):
		l.s.stubs.forget(id)
	default:
		l.s.remember(is.owner, &is.key, id, is.expires, l.now)
	}
	return nil
}

// flush takes in the record read last, of which nothing more can follow.
func (l *loader) flush() {
	if l.open != nil && int(l.open.pending)+int(l.open.dead) > 0 {
		l.s.index.add(l.open)
	}
	l.open = nil
}
