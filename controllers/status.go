// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// fieldManager owns the manager's part of status. The manager compares and applies that part alone,
// so that it neither takes over what is the receiver's nor writes because of it.
const fieldManager = client.FieldOwner(statusapply.Manager)

// writeTriggerStatus writes the manager's part of a trigger's status if it differs. The
// resourceVersion goes with it: a conflict means that the decision rests on something old. It may
// rest on the status of another object too, for which no resourceVersion stands: so a process that
// may not be the leader any more does not write.
func (w *objectWriter) writeTriggerStatus(ctx context.Context, t *resolve.Trigger, status v1alpha1.CloudinaryTriggerStatus) error {
	next := verdict.TriggerPart(status)
	if equality.Semantic.DeepEqual(verdict.TriggerPart(t.Status), next) {
		return nil
	}
	version := ""
	read, err := w.pastTheReceiver(ctx, t.CloudinaryTrigger, func(ctx context.Context, o client.Object) error {
		c := statusapply.Trigger(o, next)
		err := w.client.Status().Apply(ctx, c, fieldManager, client.ForceOwnership)
		version = ptr.Deref(c.ResourceVersion, "")
		return err
	})
	if err != nil {
		return fmt.Errorf("write status of trigger %s: %w", t.Key, err)
	}
	written, ok := read.DeepCopyObject().(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return fmt.Errorf("%T is no trigger", read)
	}
	w.events.writeTurn(read, t.Status.Conditions, next.Conditions)
	written.Status, written.ResourceVersion = next, version
	t.CloudinaryTrigger = written
	return nil
}

func (w *objectWriter) writeEndpointStatus(ctx context.Context, ep *resolve.Endpoint, status v1alpha1.NotificationEndpointStatus) error {
	next := verdict.EndpointPart(status)
	if equality.Semantic.DeepEqual(verdict.EndpointPart(ep.Status), next) {
		return nil
	}
	_, err := w.pastTheReceiver(ctx, ep.NotificationEndpoint, func(ctx context.Context, o client.Object) error {
		return w.client.Status().Apply(ctx, statusapply.Endpoint(o, next), fieldManager, client.ForceOwnership)
	})
	if err != nil {
		return fmt.Errorf("write status of endpoint %s: %w", ep.Key, err)
	}
	w.events.writeTurn(ep.NotificationEndpoint, ep.Status.Conditions, next.Conditions)
	return nil
}

// statusTries is how often a write is tried against a receiver that writes the same object. It does
// so once a minute.
const statusTries = 5

// pastTheReceiver writes, and where the resourceVersion that was read is old reads the object anew.
// If all that the manager goes by is as it was, the decision stands and is written with the new
// resourceVersion: without this a notification that comes in the wrong moment would cost a pass,
// and what a call to Cloudinary has just brought. Else the conflict is returned. It returns the
// object that the write rests on.
func (w *objectWriter) pastTheReceiver(ctx context.Context, read client.Object, write func(context.Context, client.Object) error) (client.Object, error) {
	ctx, cancel, err := w.lease.whileLeader(ctx)
	if err != nil {
		return read, err
	}
	defer cancel()
	defer w.whole(read)()
	for try := 1; ; try++ {
		err := write(ctx, read)
		if err == nil || !apierrors.IsConflict(err) || try == statusTries {
			return read, err
		}
		live, readErr := w.readAgain(ctx, read)
		if readErr != nil || !verdict.SameBasis(read, live) {
			return read, err
		}
		read = live
	}
}

// confirm makes sure that a trigger's status is as it was read where nothing is written to it:
// another object's status is about to lose what this one has.
func (w *objectWriter) confirm(ctx context.Context, t *resolve.Trigger) error {
	defer w.whole(t)()
	live, err := w.readAgain(ctx, t.CloudinaryTrigger)
	if err != nil || verdict.SameBasis(t.CloudinaryTrigger, live) {
		return err
	}
	resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "cloudinarytriggers"}
	return apierrors.NewConflict(resource, t.Name, errors.New("it has changed since it was read"))
}
