// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

const (
	// The bounds of the API's lists.
	maxRejected = 32
	maxTargets  = 32
)

// queued is what waits for one target, or was given up.
type queued struct {
	stats delivery.LaneStats
	dead  int
	died  string // why the last of the dead ones is
}

// view is what is known of an endpoint at one instant.
type view struct {
	generation int64
	keys       bool
	verifiedAt int64
	refused    evidence
	targets    []health
	receiver   v1alpha1.ReceiverStatus
	// pending says that deliveries of the last notification are still on their way.
	pending bool
	// version is that of what the view was made from.
	version uint64
}

// view is taken with what is queued for the endpoint, by target.
func (r *Recorder) view(e *endpoint, queued map[string]queued) view {
	version := e.changed.Load()
	e.mu.Lock()
	defer e.mu.Unlock()
	v := view{version: version, verifiedAt: e.verifiedAt.Load()}
	if e.route != nil {
		v.generation, v.keys = e.route.Generation, e.route.Policy != nil
	}
	v.receiver = v1alpha1.ReceiverStatus{
		Received: new(e.received.Load()), Duplicates: new(e.duplicates.Load()), LastHandledRedrive: e.redriven,
	}
	for i, reason := range r.Reasons {
		n := e.rejected[i].count.Load()
		v.refused.add(reason, n, n-e.rejected[i].guessed.Load())
		if n > 0 {
			v.receiver.Rejected = append(v.receiver.Rejected, v1alpha1.RejectionStatus{
				Reason: reason, Count: n, LastAt: seconds(instant(e.rejected[i].at.Load())),
			})
		}
	}
	slices.SortFunc(v.receiver.Rejected, func(a, b v1alpha1.RejectionStatus) int { return cmp.Compare(a.Reason, b.Reason) })
	v.receiver.Rejected = v.receiver.Rejected[:min(len(v.receiver.Rejected), maxRejected)]
	v.receiver.LastNotification = e.last.status()
	v.pending = pending(v.receiver.LastNotification)
	for _, name := range e.shown(queued) {
		t := e.targets[name]
		if t == nil {
			t = &target{}
		}
		h := t.health(name, queued[name])
		h.gone = e.targets[name] == nil
		v.targets = append(v.targets, h)
		v.receiver.Targets = append(v.receiver.Targets, t.status(name, queued[name]))
	}
	return v
}

// quiet says that there is nothing to tell yet.
func (v *view) quiet() bool {
	r := &v.receiver
	return *r.Received == 0 && *r.Duplicates == 0 && len(r.Rejected) == 0 && r.LastNotification == nil && r.LastHandledRedrive == "" &&
		!slices.ContainsFunc(v.targets, func(h health) bool { return h.waiting > 0 || h.dead > 0 || h.failures > 0 || h.delivered > 0 })
}

// shown are the targets of the spec, and those that are not there any more while something is left of theirs.
func (e *endpoint) shown(queued map[string]queued) []string {
	var names, left []string
	if e.route != nil {
		for i := range e.route.Targets {
			names = append(names, e.route.Targets[i].Name)
		}
	}
	for name, q := range queued {
		if e.targets[name] == nil && (q.dead > 0 || q.stats.Waiting > 0) {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	names = append(names, left...)
	return names[:min(len(names), maxTargets)]
}

func (t *target) health(name string, q queued) health {
	h := health{
		name: name, paused: !q.stats.PausedUntil.IsZero(), failures: t.failures, failingSince: t.failingSince,
		delivered: t.delivered, waiting: q.stats.Waiting, dead: q.dead, died: q.died,
	}
	if t.failure != nil {
		h.failure = t.failure.message
	}
	return h
}

func (t *target) status(name string, q queued) v1alpha1.TargetStatus {
	s := v1alpha1.TargetStatus{
		Name: name, Delivered: new(t.delivered), Discarded: new(t.discarded), LastDeliveredAt: seconds(t.deliveredAt),
		Waiting: new(int64(q.stats.Waiting)), Retrying: new(int64(q.stats.Retrying)), DeadLetters: new(int64(q.dead)),
	}
	if f := t.failure; f != nil && f.message != "" {
		s.LastFailure = &v1alpha1.DeliveryFailure{At: seconds(f.at), Message: f.message}
		if f.statusCode >= 100 && f.statusCode <= 999 {
			s.LastFailure.StatusCode = int32(f.statusCode)
		}
	}
	return s
}

// pending reports whether a delivery has not been tried yet.
func pending(n *v1alpha1.NotificationStatus) bool {
	return n != nil && slices.ContainsFunc(n.Deliveries, func(d v1alpha1.DeliveryStatus) bool { return d.State == v1alpha1.DeliveryPending })
}

// seconds is a time as status has it, nil for none.
func seconds(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	s := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &s
}
