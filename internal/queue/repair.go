// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// noteDamage has the writer look for damage and cut it out before it goes on.
func (s *Store) noteDamage() {
	if !s.damageSeen.Swap(true) {
		s.inbox.poke()
	}
}

// repairIfDamaged runs in the writer, between two groups. What it could not help with it leaves alone for a while.
func (s *Store) repairIfDamaged() {
	if !s.damageSeen.Load() || s.o.Now().Before(s.repairAfter) {
		return
	}
	s.damageSeen.Store(false)
	if !s.repair() {
		s.repairAfter = s.o.Now().Add(time.Minute)
	}
}

// cutOut replaces each damaged file by one with what can still be read of its range. Left in, it would make every compaction that
// meets it fail. The engine could cut out the gaps alone, but loses more than those where it cannot read up to their edges.
func (s *Store) cutOut(gaps []gap) error {
	s.o.Failpoint(FailBeforeRepair)
	// What is only in the engine's memory is on disk by the log, which knows nothing of what takes the place of a file.
	if err := s.flush(); err != nil {
		return err
	}
	for _, file := range damagedFiles(gaps) {
		if err := s.rewrite(file); err != nil {
			return fmt.Errorf("cut out what is damaged between the keys %x and %x: %w", file.start, file.end, err)
		}
	}
	return nil
}

// damagedFiles joins the ranges of damaged files that overlap.
func damagedFiles(gaps []gap) []span {
	var files []span
	for _, g := range gaps {
		files = append(files, span{start: minKey(g.start, g.file.start), end: maxKey(g.end, g.file.end)})
	}
	slices.SortFunc(files, func(a, b span) int { return bytes.Compare(a.start, b.start) })
	joined := files[:0]
	for _, f := range files {
		if n := len(joined); n > 0 && bytes.Compare(f.start, joined[n-1].end) < 0 {
			joined[n-1].end = maxKey(joined[n-1].end, f.end)
			continue
		}
		joined = append(joined, f)
	}
	return joined
}

func maxKey(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		return a
	}
	return b
}

// rewrite puts what can be read of a range into a new file and has it take the place of all that was there, in one step.
func (s *Store) rewrite(within span) error {
	path := s.o.FS.PathJoin(s.o.Dir, repairFile)
	f, err := s.o.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { _ = s.o.FS.Remove(path) }() // unless the engine has taken it
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), s.engineOptions.MakeWriterOptions(0, s.db.TableFormat()))
	n := 0
	_, err = scanAll(s.db, within, func(key, value []byte) error {
		n++
		return w.Set(key, value)
	})
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	keys := pebble.KeyRange{Start: within.start, End: within.end}
	if n == 0 {
		return s.db.Excise(context.Background(), keys)
	}
	_, err = s.db.IngestAndExcise(context.Background(), []string{path}, nil, nil, keys)
	return err
}

// repairAtStart cuts out what load could not read, reports it, and has the link say what is left.
func (s *Store) repairAtStart(gaps []gap, bad []badEntry, missing int) error {
	if err := s.cutOut(gaps); err != nil {
		return s.openError(err)
	}
	left := ledger{}
	again, err := scanAll(s.db, everything(), entries(func(id ID, k kind, _ []byte) error {
		left.count(id, k)
		return nil
	}))
	if err != nil || len(again) > 0 || left.entries != s.ledger.entries || left.sum != s.ledger.sum {
		return s.lossError("something was lost on cutting out what is damaged")
	}
	s.damageSeen.Store(false) // by the looks at it so far
	for _, g := range gaps {
		s.reportGap(g)
	}
	if missing > 0 {
		s.damaged += missing
		s.log.Error(nil, "the queue's store has lost something", "entries", missing)
	}
	g := &group{batch: s.db.NewBatch()}
	for _, b := range bad {
		s.damaged++
		s.log.Error(b.err, "an entry of the queue's store is damaged", "notification", b.id)
		s.o.OnDamaged(b.id, fmt.Errorf("notification %d: %w: %w", b.id, ErrDamaged, b.err))
		s.remove(g, keyOf(b.id, b.k))
		if b.k != kindLink {
			s.ledger.remove(b.id, b.k)
		}
		if e := s.index.entries[b.id]; e != nil && b.k == kindState {
			e.stored = false
		}
	}
	return s.writePastLog(g)
}

func (s *Store) reportGap(g gap) {
	first, _, ok := splitKey(g.start)
	what := fmt.Sprintf("notifications from %d", first)
	if last, _, ends := splitKey(g.end); ends {
		what += fmt.Sprintf(" to %d", last)
	}
	if !ok {
		what = "states"
	}
	err := fmt.Errorf("%s: %w: %w", what, ErrDamaged, g.err)
	s.damaged++
	s.log.Error(err, "a part of the queue's store is damaged; what was in it is lost")
	s.o.OnDamaged(0, err)
}

// writePastLog adds the link to a group and writes it past the log, in which groups that were made before may still be missing.
func (s *Store) writePastLog(g *group) error {
	s.writeLink(g)
	if err := s.db.Apply(g.batch, pebble.NoSync); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := s.flush(); err != nil {
		return err
	}
	return g.batch.Close()
}

// repair cuts out what cannot be read any more, and reports each unfinished notification that was in it; those stay until they
// are finished, as damaged. It tells whether there was something and it is gone.
func (s *Store) repair() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repairs++
	var lost []gap
	g := &group{batch: s.db.NewBatch()}
	for range 10 {
		is := ledger{commit: s.ledger.commit, nextID: s.ledger.nextID}
		states := map[ID]bool{}
		gaps, err := scanAll(s.db, everything(), entries(func(id ID, k kind, _ []byte) error {
			is.count(id, k)
			if k == kindState {
				states[id] = true
			}
			return nil
		}))
		if err == nil {
			err = s.cutOut(gaps)
		}
		if err != nil {
			s.log.Error(err, "cannot cut out what is damaged in the queue's store")
			return false
		}
		if lost = append(lost, gaps...); len(gaps) > 0 {
			continue
		}
		s.damageSeen.Store(false) // the looks at it above were noted too
		s.ledger = is
		s.loseEntries(g, lost, states)
		if err := s.writePastLog(g); err != nil {
			s.fail(err)
		}
		return len(lost) > 0
	}
	s.log.Error(nil, "the queue's store is damaged again and again")
	return false
}

// loseEntries marks the unfinished notifications in gaps. The one in which a gap begins may have lost its state alone.
func (s *Store) loseEntries(g *group, gaps []gap, states map[ID]bool) {
	for _, gap := range gaps {
		s.reportGap(gap)
	}
	for id, e := range s.index.entries {
		record := keyOf(id, kindRecord)
		inside := slices.ContainsFunc(gaps, func(g gap) bool {
			return bytes.Compare(record[:], g.start) >= 0 && bytes.Compare(record[:], g.end) < 0
		})
		switch {
		case e.lost:
		case inside:
			e.lost, e.stored = true, false
			s.damaged++
			s.o.OnDamaged(id, fmt.Errorf("notification %d: %w", id, ErrDamaged))
		case e.stored && !states[id]:
			e.stored = false
			s.writeState(g, e)
		}
	}
}
