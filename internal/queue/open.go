// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

const lockEvery = 100 * time.Millisecond

// Open opens the store in a directory, or makes one if the directory is empty. While another process has it open, it waits. What
// is there but cannot be read is an error that says what to do, and is left as it is.
func Open(ctx context.Context, options Options) (*Store, error) {
	o := options.withDefaults()
	if err := files.MakeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("make the queue's directory: %w", err)
	}
	lock, err := waitForLock(ctx, o)
	if err != nil {
		return nil, err
	}
	s := newStore(o)
	opened := make(chan error, 1)
	go func() { opened <- s.open(lock) }() //nolint:contextcheck // what it does on the way must not stop halfway
	select {
	case err = <-opened:
	case <-s.failed:
		err = s.failedToOpen(opened)
	}
	if err != nil {
		return nil, err
	}
	s.start() //nolint:contextcheck // the store outlives ctx, and ends with Close
	return s, nil
}

// failedToOpen waits a moment for what is under way when the store fails. The engine may hang: only the end of the process releases
// everything then, the lock as well.
func (s *Store) failedToOpen(opened <-chan error) error {
	const moment = time.Second
	select {
	case err := <-opened:
		if err != nil {
			return err
		}
		return errors.Join(s.failure(), s.release())
	case <-time.After(moment):
		return s.failure()
	}
}

func waitForLock(ctx context.Context, o Options) (io.Closer, error) {
	path := o.FS.PathJoin(o.Dir, lockFile)
	for waiting := false; ; waiting = true {
		lock, err := o.FS.Lock(path)
		if err == nil {
			return lock, nil
		}
		if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !waiting {
			o.Logger.Info("waiting for another process to release the queue", "directory", o.Dir)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s, which another process holds: %w", path, ctx.Err())
		case <-time.After(lockEvery):
		}
	}
}

func newStore(o Options) *Store {
	paced := newPacedLog(o.Logger, o.Now)
	return &Store{
		o: o, log: o.Logger, paced: paced, health: &engineHealth{now: o.Now}, failed: make(chan struct{}), opened: o.Now(),
		index: newIndex(), linkID: noLink, stubs: stubBlocks{}, keys: newKeySet(o.MaxKeys), forgotten: map[string]int{},
		inbox: inbox{wake: make(chan struct{}, 1)},
		disk:  &diskGuard{fs: o.FS, dir: o.Dir, minimum: o.MinFreeBytes, now: o.Now, log: o.Logger, paced: paced},
	}
}

// open opens everything, or nothing. The lock is released with the rest.
func (s *Store) open(lock io.Closer) (err error) {
	s.lock = lock
	release := []io.Closer{lock}
	defer func() {
		if err == nil {
			return
		}
		for _, c := range slices.Backward(release) {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := checkFormat(s.o.FS, s.o.Dir, s.o.Failpoint); err != nil {
		return err
	}
	known, err := s.checkEngine()
	if err != nil {
		return err
	}
	if s.db, err = s.openEngine(false); err != nil {
		return err
	}
	release = append(release, s.db)
	if err := s.replay(known); err != nil {
		return err
	}
	s.o.Failpoint(FailAfterReplay)
	if err := s.load(known); err != nil {
		return err
	}
	s.o.Failpoint(FailAfterCreate)
	if s.wal, err = s.openLog(); err != nil {
		return err
	}
	release = append(release, s.wal)
	if s.mark, _, err = openMark(s.o.FS, s.o.FS.PathJoin(s.o.Dir, markFile)); err != nil {
		return err
	}
	release = append(release, s.mark)
	// Whoever made what is here may have ended before the names were on disk. Nothing is accepted before they are.
	if err := files.SyncDir(s.o.FS, s.o.Dir); err != nil {
		return err
	}
	s.disk.refill()
	s.durable.Store(uint64(s.ledger.nextID - 1))
	return nil
}

func (s *Store) engineDir() string { return s.o.FS.PathJoin(s.o.Dir, engineDir) }

func (s *Store) openEngine(readOnly bool) (*pebble.DB, error) {
	logger := &engineLogger{log: s.log, paced: s.paced, fatal: s.fail}
	fs := s.o.FS
	if !readOnly {
		s.guarded = s.disk.guard()
		fs = pacedFS{FS: s.guarded, health: s.health}
	}
	o := engineOptions(fs, logger, s.engineFlushed, s.health.compacted, s.noteDamage)
	o.ReadOnly = readOnly
	if s.o.tune != nil {
		s.o.tune(o)
	}
	s.engineOptions = o
	db, err := pebble.Open(s.engineDir(), o)
	return db, s.openError(err)
}

// openError says what can be done about a store that cannot be opened.
func (s *Store) openError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the queue's store in %s cannot be opened and was left as it is; if it is damaged, restore %s from a copy, or move it away to begin with an empty queue, which loses what was not yet delivered: %w",
		s.engineDir(), s.o.Dir, err)
}
