// SPDX-License-Identifier: Apache-2.0

// Package wal is a write-ahead log: what is appended is on disk when Append returns, and stays until it is somewhere else.
//
// An embedded store has a log already, written by a goroutine of its own. To append here takes no other goroutine: one write and
// one fdatasync, by the caller. The files ("segments") are filled with zeros when they are made, and written over when what is in them is not needed
// any more: to sync what overwrites a file costs half of what it costs to sync what makes it longer, or goes to space that was only reserved,
// since that changes the file's metadata as well, which has a journal of its own.
//
// Records have numbers that count up. Integers are little endian:
//
//	segment:  number of its first record [8], salt [8], CRC-32C of the preceding [4], records
//	record:   length of the data [4], CRC-32C of salt, length, number and data [4], number [8], data
//
// The salt is another one each time a segment is begun, so that what an earlier use has left behind is not taken for a record.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

const (
	segmentHead = 8 + 8 + 4
	recordHead  = 4 + 4 + 8
	extension   = ".log"

	// spares is how many segments that are not needed are kept.
	spares = 4
	// Data up to this length is copied behind its head, to be written in one call.
	copyUpTo = 64 << 10
)

// errTooLarge is for data that does not fit into a record.
var errTooLarge = errors.New("too large for a record of the log")

// Options says where a log is and what goes on around it.
type Options struct {
	FS vfs.FS
	// Dir is the directory of the log alone. It must be there.
	Dir string
	// SegmentBytes is the size of a segment. A record that is larger has one of its own.
	SegmentBytes int64
	// Flush begins to bring everything that was appended so far to where it is not needed in the log, and returns a channel that is
	// closed when it is there.
	Flush func() (<-chan struct{}, error)
}

// Log is a log that is open for appending. Only Bytes may be called concurrently.
type Log struct {
	o       Options
	head    *segment // nil: the next record begins one
	busy    []busySegment
	free    []*segment
	highest int // name of a segment
	buf     []byte
	failed  error
	bytes   atomic.Int64
}

// segment is a file of the log.
type segment struct {
	path string
	file vfs.File
	size int64 // of the file
	at   int64 // where the next record goes
	salt uint64
}

// busySegment is one that is full, and needed until it is flushed.
type busySegment struct {
	*segment

	flushed <-chan struct{}
}

// Open opens a log for appending. None of what it holds is needed any more: Read comes before, and what it found has to be
// where a Flush would bring it.
func Open(o Options) (_ *Log, err error) {
	l := &Log{o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	names, err := segmentNames(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		s := &segment{path: segmentPath(o.FS, o.Dir, n)}
		if s.file, err = o.FS.OpenReadWrite(s.path, vfs.WriteCategoryUnspecified); err != nil {
			return nil, fmt.Errorf("open %s: %w", s.path, err)
		}
		l.free = append(l.free, s)
		l.highest = n
		info, err := s.file.Stat()
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", s.path, err)
		}
		s.size = info.Size()
		l.bytes.Add(s.size)
	}
	for len(l.free) < 2 {
		s, err := l.create()
		if err != nil {
			return nil, err
		}
		l.free = append(l.free, s)
	}
	// The one that made a file may have ended before its name was on disk. Nothing must come into such a file.
	if err := files.SyncDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	return l, l.trim()
}

func segmentPath(fs vfs.FS, dir string, n int) string {
	return fs.PathJoin(dir, strconv.Itoa(n)+extension)
}

// segmentNames lists the segments in order of their names, which are numbers. What else lies there is not a log's.
func segmentNames(fs vfs.FS, dir string) ([]int, error) {
	found, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	var names []int
	for _, file := range found {
		n, err := strconv.Atoi(strings.TrimSuffix(file, extension))
		if err != nil || n < 1 || path.Ext(file) != extension {
			return nil, fmt.Errorf("%s is not a log's: move it away", fs.PathJoin(dir, file))
		}
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// create makes a segment that is there after a crash.
func (l *Log) create() (*segment, error) {
	s := &segment{path: segmentPath(l.o.FS, l.o.Dir, l.highest+1)}
	var err error
	if s.file, err = l.o.FS.Create(s.path, vfs.WriteCategoryUnspecified); err != nil {
		return nil, fmt.Errorf("make %s: %w", s.path, err)
	}
	l.highest++
	s.size, _ = files.Fill(s.file, l.o.SegmentBytes) // as far as there is room: a segment can do without
	l.bytes.Add(s.size)
	if err := errors.Join(s.file.Sync(), files.SyncDir(l.o.FS, l.o.Dir)); err != nil {
		return nil, errors.Join(fmt.Errorf("make %s: %w", s.path, err), s.file.Close())
	}
	return s, nil
}

// Append puts a record at the end of the log, with a number higher than those before. When it returns nil the record is on disk. After
// an error nothing is known of the disk any more, and every call returns the same error.
func (l *Log) Append(number uint64, data []byte) error {
	if l.failed == nil {
		l.failed = l.append(number, data)
	}
	return l.failed
}

func (l *Log) append(number uint64, data []byte) error {
	if int64(len(data)) > math.MaxUint32 {
		return errTooLarge
	}
	if l.head != nil && l.head.at+recordHead+int64(len(data)) > l.o.SegmentBytes {
		if err := l.endSegment(); err != nil {
			return err
		}
	}
	l.buf = l.buf[:0]
	if l.head == nil {
		if err := l.beginSegment(number); err != nil {
			return err
		}
	}
	s := l.head
	l.buf = appendRecordHead(l.buf, s.salt, number, data)
	rest := data
	if len(data) <= copyUpTo {
		l.buf, rest = append(l.buf, data...), nil
	}
	if err := s.write(l.buf); err != nil {
		return err
	}
	if len(rest) > 0 {
		if err := s.write(rest); err != nil {
			return err
		}
	}
	if err := s.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", s.path, err)
	}
	if s.at > s.size {
		l.bytes.Add(s.at - s.size)
		s.size = s.at
	}
	return nil
}

func appendRecordHead(b []byte, salt, number uint64, data []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data))) //nolint:gosec // Append has looked
	b = binary.LittleEndian.AppendUint32(b, recordSum(salt, number, data))
	return binary.LittleEndian.AppendUint64(b, number)
}

func recordSum(salt, number uint64, data []byte) uint32 {
	var head [20]byte
	binary.LittleEndian.PutUint64(head[:], salt)
	binary.LittleEndian.PutUint32(head[8:], uint32(len(data))) //nolint:gosec // at most what a length has room for
	binary.LittleEndian.PutUint64(head[12:], number)
	return crc32.Update(checksum(head[:]), castagnoli(), data)
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

func (s *segment) write(b []byte) error {
	if _, err := s.file.WriteAt(b, s.at); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	s.at += int64(len(b))
	return nil
}

// endSegment lets the head wait for what is in it to be flushed.
func (l *Log) endSegment() error {
	flushed, err := l.o.Flush()
	if err != nil {
		return fmt.Errorf("flush what is in %s: %w", l.head.path, err)
	}
	l.busy = append(l.busy, busySegment{segment: l.head, flushed: flushed})
	l.head = nil
	return nil
}

// beginSegment takes a segment into use, whose head goes to disk with the first record.
func (l *Log) beginSegment(number uint64) error {
	if err := l.release(); err != nil {
		return err
	}
	if len(l.free) == 0 {
		s, err := l.create()
		if err != nil {
			return err
		}
		l.free = append(l.free, s)
	}
	l.head, l.free = l.free[0], l.free[1:]
	l.head.at, l.head.salt = 0, rand.Uint64() //nolint:gosec // against chance, not against people
	l.buf = binary.LittleEndian.AppendUint64(l.buf, number)
	l.buf = binary.LittleEndian.AppendUint64(l.buf, l.head.salt)
	l.buf = binary.LittleEndian.AppendUint32(l.buf, checksum(l.buf))
	return nil
}

// release frees the segments of which everything is flushed.
func (l *Log) release() error {
	for len(l.busy) > 0 {
		select {
		case <-l.busy[0].flushed:
		default:
			return nil
		}
		l.free = append(l.free, l.busy[0].segment)
		l.busy = slices.Delete(l.busy, 0, 1)
	}
	return l.trim()
}

// trim removes segments that are larger than they have to be, or more than are kept.
func (l *Log) trim() error {
	kept := l.free[:0]
	var errs []error
	for _, s := range l.free {
		if s.size <= l.o.SegmentBytes && len(kept) < spares {
			kept = append(kept, s)
			continue
		}
		l.bytes.Add(-s.size)
		errs = append(errs, s.file.Close(), l.o.FS.Remove(s.path))
	}
	clear(l.free[len(kept):])
	l.free = kept
	return errors.Join(errs...)
}

// Bytes is the room that the log takes up.
func (l *Log) Bytes() int64 { return l.bytes.Load() }

// Close closes the files. What was appended is on disk.
func (l *Log) Close() error {
	segments := l.free
	for _, b := range l.busy {
		segments = append(segments, b.segment)
	}
	if l.head != nil {
		segments = append(segments, l.head)
	}
	var errs []error
	for _, s := range segments {
		if s.file != nil {
			errs = append(errs, s.file.Close())
		}
	}
	return errors.Join(errs...)
}
