// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/wal"
)

// Store is the embedded Queue.
type Store struct {
	o             Options
	log           logr.Logger
	paced         *pacedLog // for what may happen many times
	health        *engineHealth
	db            *pebble.DB
	engineOptions *pebble.Options
	lock          io.Closer
	wal           *wal.Log
	mark          *mark
	disk          *diskGuard
	guarded       vfs.FS    // by disk
	opened        time.Time // see keyTime

	inbox        inbox
	groups       chan *group
	ops          sync.Pool
	acknowledged chan struct{}
	durable      atomic.Uint64 // all IDs up to this one
	damageSeen   atomic.Bool
	repairAfter  time.Time // used by the writer alone

	stop     chan struct{}
	swept    chan struct{}
	closing  sync.Once
	closeErr error

	failing sync.Once
	failErr error
	failed  chan struct{}

	mu      sync.Mutex
	index   index
	keys    *keySet // has a lock of its own
	stubs   stubBlocks
	ledger  ledger
	linkID  ID // where the last link is
	repairs int
	evicted int
	// forgotten counts keys that were forgotten before they expired, by owner, since it was told of them.
	forgotten map[string]int
	damaged   int
	freed     int64 // bytes of notifications finished since the last compaction for room
}

var _ Queue = (*Store)(nil)

func (s *Store) start() {
	s.groups = make(chan *group, groupsInFlight)
	s.acknowledged = make(chan struct{})
	s.stop, s.swept = make(chan struct{}), make(chan struct{})
	s.ops.New = func() any { return &op{done: make(chan struct{}, 1)} }
	go s.write()
	go s.acknowledge()
	go s.sweep()
}

// Close implements Queue.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	close(s.stop)
	s.inbox.close()
	ended := make(chan error, 1)
	go func() {
		<-s.acknowledged
		<-s.swept
		if s.failure() == nil {
			ended <- s.release()
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-s.failed:
		// The engine may hang after a failure. Only the end of the process releases everything.
		return s.failure()
	}
}

func (s *Store) release() error {
	return errors.Join(s.db.Close(), s.wal.Close(), s.mark.Close(), s.lock.Close())
}

// fail makes the store refuse everything from now on.
func (s *Store) fail(err error) {
	s.failing.Do(func() {
		s.failErr = fmt.Errorf("%w: %w", ErrFailed, err)
		close(s.failed)
		s.log.Error(err, "the queue's store has failed; nothing is accepted until the process is started anew")
		s.o.OnFatal(s.failErr)
	})
}

func (s *Store) failure() error {
	select {
	case <-s.failed:
		return s.failErr
	default:
		return nil
	}
}

// keyTime is the time that deduplication keys expire by, in seconds: that of the clock, but never more than what has passed since the store
// was opened. A clock that is set ahead, and right again a moment later, must not have everything forgotten.
func (s *Store) keyTime() int64 {
	now := s.o.Now()
	return min(now.Unix(), s.opened.Add(now.Sub(s.opened)).Unix())
}

// Get implements Queue.
func (s *Store) Get(id ID) (*Record, error) {
	s.mu.Lock()
	e := s.index.entries[id]
	lost := e != nil && e.lost
	s.mu.Unlock()
	switch {
	case e == nil || uint64(id) > s.durable.Load():
		return nil, fmt.Errorf("notification %d: %w", id, ErrNotFound)
	case lost:
		return nil, fmt.Errorf("notification %d: %w", id, ErrDamaged)
	}
	key := keyOf(id, kindRecord)
	value, err := s.read(key[:])
	if err != nil {
		return nil, fmt.Errorf("notification %d: %w", id, err)
	}
	r, err := decodeRecord(value)
	if err != nil {
		return nil, fmt.Errorf("notification %d: %w: %w", id, ErrDamaged, err)
	}
	return r, nil
}

// read returns a copy of a value.
func (s *Store) read(key []byte) ([]byte, error) {
	if err := s.readable(); err != nil {
		return nil, err
	}
	value, closer, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, ErrNotFound
	case pebble.IsCorruptionError(err):
		s.noteDamage()
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return nil, err
	}
	value = slices.Clone(value)
	return value, closer.Close()
}

func (s *Store) readable() error {
	select {
	case <-s.stop:
		return ErrClosed
	default:
		return s.failure()
	}
}

// Items implements Queue.
func (s *Store) Items(yield func(Item) bool) {
	s.mu.Lock()
	ids := s.index.sortedIDs()
	s.mu.Unlock()
	durable := ID(s.durable.Load())
	var items []Item
	for _, id := range ids {
		if id > durable {
			return
		}
		items = s.itemsOf(id, items[:0])
		for _, i := range items {
			if !yield(i) {
				return
			}
		}
	}
}

// ItemsOf implements Queue.
func (s *Store) ItemsOf(id ID) []Item {
	if uint64(id) > s.durable.Load() {
		return nil
	}
	return s.itemsOf(id, nil)
}

func (s *Store) itemsOf(id ID, items []Item) []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.index.entries[id]
	if e == nil {
		return items
	}
	for i := range e.route.targets {
		if e.state(i).kind != targetDone {
			items = append(items, e.item(i))
		}
	}
	return items
}

// Stats implements Queue.
func (s *Store) Stats() Stats {
	disk := int64(0)
	if s.readable() == nil {
		disk = int64(s.db.Metrics().DiskSpaceUsage()) + s.wal.Bytes() //nolint:gosec // fits
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, forgotten := s.keys.counts()
	return Stats{
		Pending: s.index.pendingItems, Dead: s.index.deadItems, Notifications: len(s.index.entries), Counted: s.index.counted, Bytes: s.index.bytes,
		DiskBytes: disk, Keys: keys, OldestPending: s.index.oldestPending(),
		Damaged: s.damaged, ForgottenKeys: forgotten, EvictedDead: s.evicted,
	}
}
