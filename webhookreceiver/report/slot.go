// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

const (
	// The bounds of the API's fields.
	maxMessageBytes   = 256
	maxSummaryBytes   = 1024
	maxEventTypeBytes = 64
	maxDeliveries     = 16
	maxAttempts       = 1_000_000

	// maxKeptBytes is up to how many bytes of a notification's texts are kept until its summary is needed.
	maxKeptBytes = 4096
)

// slot is the last notification of something, and what became of it. The one with the highest ID is the last one. A slot may learn of
// an attempt before it learns that the notification was stored, since delivery begins as soon as the record is on disk.
type slot struct {
	id         queue.ID // 0: empty, or known from status alone
	receivedAt time.Time
	eventType  string

	n       *notification.Notification // until the summary is made
	spare   notification.Notification  // what n points to
	summary string

	deliveries []outcome
	version    uint64 // counts changes
}

// outcome is what became of a delivery.
type outcome struct {
	target   string
	state    v1alpha1.DeliveryState
	attempts int
	message  string
}

func (s *slot) empty() bool { return s.receivedAt.IsZero() }

// stored makes a notification the last one, unless there is a later one.
func (s *slot) stored(id queue.ID, record *queue.Record, n *notification.Notification) {
	if id < s.id {
		return
	}
	if id > s.id {
		s.begin(id, record.ReceivedAt, record.EventType)
	}
	early := len(s.deliveries) > 0
	for _, target := range record.Targets {
		if len(s.deliveries) < maxDeliveries && s.delivery(target) == nil {
			s.deliveries = append(s.deliveries, outcome{target: target, state: v1alpha1.DeliveryPending})
		}
	}
	if early { // what has ended first stands first
		slices.SortFunc(s.deliveries, func(a, b outcome) int {
			return slices.Index(record.Targets, a.target) - slices.Index(record.Targets, b.target)
		})
	}
	s.spare = *n
	s.n = &s.spare
	if n.Size() > maxKeptBytes {
		s.summarize()
	}
	s.version++
}

func (s *slot) begin(id queue.ID, receivedAt time.Time, eventType string) {
	s.id, s.receivedAt, s.eventType = id, receivedAt, eventType
	s.n, s.summary = nil, ""
	s.deliveries = s.deliveries[:0]
	s.version++
}

// ended notes an attempt, if it is the last notification's, or that of a later one.
func (s *slot) ended(a *delivery.Attempt) {
	switch {
	case a.ID == s.id:
	case s.restored(a):
		s.id = a.ID
	case a.ID < s.id || a.EventType == "" || a.ReceivedAt.Before(s.receivedAt.Truncate(time.Second)):
		return
	default:
		s.begin(a.ID, a.ReceivedAt, a.EventType)
	}
	d := s.delivery(a.Target)
	if d == nil {
		if len(s.deliveries) == maxDeliveries {
			return
		}
		s.deliveries = append(s.deliveries, outcome{target: a.Target})
		d = &s.deliveries[len(s.deliveries)-1]
	}
	d.state, d.message = stateOf(a.Outcome), excerpt.Shorten(a.Message, maxMessageBytes)
	if a.Number > 0 { // it is not known of a dead letter that is discarded by hand
		d.attempts = min(a.Number, maxAttempts)
	}
	s.version++
}

// restored reports whether an attempt is one of the notification that the slot has from status, which knows no ID, and the time
// to the second.
func (s *slot) restored(a *delivery.Attempt) bool {
	return s.id == 0 && !s.empty() && a.EventType == s.eventType && a.ReceivedAt.Truncate(time.Second).Equal(s.receivedAt) &&
		s.delivery(a.Target) != nil
}

func (s *slot) delivery(target string) *outcome {
	for i := range s.deliveries {
		if s.deliveries[i].target == target {
			return &s.deliveries[i]
		}
	}
	return nil
}

// summarize makes the summary, which costs too much to be made for each notification.
func (s *slot) summarize() {
	if s.n == nil {
		return
	}
	s.summary = excerpt.Head(notification.Note(s.eventType, *s.n), maxSummaryBytes)
	s.n, s.spare = nil, notification.Notification{}
}

// status is the slot as the API shows it; nil if it is empty.
func (s *slot) status() *v1alpha1.NotificationStatus {
	if s.empty() {
		return nil
	}
	s.summarize()
	status := &v1alpha1.NotificationStatus{
		EventType: excerpt.Head(s.eventType, maxEventTypeBytes), ReceivedAt: seconds(s.receivedAt), Summary: s.summary,
	}
	status.Deliveries = s.outcomes()
	return status
}

// outcomes are the deliveries as the API shows them.
func (s *slot) outcomes() []v1alpha1.DeliveryStatus {
	var all []v1alpha1.DeliveryStatus
	for _, d := range s.deliveries {
		shown := v1alpha1.DeliveryStatus{Target: d.target, State: d.state, Message: d.message}
		if d.attempts > 0 {
			shown.Attempts = new(int32(d.attempts)) //nolint:gosec // at most maxAttempts
		}
		all = append(all, shown)
	}
	return all
}

// restore fills an empty slot with what status had, or the store.
func (s *slot) restore(id queue.ID, status *v1alpha1.NotificationStatus) {
	if status == nil || status.ReceivedAt == nil || !s.empty() {
		return
	}
	s.id, s.receivedAt, s.eventType, s.summary = id, status.ReceivedAt.Time, status.EventType, status.Summary
	for _, d := range status.Deliveries {
		attempts := 0
		if d.Attempts != nil {
			attempts = int(*d.Attempts)
		}
		s.deliveries = append(s.deliveries, outcome{target: d.Target, state: d.State, attempts: attempts, message: d.Message})
	}
}

func stateOf(o delivery.Outcome) v1alpha1.DeliveryState {
	switch o {
	case delivery.OutcomeDelivered:
		return v1alpha1.DeliveryDelivered
	case delivery.OutcomeDead:
		return v1alpha1.DeliveryDeadLettered
	case delivery.OutcomeDiscarded:
		return v1alpha1.DeliveryDiscarded
	case delivery.OutcomeRetried:
		return v1alpha1.DeliveryRetrying
	default:
		return v1alpha1.DeliveryPending
	}
}
