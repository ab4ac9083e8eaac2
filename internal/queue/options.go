// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr"
)

// The defaults of Options.
const (
	DefaultMaxBytes         = 1 << 30
	DefaultMaxNotifications = 1_000_000
	DefaultMaxKeys          = 2_000_000
)

// What the store keeps in memory.
const (
	// NotificationBytes is for an unfinished notification, each time that it counts: see BenchmarkItemBytes, and 16 bytes for each target
	// that was tried.
	NotificationBytes = 170
	// KeyBytes is for a deduplication key: see BenchmarkDedupBytes.
	KeyBytes = 34
)

// Options says where a store is and what it may hold. Only Dir is needed.
type Options struct {
	// Dir is the directory of the store. It is made if it is not there.
	Dir string
	// MaxBytes and MaxNotifications limit what is unfinished. Dead letters may take half of either; the oldest ones
	// beyond that are discarded. What is pending of one endpoint may take four times what is then left of either, so that one whose
	// targets take nothing leaves a fifth to others, and two leave a ninth; but 16 notifications, and 4 MiB, in any case.
	// A notification counts once, and once more for each two targets beyond its first, since each takes memory.
	MaxBytes         int64
	MaxNotifications int
	// MaxKeys limits the deduplication keys remembered. Beyond it the oldest is forgotten of whoever has most: the namespace, and in
	// it the endpoint. So each namespace can have an equal part in any case, and of that each of its endpoints.
	MaxKeys int
	// MinFreeBytes is the room that must be left on the volume for something to be accepted. 0: 1 % of the volume,
	// at least 32 MiB, but no more than a quarter of it.
	MinFreeBytes int64
	// Salvage accepts a store that turns out to have lost something, and goes on with what is there. For one start, by a
	// person who was told.
	Salvage bool

	// OnItem is told of each item that is to be delivered, in order of ID, once it is durable and before Put or Redrive
	// returns. It must not block, nor call the queue.
	OnItem func(Item)
	// OnDamaged is told of a notification that cannot be read, with ID 0 for a number of them that are not known by ID.
	// It must not block, nor call the queue.
	OnDamaged func(ID, error)
	// OnForgotten is told how many keys of an endpoint were forgotten before they expired, within seconds. It must not block, nor call the queue.
	OnForgotten func(Endpoint, int)
	// OnFatal is told that the store has failed. The program should exit, other than with 0: it is the only way out.
	OnFatal func(error)
	// OnCommit is told of each group written.
	OnCommit func(Commit)

	// Now tells the time. nil: the system's clock.
	Now func() time.Time
	// FS is the file system. nil: the system's.
	FS vfs.FS
	// Logger takes what the store has to say.
	Logger logr.Logger
	// Failpoint is called at named points, for tests that kill the process there. nil: no such points.
	Failpoint func(name string)

	tune func(*pebble.Options) // for tests of this package: the engine's options
}

// Commit describes one group of operations written together.
type Commit struct {
	Operations int
	Bytes      int
	// Took is from handing the group to the store until it was on disk.
	Took time.Duration
}

// The names given to Options.Failpoint.
const (
	FailBeforeCommit   = "before-commit"
	FailAfterCommit    = "after-commit"
	FailAfterAnnounce  = "after-announce"
	FailBeforeFinish   = "before-finish"
	FailAfterFormat    = "after-format"
	FailAfterCreate    = "after-create"
	FailBeforeSweep    = "before-sweep"
	FailBeforeRepair   = "before-repair"
	FailAfterMarkWrite = "after-mark"
	FailBeforeFlush    = "before-flush"
	FailAfterReplay    = "after-replay"
)

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxNotifications <= 0 {
		o.MaxNotifications = DefaultMaxNotifications
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the one place where the injected clock gets its default
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.OnItem == nil {
		o.OnItem = func(Item) {}
	}
	if o.OnDamaged == nil {
		o.OnDamaged = func(ID, error) {}
	}
	if o.OnForgotten == nil {
		o.OnForgotten = func(Endpoint, int) {}
	}
	if o.OnFatal == nil {
		o.OnFatal = func(error) {}
	}
	if o.OnCommit == nil {
		o.OnCommit = func(Commit) {}
	}
	if o.Failpoint == nil {
		o.Failpoint = func(string) {}
	}
	return o
}
