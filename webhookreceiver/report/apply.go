// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
)

// write writes what the endpoint's status should be by now.
func (o *endpointObject) write(ctx context.Context, w *Writer, now time.Time) error {
	if o.released {
		return o.release(ctx, w)
	}
	v := w.Recorder.view(o.e, w.waiting()[queue.Endpoint{Namespace: o.e.key.Namespace, Name: o.e.key.Name}])
	d := o.judge(v, now)
	if d.equals(o) {
		return errUnchanged
	}
	if err := w.applyEndpoint(ctx, o, d.receiver, d.conditions); err != nil {
		return err
	}
	before := o.conditions
	o.receiver, o.conditions = d.receiver, d.conditions
	w.tellTurns(ctx, o, before, d.conditions, now)
	o.seen, o.unsettled = v.version, d.unsettled
	return nil
}

// release takes back what was written for an endpoint that is there still, and has no receiver any more.
func (o *endpointObject) release(ctx context.Context, w *Writer) error {
	object := w.Objects.Endpoint(o.e.key)
	if object != nil && object.Spec.Receiver == nil && has(&object.Status) {
		if err := w.applyEndpoint(ctx, o, nil, nil); err != nil && judge(err) != gone {
			return err
		}
	}
	o.receiver, o.conditions = nil, nil // so that it is forgotten
	return nil
}

// has reports whether there is anything of the receiver's in a status.
func has(s *v1alpha1.NotificationEndpointStatus) bool {
	return s.Receiver != nil || len(own(s.Conditions)) > 0
}

func (w *Writer) applyEndpoint(
	ctx context.Context, o *endpointObject, receiver *v1alpha1.ReceiverStatus, conditions []metav1.Condition,
) error {
	object := w.Objects.Endpoint(o.e.key)
	if object == nil || object.UID != o.uid {
		return errGone
	}
	part := v1alpha1.NotificationEndpointStatus{Receiver: receiver, Conditions: conditions}
	return w.Client.ApplyStatus(ctx, statusapply.Endpoint(object, part), statusapply.Receiver)
}

func (o *triggerObject) write(ctx context.Context, w *Writer, _ time.Time) error {
	o.e.mu.Lock()
	last := o.t.last.status()
	seen := o.t.last.version
	o.e.mu.Unlock()
	if last == nil || equality.Semantic.DeepEqual(last, o.last) {
		return errUnchanged
	}
	object := w.Objects.Trigger(o.t.key)
	if object == nil || object.UID != o.uid {
		return errGone
	}
	part := v1alpha1.CloudinaryTriggerStatus{LastNotification: last}
	if err := w.Client.ApplyStatus(ctx, statusapply.Trigger(object, part), statusapply.Receiver); err != nil {
		return err
	}
	o.last, o.seen = last, seen
	return nil
}

// errGone means that the object is not there any more, or that another one has its name.
var errGone = errors.New("the object is gone")

// errUnchanged means that what was to be written is there already: it changed back.
var errUnchanged = errors.New("nothing to write")

// verdict is what the answer to a write means.
type verdict int

const (
	written verdict = iota
	unchanged
	gone
	outdated
	refused
	unreachable
)

// judge sorts answers.
func judge(err error) verdict {
	switch {
	case err == nil:
		return written
	case errors.Is(err, errUnchanged):
		return unchanged
	case apierrors.IsNotFound(err) || errors.Is(err, errGone):
		return gone
	case apierrors.IsConflict(err):
		return outdated
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return refused
	default:
		return unreachable
	}
}
