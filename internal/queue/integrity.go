// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

// checkEngine looks at the engine's files before it is opened for writing, which would remove files that a damaged manifest does
// not name, and returns the number of the last write known to be on disk.
func (s *Store) checkEngine() (known uint64, err error) {
	path := s.o.FS.PathJoin(s.o.Dir, markFile)
	marked, err := files.Exists(s.o.FS, path)
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", path, err)
	}
	for _, dir := range []string{s.engineDir(), s.logDir()} {
		if err := files.MakeDir(s.o.FS, dir); err != nil {
			return 0, fmt.Errorf("make a directory of the queue: %w", err)
		}
	}
	desc, err := pebble.Peek(s.engineDir(), s.o.FS)
	if err != nil {
		return 0, s.openError(err)
	}
	if !desc.Exists {
		if marked {
			return 0, s.openError(fmt.Errorf("there is %s, and no database in %s: %w", path, s.engineDir(), pebble.ErrDBDoesNotExist))
		}
		return 0, nil // a new store, or one whose making was interrupted
	}
	if marked {
		m, number, err := openMark(s.o.FS, path)
		if err != nil {
			return 0, err
		}
		known = number
		if err := m.file.Close(); err != nil {
			return 0, fmt.Errorf("close %s: %w", path, err)
		}
	}
	whole, err := s.checkManifest(desc.ManifestFilename)
	if err != nil || s.o.Salvage {
		return known, err
	}
	return known, s.checkReadOnly(known, whole)
}

// checkManifest tells whether the manifest can be read to its end. The engine would drop what comes after something unreadable.
func (s *Store) checkManifest(path string) (whole bool, err error) {
	f, err := s.o.FS.Open(path)
	if err != nil {
		return false, s.openError(err)
	}
	defer f.Close()
	r := record.NewReader(f, 0)
	for {
		edit, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, edit)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return true, nil
		case isInvalidRecord(err):
			return false, nil
		default:
			return false, fmt.Errorf("read %s: %w", path, err)
		}
	}
}

func isInvalidRecord(err error) bool {
	return errors.Is(err, record.ErrInvalidChunk) || errors.Is(err, record.ErrZeroedChunk) || errors.Is(err, record.ErrUnexpectedEOF)
}

// checkReadOnly opens the engine without changing anything and looks whether the last write known to be on disk is there. If the manifest
// is cut short, as a crash may leave it, everything must be there.
func (s *Store) checkReadOnly(known uint64, whole bool) error {
	db, err := s.openEngine(true)
	if err != nil {
		return err
	}
	_, err = s.findTail(db, known)
	if err == nil && !whole {
		err = s.checkEntries(db)
	}
	return errors.Join(err, db.Close())
}

// checkEntries holds what is there against what should be.
func (s *Store) checkEntries(db *pebble.DB) error {
	link, err := readLink(db)
	if err != nil && !pebble.IsCorruptionError(err) {
		return err
	}
	is := ledger{}
	gaps, err := scanAll(db, everything(), entries(func(id ID, k kind, _ []byte) error {
		is.count(id, k)
		return nil
	}))
	if err == nil && (len(gaps) > 0 || is.entries != link.entries || is.sum != link.sum) {
		err = s.lossError(fmt.Sprintf("the end of its manifest is unreadable, and of %d entries there are %d", link.entries, is.entries))
	}
	return err
}

func (s *Store) lossError(what string) error {
	return fmt.Errorf("the queue's store in %s has lost something: %s. It was left as it is: restore %s from a copy, or accept the loss by opening it once in salvage mode: %w",
		s.o.Dir, what, s.o.Dir, ErrDamaged)
}

// readLink finds the last link. Where there is none, or it makes no sense, nothing was written yet, as far as is known.
func readLink(db *pebble.DB) (l ledger, err error) {
	iter, err := db.NewIter(&pebble.IterOptions{UpperBound: topStart()})
	if err != nil {
		return ledger{}, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for valid := iter.Last(); valid; valid = iter.Prev() {
		if _, k, ok := splitKey(iter.Key()); !ok || k != kindLink {
			continue
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return ledger{}, err
		}
		l, _ = decodeLink(value)
		return l, nil
	}
	return ledger{}, iter.Error()
}
