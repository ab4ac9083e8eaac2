// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Attach readies a Reconciler whose passes somebody else makes than a manager's controller, such as a simulation. What is to be
// looked at goes into the queue. The function that is returned takes the events of a watch, before nil for an object that is new,
// after nil for one that is gone.
func (r *Reconciler) Attach(ctx context.Context, queue workqueue.TypedRateLimitingInterface[resolve.Unit]) (func(before, after client.Object), error) {
	r.directory = r.newDirectory()
	if err := r.keepQueue(ctx, queue); err != nil {
		return nil, err
	}
	return func(before, after client.Object) {
		seen := before
		if seen == nil {
			seen = after
		}
		h, filter := r.reaction(seen)
		switch {
		case before == nil:
			if e := (event.CreateEvent{Object: after}); filter.Create(e) {
				h.Create(ctx, e, queue)
			}
		case after == nil:
			if e := (event.DeleteEvent{Object: before}); filter.Delete(e) {
				h.Delete(ctx, e, queue)
			}
		default:
			if e := (event.UpdateEvent{ObjectOld: before, ObjectNew: after}); filter.Update(e) {
				h.Update(ctx, e, queue)
			}
		}
	}, nil
}

// reaction is what handles the events of an object's kind, and which of them.
func (r *Reconciler) reaction(o client.Object) (handler.TypedEventHandler[client.Object, resolve.Unit], predicate.Predicate) {
	switch o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return r.onEvent(r.unitsOfTrigger), meaningfulChange()
	case *v1alpha1.NotificationEndpoint:
		return r.onEvent(r.unitsOfEndpoint), meaningfulChange()
	default:
		return r.onEvent(r.unitsOfSecret), predicate.Funcs{} // which lets all through
	}
}
