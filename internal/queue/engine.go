// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr"
)

const (
	// engineFormat is never newer than what the oldest receiver that may open the store knows.
	engineFormat = pebble.FormatWALSyncChunks

	// memTableSize is small because three are there under load (one is written to, one goes to a file, one is to be reused), and the
	// garbage collector allows for twice that.
	memTableSize = 2 << 20
	cacheSize    = 4 << 20
	blockSize    = 8 << 10
	// groupsInFlight is how many groups wait for the disk beside the one being made.
	groupsInFlight = 0
)

// engineOptions are those of a log of bodies that are written once, read once and deleted: little memory, no filters, no
// compression, and writes that are never held up by compactions that lag behind.
func engineOptions(fs vfs.FS, l *engineLogger, onFlush, onCompaction func(error), onDamage func()) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          engineFormat,
		Logger:                      l,
		EventListener:               eventListener(l, onFlush, onCompaction, onDamage),
		CacheSize:                   cacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: 8,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		MaxOpenFiles:                256,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 1 },
		// What is written is in the queue's own log before it is acknowledged, see replay.go.
		DisableWAL: true,
	}
	// What is not a notification's goes into files of its own. It changes with every write, and would make all files overlap.
	o.Experimental.SpanPolicyFunc = func(start []byte) (pebble.SpanPolicy, []byte, error) {
		if top := topStart(); bytes.Compare(start, top) < 0 {
			return pebble.SpanPolicy{}, top, nil
		}
		return pebble.SpanPolicy{}, nil, nil
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	return o
}

// eventListener replaces the engine's own, which ends the process when it meets a damaged block.
func eventListener(l *engineLogger, onFlush, onCompaction func(error), onDamage func()) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if pebble.IsCorruptionError(err) {
				onDamage()
				return
			}
			l.paced.Error(err, "the queue's engine failed at work in the background and will try again")
		},
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil || i.Err.Error() != emptyTable {
				onFlush(i.Err)
			}
		},
		CompactionEnd: func(i pebble.CompactionInfo) {
			if !errors.Is(i.Err, pebble.ErrCancelledCompaction) {
				onCompaction(i.Err)
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			l.log.V(1).Info("met damage", "file", i.Path, "details", i.Details)
			onDamage()
		},
	}
}

// emptyTable is the engine's error for a flush of which nothing was left to write: neither a failure nor a sign that files can be written.
const emptyTable = "pebble: empty table"

// engineLogger passes on what the engine says.
type engineLogger struct {
	log   logr.Logger
	paced *pacedLog
	fatal func(error)
}

func (l *engineLogger) Infof(format string, args ...any) {
	if log := l.log.V(2); log.Enabled() {
		log.Info("engine", "message", fmt.Sprintf(format, args...))
	}
}

func (l *engineLogger) Errorf(format string, args ...any) {
	l.paced.Error(nil, "the queue's engine reports an error", "message", fmt.Sprintf(format, args...))
}

// Fatalf never returns: the engine would go on as if nothing had happened, and something could be answered that was lost.
func (l *engineLogger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf(format, args...)) // the engine's words
	select {}
}
