// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/wal"
)

// segmentBytes is the size of a segment of the log. Each time one is full the engine writes its memory to a file. With bodies that is
// shortly before it would do so by itself, since its memory holds what is in the log and a little more.
func segmentBytes(o *pebble.Options) int64 { return int64(o.MemTableSize) * 7 / 8 } //nolint:gosec // fits

func (s *Store) logDir() string { return s.o.FS.PathJoin(s.o.Dir, logDir) }

func (s *Store) openLog() (*wal.Log, error) {
	return wal.Open(wal.Options{
		FS: s.guarded, Dir: s.logDir(), SegmentBytes: segmentBytes(s.engineOptions),
		Flush: func() (<-chan struct{}, error) {
			s.o.Failpoint(FailBeforeFlush)
			return s.db.AsyncFlush()
		},
	})
}

// tail is the end of the log, which the engine does not have in its files yet.
type tail struct {
	from, last uint64 // numbers of writes; 0: none
}

// findTail looks for what the log holds that the engine does not. What the engine has in its files is all writes up to the one whose link
// is the last, so that the writes after it have to be in the log without a gap, up to the last one known to be on disk. If the engine's link cannot be
// read, those from the last gap on are taken: to do again what was done already, up to the same end, changes nothing.
func (s *Store) findTail(db *pebble.DB, known uint64) (tail, error) {
	link, err := readLink(db)
	unknown := pebble.IsCorruptionError(err) // a damaged block is cut out when the store is loaded
	if err != nil && !unknown {
		return tail{}, err
	}
	t, gap := tail{last: link.commit}, false
	err = wal.Read(s.o.FS, s.logDir(), link.commit, func(number uint64, _ []byte) error {
		if t.from == 0 || unknown && number != t.last+1 {
			t.from = number
		}
		gap = gap || number != t.last+1
		t.last = number
		return nil
	})
	switch {
	case err != nil || unknown:
	case gap:
		err = s.accept(fmt.Sprintf("of the writes from %d to %d some are gone", link.commit+1, t.last))
	case t.last < known:
		err = s.accept(fmt.Sprintf("of %d writes that were on disk, the last %d are gone", known, known-t.last))
	}
	return t, err
}

// accept is an error that says what was lost, or nothing but a line in the log if a person has accepted it.
func (s *Store) accept(lost string) error {
	if !s.o.Salvage {
		return s.lossError(lost)
	}
	s.log.Error(nil, "the queue's store has lost something, and is used all the same, as told", "lost", lost)
	return nil
}

// replay brings the end of the log into the engine's files.
func (s *Store) replay(known uint64) error {
	t, err := s.findTail(s.db, known)
	if err != nil || t.from == 0 {
		return err
	}
	err = wal.Read(s.o.FS, s.logDir(), t.from-1, func(_ uint64, data []byte) error {
		data = slices.Clone(data) // the engine may take possession
		batchrepr.SetSeqNum(data, 0)
		batch := s.db.NewBatch()
		if err := batch.SetRepr(data); err != nil {
			return errors.Join(err, batch.Close())
		}
		return errors.Join(s.db.Apply(batch, pebble.NoSync), batch.Close())
	})
	if err != nil {
		return err
	}
	return s.flush()
}
