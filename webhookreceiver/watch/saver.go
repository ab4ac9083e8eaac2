// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Between two saves passes a second, or ten times as long as a save takes: what changes all the time must not have the disk write all the time.
const (
	minSavePause    = time.Second
	maxSavePause    = 30 * time.Second
	savePauseFactor = 10
)

// saver saves the routes beside what makes them, so that a slow disk holds up no change. Only a restart without an API server needs them.
type saver struct {
	write  func([]route.Config) (without int, err error)
	now    func() time.Time
	logger logr.Logger

	mu sync.Mutex
	// wanted is what is to be saved, or was saved last.
	wanted []route.Config
	dirty  bool
	wake   chan struct{}
	// without is for how many endpoints nothing was saved of their triggers.
	without int
}

func newSaver(o *Options) *saver {
	write := func(configs []route.Config) (int, error) { return route.SaveSnapshot(o.SnapshotDir, configs) }
	return &saver{write: write, now: o.Now, logger: o.Logger, wake: make(chan struct{}, 1)}
}

// saved says that the file has configs.
func (s *saver) saved(configs []route.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted, s.dirty = configs, false
}

// want has configs saved, unless the last ones were equal to them.
func (s *saver) want(configs []route.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reflect.DeepEqual(configs, s.wanted) {
		return
	}
	s.wanted, s.dirty = configs, true
	select {
	case s.wake <- struct{}{}:
	default: // it will be looked at anyway
	}
}

// run saves what is wanted until ctx ends, and then what is left.
func (s *saver) run(ctx context.Context) {
	defer s.save()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		pause := time.NewTimer(min(max(minSavePause, savePauseFactor*s.save()), maxSavePause))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// save saves what is wanted and not saved, and returns how long it took.
func (s *saver) save() time.Duration {
	s.mu.Lock()
	configs, dirty := s.wanted, s.dirty
	s.dirty = false
	s.mu.Unlock()
	if !dirty {
		return 0
	}
	begin := s.now()
	without, err := s.write(configs)
	switch {
	case err != nil:
		// Only a restart without an API server would miss it.
		s.logger.Error(err, "the routes are not saved")
		s.again()
	case without > 0 && s.without == 0:
		s.logger.Info("the routes are saved without the triggers of some endpoints: together they are too large", "endpoints", without)
	}
	s.without = without
	return s.now().Sub(begin)
}

// again has what was not saved count as not wanted, so that the next table is saved even if it is equal.
func (s *saver) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirty {
		s.wanted = nil
	}
}
