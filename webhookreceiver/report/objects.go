// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// object is something whose status is written.
type object interface {
	schedule() *schedule
	write(ctx context.Context, w *Writer, now time.Time) error
}

// endpointObject is a NotificationEndpoint as it was written last.
type endpointObject struct {
	timing
	e   *endpoint
	uid types.UID

	// adopted says that the object was read since the start.
	adopted  bool
	receiver *v1alpha1.ReceiverStatus
	// conditions are the receiver's two.
	conditions []metav1.Condition

	doubts doubts
	// missingAt is since when there are no keys.
	missingAt time.Time
	// seen is the version that was looked at last; unsettled says that time alone may change what it means.
	seen      uint64
	looked    bool
	unsettled bool
	// released says that the endpoint has no receiver any more, and its status is to be taken back.
	released bool
}

// triggerObject is a CloudinaryTrigger as it was written last.
type triggerObject struct {
	timing
	e   *endpoint
	t   *trigger
	uid types.UID

	adopted bool
	last    *v1alpha1.NotificationStatus
	seen    uint64
	looked  bool
}

// timing lets objects have a schedule.
type timing struct{ s schedule }

func (t *timing) schedule() *schedule { return &t.s }

// desired is what an endpoint's status should be.
type desired struct {
	receiver   *v1alpha1.ReceiverStatus
	conditions []metav1.Condition
	// urgent says that a condition changed in more than its words.
	urgent    bool
	unsettled bool
	pending   bool
}

// judge works out an endpoint's status from a view. It is pure but for the doubts that it follows.
func (o *endpointObject) judge(v view, now time.Time) desired {
	before := meta.FindStatusCondition(o.conditions, v1alpha1.ConditionVerifying)
	refused, doubtedAt := o.doubts.look(v.verifiedAt, v.refused, now)
	if v.keys {
		o.missingAt = time.Time{}
	} else if o.missingAt.IsZero() {
		o.missingAt = now
	}
	verified := verifying(verification{
		keys: v.keys, missingAt: o.missingAt, verifiedAt: instant(v.verifiedAt), refused: refused, doubtedAt: doubtedAt,
		before: judged(before), beforeAt: transition(before),
	}, now)
	delivered := delivering(o.e.key, v.targets, judged(meta.FindStatusCondition(o.conditions, v1alpha1.ConditionDelivering)), now)

	d := desired{pending: v.pending}
	d.conditions = withCondition(d.conditions, o.conditions, v1alpha1.ConditionVerifying, verified, v.generation, now)
	d.conditions = withCondition(d.conditions, o.conditions, v1alpha1.ConditionDelivering, delivered, v.generation, now)
	if o.receiver != nil || !v.quiet() {
		d.receiver = &v.receiver
	}
	d.urgent = turned(o.conditions, d.conditions)
	d.unsettled = doubtful(v.targets) || (!doubtedAt.IsZero() && verified.status != metav1.ConditionUnknown) ||
		(!v.keys && verified.reason != v1alpha1.ReasonVerificationKeysMissing)
	return d
}

func (d *desired) equals(o *endpointObject) bool {
	return equality.Semantic.DeepEqual(d.receiver, o.receiver) && equality.Semantic.DeepEqual(d.conditions, o.conditions)
}

func judged(c *metav1.Condition) judgment {
	if c == nil {
		return judgment{}
	}
	return judgment{c.Status, c.Reason, c.Message}
}

func transition(c *metav1.Condition) time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.LastTransitionTime.Time
}

// withCondition adds a judgment to conditions; the time of its last transition is the one it had if its status is the same.
func withCondition(
	conditions, before []metav1.Condition, conditionType string, j judgment, generation int64, now time.Time,
) []metav1.Condition {
	if j.status == "" {
		return conditions
	}
	c := metav1.Condition{
		Type: conditionType, Status: j.status, Reason: j.reason, Message: j.message,
		ObservedGeneration: generation, LastTransitionTime: *seconds(now),
	}
	if b := meta.FindStatusCondition(before, conditionType); b != nil && b.Status == j.status {
		c.LastTransitionTime = b.LastTransitionTime
	}
	return append(conditions, c)
}

// turned reports whether a condition came, went, or has another status or reason.
func turned(before, after []metav1.Condition) bool {
	if len(before) != len(after) {
		return true
	}
	for _, a := range after {
		b := meta.FindStatusCondition(before, a.Type)
		if b == nil || b.Status != a.Status || b.Reason != a.Reason {
			return true
		}
	}
	return false
}

// own are the receiver's conditions, in the order in which they are written.
func own(conditions []metav1.Condition) []metav1.Condition {
	var kept []metav1.Condition
	for _, conditionType := range []string{v1alpha1.ConditionVerifying, v1alpha1.ConditionDelivering} {
		if c := meta.FindStatusCondition(conditions, conditionType); c != nil {
			kept = append(kept, *c)
		}
	}
	return kept
}
