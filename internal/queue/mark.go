// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

// mark is a file with the number of the last write that is known to be on disk.
//
// An unreadable end of the log is taken for a write that a crash cut short, and dropped. That is right for what was
// never synced. But the end may also be unreadable because the disk has damaged what was synced and answered with 200. The
// number tells the two apart. It is written after each sync and not synced itself, so it may be too low after a power failure,
// which makes the check weaker, but never too high, which would make it wrong. Two slots take turns, so that one is always whole.
type mark struct {
	file vfs.File
	buf  [markSlot]byte
}

const markSlot = 512

func openMark(fs vfs.FS, path string) (_ *mark, number uint64, _ error) {
	file, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, err)
	}
	content, err := files.Read(fs, path, 2*markSlot)
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	for at := 0; at+12 <= len(content); at += markSlot {
		if slot := content[at:]; binary.LittleEndian.Uint32(slot[8:]) == checksum(slot[:8]) {
			number = max(number, binary.LittleEndian.Uint64(slot))
		}
	}
	return &mark{file: file}, number, nil
}

// write notes that the write with this number is on disk.
func (m *mark) write(number uint64) error {
	binary.LittleEndian.PutUint64(m.buf[:], number)
	binary.LittleEndian.PutUint32(m.buf[8:], checksum(m.buf[:8]))
	_, err := m.file.WriteAt(m.buf[:], int64(number%2)*markSlot)
	return err
}

// Close brings the mark to the disk.
func (m *mark) Close() error { return errors.Join(m.file.Sync(), m.file.Close()) }
