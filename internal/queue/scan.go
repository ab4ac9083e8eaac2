// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// span is a range of keys, the end not included.
type span struct{ start, end []byte }

func everything() span {
	start := keyOf(0, 0)
	return span{start: start[:], end: topKey(0xff, "")}
}

// gap is a part of the store that cannot be read.
type gap struct {
	span

	file span // the range of the damaged file
	err  error
}

// scanAll calls f for everything in a span that can be read, in order, and returns the gaps.
func scanAll(db *pebble.DB, within span, f func(key, value []byte) error) ([]gap, error) {
	var gaps []gap
	for from := within.start; bytes.Compare(from, within.end) < 0; {
		last, err := scan(db, span{from, within.end}, f)
		if err == nil {
			break
		}
		if !pebble.IsCorruptionError(err) {
			return gaps, err
		}
		if last != nil {
			from = append(last, 0)
		}
		g := gap{file: damagedFile(err, span{from, within.end}), err: err}
		if bytes.Compare(g.file.start, from) > 0 {
			// The engine opens a file before it comes to it. What precedes it can be read by itself.
			more, err := scanAll(db, span{from, g.file.start}, f)
			if gaps = append(gaps, more...); err != nil {
				return gaps, err
			}
			from = g.file.start
		}
		g.start = bytes.Clone(from)
		if g.end, err = resume(db, from, minKey(g.file.end, within.end)); err != nil {
			return gaps, err
		}
		gaps = append(gaps, g)
		from = g.end
	}
	return gaps, nil
}

// scan reads a span up to its end, or something that cannot be read, and returns the last key read.
func scan(db *pebble.DB, within span, f func(key, value []byte) error) (last []byte, err error) {
	iter, err := db.NewIter(&pebble.IterOptions{LowerBound: within.start, UpperBound: within.end})
	if err != nil {
		return nil, err
	}
	defer func() {
		// What Close says was said by Error before, or comes of it.
		if closeErr := iter.Close(); err == nil {
			err = closeErr
		}
	}()
	for valid := iter.First(); valid; valid = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return last, err
		}
		if err := f(iter.Key(), value); err != nil {
			return last, err
		}
		last = append(last[:0], iter.Key()...)
	}
	return last, iter.Error()
}

// damagedFile is the range of keys of the file that an error is about, or what remains of a span if it does not say.
func damagedFile(err error, remains span) span {
	info := pebble.ExtractDataCorruptionInfo(err)
	if info == nil || info.Bounds.Start == nil {
		return remains
	}
	file := span{start: bytes.Clone(info.Bounds.Start), end: append(bytes.Clone(info.Bounds.End.Key), 0)}
	if bytes.Compare(file.end, remains.start) <= 0 || bytes.Compare(file.start, remains.end) >= 0 {
		return remains
	}
	return file
}

// resume finds an ID from which on something can be read again, or what comes after all IDs, or the limit, where the damaged
// file ends. It looks in growing steps, then between the last two, since each look at a damaged block takes the engine milliseconds.
// What lies between two damaged blocks close to each other may be given up with them.
func resume(db *pebble.DB, from, limit []byte) ([]byte, error) {
	first, _, ok := splitKey(from)
	if !ok {
		return limit, nil
	}
	end := limit
	if bytes.Compare(topStart(), limit) < 0 {
		ok, err := readable(db, span{topStart(), limit})
		if err != nil {
			return nil, err
		}
		if ok {
			end = topStart()
		}
	}
	unreadable, found := first, ID(0)
	for step := ID(1); found == 0; step *= 2 {
		key := keyOf(first+step, 0)
		if first+step <= first || bytes.Compare(key[:], minKey(end, topStart())) >= 0 {
			return resumeBefore(db, unreadable, end, limit)
		}
		ok, err := readable(db, span{key[:], limit})
		if err != nil {
			return nil, err
		}
		if ok {
			found = first + step
		} else {
			unreadable = first + step
		}
	}
	key := keyOf(found, 0)
	return resumeBefore(db, unreadable, key[:], limit)
}

// resumeBefore finds an ID after an unreadable one from which on something can be read, or comes to the given end.
func resumeBefore(db *pebble.DB, unreadable ID, end, limit []byte) ([]byte, error) {
	last, _, ok := splitKey(end)
	if !ok {
		return end, nil
	}
	for last-unreadable > 1 {
		middle := unreadable + (last-unreadable)/2
		key := keyOf(middle, 0)
		ok, err := readable(db, span{key[:], limit})
		if err != nil {
			return nil, err
		}
		if ok {
			last, end = middle, key[:]
		} else {
			unreadable = middle
		}
	}
	return end, nil
}

// readable tells whether the first thing in a span can be read.
func readable(db *pebble.DB, within span) (bool, error) {
	if bytes.Compare(within.start, within.end) >= 0 {
		return true, nil
	}
	iter, err := db.NewIter(&pebble.IterOptions{LowerBound: within.start, UpperBound: within.end})
	if err != nil {
		return false, err
	}
	if iter.First() {
		_, err = iter.ValueAndErr()
	}
	err = errors.Join(err, iter.Error(), iter.Close())
	if pebble.IsCorruptionError(err) {
		return false, nil
	}
	return err == nil, err
}

// entries has f called for the entries of notifications alone.
func entries(f func(ID, kind, []byte) error) func(key, value []byte) error {
	return func(key, value []byte) error {
		id, k, ok := splitKey(key)
		if !ok {
			return nil
		}
		if len(key) != keyLen {
			return fmt.Errorf("key %x is unknown to this receiver", key)
		}
		if err := f(id, k, value); err != nil {
			return fmt.Errorf("notification %d: %w", id, err)
		}
		return nil
	}
}

func minKey(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}
