// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// disk keeps what is saved, and fails or waits if it is told to.
type disk struct {
	mu    sync.Mutex
	saves []string
	fails bool
	slow  chan struct{}
}

func (d *disk) write(configs []route.Config) (int, error) {
	if d.slow != nil {
		<-d.slow
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails {
		return 0, errors.New("no space left on device")
	}
	d.saves = append(d.saves, configs[0].Redrive)
	return 0, nil
}

func (d *disk) has() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.saves...)
}

func (d *disk) fail(fails bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = fails
}

func routes(name string) []route.Config { return []route.Config{{Redrive: name}} }

// saving runs a saver until the test or stop ends it.
func saving(t *testing.T, d *disk) (s *saver, stop func()) {
	t.Helper()
	s = newSaver(&Options{Now: time.Now, Logger: logr.Discard()})
	s.write = d.write
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return s, stop
}

func TestWhatChangesAllTheTimeIsSavedNowAndThen(t *testing.T) {
	d := &disk{}
	s, stop := saving(t, d)
	s.want(routes("first"))
	become(t, "the first change is saved at once", func() bool { return len(d.has()) == 1 })
	begin, changes := time.Now(), 0
	for ; time.Since(begin) < 3*minSavePause; changes++ {
		s.want(routes(fmt.Sprint(changes)))
	}
	stop()
	saves := d.has()
	if most := 2 + int(time.Since(begin)/minSavePause); len(saves) > most {
		t.Errorf("%d saves for %d changes, want %d at most", len(saves), changes, most)
	}
	if last := saves[len(saves)-1]; last != fmt.Sprint(changes-1) {
		t.Errorf("at the end %s is saved, and not the last change %d", last, changes-1)
	}
}

func TestWhatHasNotChangedIsNotSaved(t *testing.T) {
	d := &disk{}
	s, stop := saving(t, d)
	s.saved(routes("a"))
	s.want(routes("a"))
	stop()
	if saves := d.has(); len(saves) > 0 {
		t.Errorf("saved: %v", saves)
	}
}

func TestASlowDiskHoldsUpNoChange(t *testing.T) {
	d := &disk{slow: make(chan struct{})}
	s, stop := saving(t, d)
	begin := time.Now()
	for i := range 1000 {
		s.want(routes(fmt.Sprint(i)))
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("1000 changes take %s", took)
	}
	close(d.slow)
	stop()
	if saves := d.has(); saves[len(saves)-1] != "999" {
		t.Errorf("saved: %v, want the last change at the end", saves)
	}
}

// A disk that was full has the same routes saved later.
func TestWhatWasNotSavedIsSavedLater(t *testing.T) {
	d := &disk{fails: true}
	s, stop := saving(t, d)
	s.want(routes("a"))
	become(t, "it has failed", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.dirty && s.wanted == nil
	})
	d.fail(false)
	s.want(routes("a"))
	stop()
	if saves := d.has(); len(saves) != 1 {
		t.Errorf("saved: %v, want it once", saves)
	}
}
