// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const stateVersion = 1

// savedEndpoint is what the store has of an endpoint. Times are Unix nanoseconds, 0 being none.
type savedEndpoint struct {
	Version    int                       `json:"version"`
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
	Count   int64 `json:"count"`
	At      int64 `json:"at"`
	Guessed int64 `json:"guessed,omitempty"`
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

func (r *Recorder) save(e *endpoint) savedEndpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := savedEndpoint{
		Version: stateVersion, Namespace: e.key.Namespace, Name: e.key.Name, UID: e.uid,
		Received: e.received.Load(), Duplicates: e.duplicates.Load(), VerifiedAt: e.verifiedAt.Load(),
		Last: e.last.save(), Redriven: e.redriven, Known: e.known, GoneAt: nanos(e.goneAt),
	}
	for i := range e.rejected {
		if n := e.rejected[i].count.Load(); n > 0 {
			if s.Rejected == nil {
				s.Rejected = map[string]savedRejection{}
			}
			s.Rejected[r.Reasons[i]] = savedRejection{n, e.rejected[i].at.Load(), e.rejected[i].guessed.Load()}
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

func (r *Recorder) restore(s *savedEndpoint) *endpoint {
	e := r.newEndpoint(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, s.UID)
	e.received.Store(s.Received)
	e.duplicates.Store(s.Duplicates)
	e.verifiedAt.Store(s.VerifiedAt)
	for reason, rejected := range s.Rejected {
		if i, known := r.reasons[reason]; known {
			e.rejected[i].count.Store(rejected.Count)
			e.rejected[i].at.Store(rejected.At)
			e.rejected[i].guessed.Store(rejected.Guessed)
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
