// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const (
	// statePrefix and its UID are under which the store has the totals of an endpoint.
	statePrefix = "report/"

	saveEvery = time.Second
	// saveBytes is how many bytes of totals are saved a second, so that many endpoints that are busy do not keep the disk so: a crash
	// then loses the counts of some seconds.
	saveBytes    = 128 << 10
	maxSaveEvery = 30 * time.Second
	// saveTogether is how many bytes are written at once: notifications that come meanwhile wait for it.
	saveTogether = 256 << 10
	// maxSavedBytes is how many bytes are saved of an endpoint.
	maxSavedBytes = queue.MaxStateBytes / 2
	// maxGone is how many endpoints are remembered that the routes do not have.
	maxGone = 1000
)

func stateName(uid types.UID) string { return statePrefix + string(uid) }

// stored is what the store has of an endpoint.
type stored struct {
	changed uint64 // the endpoint's, when it was found out
	sum     [sha256.Size]byte
}

// Run saves what changed, until ctx ends, and then once more.
func (r *Recorder) Run(ctx context.Context) error {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.Save()
		case <-ticker.C:
		}
		if err := r.saveIfDue(); err != nil {
			r.Logger.Error(err, "the totals are not saved")
		}
	}
}

func (r *Recorder) saveIfDue() error {
	r.mu.Lock()
	due := !r.Now().Before(r.nextSave)
	r.mu.Unlock()
	if !due {
		return nil
	}
	return r.Save()
}

// Save saves the endpoints that changed since the last time. Only another save waits for it.
func (r *Recorder) Save() error {
	r.saving <- struct{}{}
	defer func() { <-r.saving }()
	w := stateWriter{store: r.Store}
	err := r.write(&w, r.unsaved())
	r.mu.Lock()
	r.nextSave = r.Now().Add(min(maxSaveEvery, max(saveEvery, time.Duration(w.total)*time.Second/saveBytes)))
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("save totals: %w", err)
	}
	return nil
}

// unsaved is what a save has to look at.
type unsaved struct {
	obsolete  []string
	endpoints []*endpoint
}

func (r *Recorder) unsaved() unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(r.Now())
	return unsaved{
		obsolete:  slices.Collect(maps.Keys(r.obsolete)),
		endpoints: slices.AppendSeq(slices.Collect(maps.Values(r.all())), maps.Values(r.gone)),
	}
}

// write has what is obsolete taken out before anything else is written, so that no two endpoints in the store have one name. What
// becomes obsolete meanwhile is taken out by the next save.
func (r *Recorder) write(w *stateWriter, u unsaved) error {
	for _, name := range u.obsolete {
		if err := w.put(name, nil, func() { r.takenOut(name) }); err != nil {
			return err
		}
	}
	for _, e := range u.endpoints {
		if err := r.writeChanged(w, e); err != nil {
			return err
		}
	}
	return w.flush()
}

func (r *Recorder) takenOut(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.obsolete, name)
}

func (r *Recorder) writeChanged(w *stateWriter, e *endpoint) error {
	is := stored{changed: e.changed.Load()}
	if is.changed == e.stored.changed {
		return nil
	}
	raw, err := r.encode(e)
	if err != nil {
		return err
	}
	if is.sum = sha256.Sum256(raw); is.sum == e.stored.sum {
		e.stored = is
		return nil
	}
	return w.put(stateName(e.uid), raw, func() { e.stored = is })
}

// encode leaves out what would be too much: the last notifications of triggers are in their status, too.
func (r *Recorder) encode(e *endpoint) ([]byte, error) {
	s := r.save(e)
	raw, err := json.Marshal(s)
	if err == nil && len(raw) > maxSavedBytes {
		s.Triggers = nil
		raw, err = json.Marshal(s)
	}
	return raw, err
}

// stateWriter writes values, some of them at a time.
type stateWriter struct {
	store        Store
	values       map[string][]byte
	written      []func()
	bytes, total int
}

// put has a value written, by the next flush at the latest, and written called then.
func (w *stateWriter) put(name string, value []byte, written func()) error {
	n := len(name) + len(value)
	if w.bytes > 0 && w.bytes+n > saveTogether {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.values == nil {
		w.values = map[string][]byte{}
	}
	w.values[name] = value
	w.written = append(w.written, written)
	w.bytes += n
	w.total += n
	return nil
}

func (w *stateWriter) flush() error {
	if len(w.values) == 0 {
		return nil
	}
	if err := w.store.SetStates(w.values); err != nil {
		return err
	}
	for _, written := range w.written {
		written()
	}
	w.values, w.written, w.bytes = nil, nil, 0
	return nil
}

// load takes over what the store has. Sync decides which of it is still wanted.
func (r *Recorder) load() error {
	var unreadable error
	err := r.Store.States(statePrefix, func(name string, raw []byte) bool {
		unreadable = r.take(raw)
		if unreadable != nil {
			unreadable = fmt.Errorf("%s: %w", name, unreadable)
		}
		return unreadable == nil
	})
	if err == nil {
		err = unreadable
	}
	if err != nil {
		return fmt.Errorf("load totals: %w", err)
	}
	return nil
}

func (r *Recorder) take(raw []byte) error {
	var s savedEndpoint
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	if s.Version != stateVersion {
		return fmt.Errorf("version %d is not one this receiver knows", s.Version)
	}
	e := r.restore(&s)
	e.stored.sum = sha256.Sum256(raw)
	r.gone[e.key] = e // until a table has it
	return nil
}
