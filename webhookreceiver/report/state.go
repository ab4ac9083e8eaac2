// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const (
	// stateName is under which the store has the totals.
	stateName    = "report"
	stateVersion = 1

	saveEvery = time.Second
	// saveBytes is how many bytes of totals are saved a second, so that many endpoints do not keep the disk busy: a crash then loses
	// the counts of some seconds.
	saveBytes    = 128 << 10
	maxSaveEvery = 30 * time.Second
	// maxGone is how many endpoints are remembered that the routes do not have.
	maxGone = 1000
)

// saved is what the store has. Times are Unix nanoseconds, 0 being none.
type saved struct {
	Version   int             `json:"version"`
	Endpoints []savedEndpoint `json:"endpoints,omitempty"`
}

type savedEndpoint struct {
	Namespace  string                    `json:"namespace"`
	Name       string                    `json:"name"`
	UID        types.UID                 `json:"uid"`
	Received   int64                     `json:"received,omitempty"`
	Duplicates int64                     `json:"duplicates,omitempty"`
	VerifiedAt int64                     `json:"verifiedAt,omitempty"`
	Rejected   map[string]savedRejection `json:"rejected,omitempty"`
	Targets    map[string]savedTarget    `json:"targets,omitempty"`
	Last       *savedSlot                `json:"last,omitempty"`
	Triggers   []savedTrigger            `json:"triggers,omitempty"`
	Redriven   string                    `json:"redriven,omitempty"`
	Known      bool                      `json:"known,omitempty"`
	GoneAt     int64                     `json:"goneAt,omitempty"`
}

type savedRejection struct {
	Count int64 `json:"count"`
	At    int64 `json:"at"`
}

type savedTarget struct {
	Delivered    int64         `json:"delivered,omitempty"`
	Discarded    int64         `json:"discarded,omitempty"`
	DeliveredAt  int64         `json:"deliveredAt,omitempty"`
	Failure      *savedFailure `json:"failure,omitempty"`
	Failures     int           `json:"failures,omitempty"`
	FailingSince int64         `json:"failingSince,omitempty"`
}

type savedFailure struct {
	At         int64  `json:"at"`
	StatusCode int    `json:"statusCode,omitempty"`
	Message    string `json:"message,omitempty"`
}

type savedTrigger struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
	Last      savedSlot `json:"last"`
}

type savedSlot struct {
	ID queue.ID `json:"id"`
	// At is when the notification was received, which status tells to the second.
	At     int64                        `json:"at"`
	Status *v1alpha1.NotificationStatus `json:"status"`
}

// savePace spaces saves.
type savePace struct {
	changed uint64 // what was saved last
	next    time.Time
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
	due := !r.Now().Before(r.saves.next)
	r.mu.Unlock()
	if !due {
		return nil
	}
	return r.Save()
}

// Save saves what changed since the last time.
func (r *Recorder) Save() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(r.Now())
	changed := r.changed.Load()
	if changed == r.saves.changed {
		return nil
	}
	raw, err := json.Marshal(r.snapshot())
	if err != nil {
		return fmt.Errorf("encode totals: %w", err)
	}
	err = r.Store.SetState(stateName, raw)
	r.saves.next = r.Now().Add(min(maxSaveEvery, max(saveEvery, time.Duration(len(raw))*time.Second/saveBytes)))
	if err != nil {
		return fmt.Errorf("save totals: %w", err)
	}
	r.saves.changed = changed
	return nil
}

// snapshot is sorted, so that the same totals are the same bytes. The caller holds r.mu.
func (r *Recorder) snapshot() saved {
	s := saved{Version: stateVersion}
	for _, e := range r.all() {
		s.Endpoints = append(s.Endpoints, r.save(e))
	}
	gone := 0
	for _, e := range r.gone {
		if gone++; gone <= maxGone {
			s.Endpoints = append(s.Endpoints, r.save(e))
		}
	}
	slices.SortFunc(s.Endpoints, func(a, b savedEndpoint) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return s
}

func (r *Recorder) save(e *endpoint) savedEndpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := savedEndpoint{
		Namespace: e.key.Namespace, Name: e.key.Name, UID: e.uid,
		Received: e.received.Load(), Duplicates: e.duplicates.Load(), VerifiedAt: e.verifiedAt.Load(),
		Last: e.last.save(), Redriven: e.redriven, Known: e.known, GoneAt: nanos(e.goneAt),
	}
	for i := range e.rejected {
		if n := e.rejected[i].count.Load(); n > 0 {
			if s.Rejected == nil {
				s.Rejected = map[string]savedRejection{}
			}
			s.Rejected[r.Reasons[i]] = savedRejection{n, e.rejected[i].at.Load()}
		}
	}
	for name, t := range e.targets {
		if s.Targets == nil {
			s.Targets = map[string]savedTarget{}
		}
		s.Targets[name] = t.save()
	}
	for _, t := range e.triggers {
		if last := t.last.save(); last != nil {
			s.Triggers = append(s.Triggers, savedTrigger{t.key.Namespace, t.key.Name, t.uid, *last})
		}
	}
	slices.SortFunc(s.Triggers, func(a, b savedTrigger) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return s
}

func (t *target) save() savedTarget {
	s := savedTarget{
		Delivered: t.delivered, Discarded: t.discarded, DeliveredAt: nanos(t.deliveredAt),
		Failures: t.failures, FailingSince: nanos(t.failingSince),
	}
	if f := t.failure; f != nil {
		s.Failure = &savedFailure{nanos(f.at), f.statusCode, f.message}
	}
	return s
}

func (s *slot) save() *savedSlot {
	if s.empty() {
		return nil
	}
	return &savedSlot{s.id, nanos(s.receivedAt), s.status()}
}

// load takes over what the store has. Sync decides which of it is still wanted.
func (r *Recorder) load() error {
	raw, err := r.Store.State(stateName)
	if err != nil {
		return fmt.Errorf("load totals: %w", err)
	}
	if len(raw) == 0 {
		return nil
	}
	var s saved
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("load totals: %w", err)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("load totals: version %d is not one this receiver knows", s.Version)
	}
	now := r.Now()
	for i := range s.Endpoints {
		e := r.restore(&s.Endpoints[i])
		if e.goneAt.IsZero() {
			e.goneAt = now // until a table has it
		}
		r.gone[e.key] = e
	}
	return nil
}

func (r *Recorder) restore(s *savedEndpoint) *endpoint {
	e := r.newEndpoint(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, s.UID)
	e.received.Store(s.Received)
	e.duplicates.Store(s.Duplicates)
	e.verifiedAt.Store(s.VerifiedAt)
	for reason, rejected := range s.Rejected {
		if i, known := r.reasons[reason]; known {
			e.rejected[i].count.Store(rejected.Count)
			e.rejected[i].at.Store(rejected.At)
		}
	}
	for name, t := range s.Targets {
		e.targets[name] = t.restore()
	}
	e.last.load(s.Last)
	for i := range s.Triggers {
		key := types.NamespacedName{Namespace: s.Triggers[i].Namespace, Name: s.Triggers[i].Name}
		t := &trigger{key: key, uid: s.Triggers[i].UID}
		t.last.load(&s.Triggers[i].Last)
		e.triggers[key] = t
	}
	e.redriven, e.known, e.goneAt = s.Redriven, s.Known, instant(s.GoneAt)
	return e
}

func (s savedTarget) restore() *target {
	t := &target{
		delivered: s.Delivered, discarded: s.Discarded, deliveredAt: instant(s.DeliveredAt),
		failures: s.Failures, failingSince: instant(s.FailingSince),
	}
	if f := s.Failure; f != nil {
		t.failure = &failure{instant(f.At), f.StatusCode, f.Message}
	}
	return t
}

func (s *slot) load(from *savedSlot) {
	if from == nil || from.Status == nil {
		return
	}
	s.restore(from.ID, from.Status)
	s.receivedAt = instant(from.At)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
