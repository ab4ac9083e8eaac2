// SPDX-License-Identifier: Apache-2.0

package wal

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Read calls yield for each record of a log with a number higher than after, in order of number. Numbers are left out where a segment was
// written over, or cannot be read to its end: a crash may have cut a write short, or the disk has damaged something. The caller tells these apart,
// by what it knows was written. The data is valid until yield returns. Nothing is changed.
func Read(fs vfs.FS, dir string, after uint64, yield func(number uint64, data []byte) error) error {
	segments, err := openReaders(fs, dir)
	for _, r := range segments {
		if err == nil {
			after, err = r.read(after, yield)
		}
		err = errors.Join(err, r.file.Close())
	}
	return err
}

// openReaders opens the segments that were in use, in order.
func openReaders(fs vfs.FS, dir string) (readers []*reader, err error) {
	names, err := segmentNames(fs, dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		r, err := openReader(fs, segmentPath(fs, dir, n))
		if err != nil {
			return readers, err
		}
		readers = append(readers, r)
	}
	slices.SortFunc(readers, func(a, b *reader) int { return cmp.Compare(a.first, b.first) })
	return readers, nil
}

// errEnd is where a segment has no further record that can be read.
var errEnd = errors.New("end of segment")

// reader reads one segment.
type reader struct {
	path  string
	file  vfs.File
	in    *bufio.Reader
	left  int64  // bytes of the file that were not read
	first uint64 // number of the first record; 0: there is none
	salt  uint64
	data  []byte
}

func openReader(fs vfs.FS, path string) (*reader, error) {
	file, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r := &reader{path: path, file: file, in: bufio.NewReader(file)}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

func (r *reader) open() error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", r.path, err)
	}
	r.left = info.Size()
	head, err := r.bytes(segmentHead)
	if errors.Is(err, errEnd) {
		return nil
	}
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(head[16:]) == checksum(head[:16]) {
		r.first, r.salt = binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[8:])
	}
	return nil
}

// bytes reads n bytes, valid until the next call, if there are as many.
func (r *reader) bytes(n int64) ([]byte, error) {
	if n > r.left {
		return nil, errEnd
	}
	if int64(cap(r.data)) < n {
		r.data = make([]byte, n)
	}
	b := r.data[:n]
	if _, err := io.ReadFull(r.in, b); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.path, err)
	}
	r.left -= n
	return b, nil
}

// read yields the records that are left with numbers higher than after, and returns the number of the last one.
func (r *reader) read(after uint64, yield func(number uint64, data []byte) error) (last uint64, _ error) {
	for {
		number, data, err := r.record()
		if errors.Is(err, errEnd) {
			return after, nil
		}
		if err != nil {
			return after, err
		}
		if number <= after { // of a use long ago, or of one that came to nothing
			continue
		}
		if err := yield(number, data); err != nil {
			return after, err
		}
		after = number
	}
}

// record reads the next record.
func (r *reader) record() (number uint64, data []byte, err error) {
	if r.first == 0 {
		return 0, nil, errEnd
	}
	head, err := r.bytes(recordHead)
	if err != nil {
		return 0, nil, err
	}
	n, sum, number := int64(binary.LittleEndian.Uint32(head)), binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint64(head[8:])
	data, err = r.bytes(n)
	if err != nil {
		return 0, nil, err
	}
	if sum != recordSum(r.salt, number, data) { // zeros, what an earlier use has left behind, what is not whole
		return 0, nil, errEnd
	}
	return number, data, nil
}
