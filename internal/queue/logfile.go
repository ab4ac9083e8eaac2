// SPDX-License-Identifier: Apache-2.0

package queue

import "github.com/cockroachdb/pebble/v2/vfs"

const (
	// logCategory is what the engine calls its log when it creates a file for it.
	logCategory vfs.DiskWriteCategory = "pebble-wal"
	// logRoom is what a log may come to hold: the engine begins another one with each memtable, and reserves a tenth more.
	logRoom = memTableSize + memTableSize/10
)

// filledLogs is a file system on which the engine's logs are filled with zeros before they are written.
//
// To sync what overwrites a file costs half of what it costs to sync what makes it longer, or goes to space that was only reserved: that
// changes the file's metadata as well, which has a journal of its own. The engine overwrites the logs that it no longer needs, but
// has none to begin with, for the first 10 MB after each start: days, where notifications are few. To its reader zeros are the end of a log.
type filledLogs struct{ vfs.FS }

// Create implements vfs.FS.
func (fs filledLogs) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err == nil && category == logCategory {
		_ = writeZeros(f, logRoom) // as far as there is room: the log can do without
	}
	return f, err
}

// Unwrap implements vfs.FS.
func (fs filledLogs) Unwrap() vfs.FS { return fs.FS }

// writeZeros writes n zeros to a new file, which is then written from its start.
func writeZeros(f vfs.File, n int64) error {
	zeros := make([]byte, min(n, 256<<10))
	for at := int64(0); at < n; {
		written, err := f.WriteAt(zeros[:min(n-at, int64(len(zeros)))], at)
		if err != nil {
			return err
		}
		at += int64(written)
	}
	return nil
}
