// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// engineFailsFor is how long the engine may fail to write its files until the store has failed: what passes, passes sooner. It is also
	// more than one try that has to fail, so that a clock that is set does not decide.
	engineFailsFor = 10 * time.Second
	engineFailures = 3

	minEnginePause = 10 * time.Millisecond
	maxEnginePause = time.Second
	// tableSuffix ends the name of a file that the engine writes what was in its memory to.
	tableSuffix = ".sst"
	// flushCategory is how it says that this is why it makes a file.
	flushCategory = "pebble-memtable-flush"
)

// engineHealth tells an engine that cannot write its files for a moment from one that never will. The engine itself tries again at once and
// for ever, thousands of times a second, while what is in its memory grows until nothing more goes in.
type engineHealth struct {
	now func() time.Time

	mu          sync.Mutex
	failures    int // in a row
	since       time.Time
	compactions int // that failed in a row
}

// flushed notes how it ended when the engine was to write what is in its memory to a file. The error, if there is one, is that of the store.
func (h *engineHealth) flushed(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.failures = 0
		return nil
	}
	now := h.now()
	if h.failures == 0 {
		h.since = now
	}
	h.failures++
	if h.failures < engineFailures || now.Sub(h.since) < engineFailsFor {
		return nil
	}
	return fmt.Errorf("the engine cannot write its files, and has tried for %s: %w", now.Sub(h.since).Round(time.Second), err)
}

// compacted notes how it ended when the engine was to tidy its files up. That it cannot is no failure of the store: all that it holds
// is there.
func (h *engineHealth) compacted(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.compactions++; err == nil {
		h.compactions = 0
	}
}

// pause is how long the next try is put off: to write what is new, or to tidy up.
func (h *engineHealth) pause(tidies bool) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	failures := h.failures
	if tidies {
		failures = max(failures, h.compactions)
	}
	if failures == 0 {
		return 0
	}
	return min(minEnginePause<<min(failures-1, 10), maxEnginePause)
}

// pacedFS keeps the engine from trying again at once what has just failed.
type pacedFS struct {
	vfs.FS

	health *engineHealth
}

// Create implements vfs.FS. The engine holds no lock while it makes a file of data.
func (f pacedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, tableSuffix) {
		time.Sleep(f.health.pause(category != flushCategory))
	}
	return f.FS.Create(name, category)
}

// engineFlushed is told how each flush of the engine has ended, with the engine's lock held.
func (s *Store) engineFlushed(err error) {
	failed := s.health.flushed(err)
	s.inbox.setEngineFails(err != nil)
	if failed != nil {
		s.fail(failed)
	}
}

// flush has the engine write what is in its memory to a file. The engine tries until it can; this ends when the store has failed over it.
func (s *Store) flush() error {
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	select {
	case <-flushed:
		return nil
	case <-s.failed:
		return s.failure()
	}
}
