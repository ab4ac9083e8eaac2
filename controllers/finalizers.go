// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// ensureFinalizer makes sure that an object cannot go while it holds something at Cloudinary.
func (w *objectWriter) ensureFinalizer(ctx context.Context, t *resolve.Trigger) error {
	if controllerutil.ContainsFinalizer(t, v1alpha1.Finalizer) || t.DeletionTimestamp != nil {
		return nil
	}
	changed := t.DeepCopy()
	if err := w.addFinalizer(ctx, changed); err != nil {
		return err
	}
	t.CloudinaryTrigger = changed
	return nil
}

// holdEndpoint makes sure that an endpoint cannot go before what uses it has been released.
func (w *objectWriter) holdEndpoint(ctx context.Context, ep *resolve.Endpoint) error {
	if controllerutil.ContainsFinalizer(ep, v1alpha1.Finalizer) {
		return nil
	}
	own := ep.DeepCopy()
	if err := w.addFinalizer(ctx, own); err != nil {
		return err
	}
	ep.NotificationEndpoint = own
	return nil
}

// addFinalizer changes the object given, which therefore must not be one of the cache's where it
// has no finalizer yet.
func (w *objectWriter) addFinalizer(ctx context.Context, o client.Object) error {
	if controllerutil.ContainsFinalizer(o, v1alpha1.Finalizer) || o.GetDeletionTimestamp() != nil {
		return nil
	}
	if err := w.patchFinalizers(ctx, o, controllerutil.AddFinalizer); err != nil {
		return fmt.Errorf("add finalizer to %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

func (w *objectWriter) removeFinalizer(ctx context.Context, o client.Object) error {
	if !controllerutil.ContainsFinalizer(o, v1alpha1.Finalizer) {
		return nil
	}
	changed, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	if err := w.patchFinalizers(ctx, changed, controllerutil.RemoveFinalizer); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer from %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// patchFinalizers changes an object's finalizers, here and at the API server. A process that may
// not be the leader any more does not: another may be working with what it would let go.
func (w *objectWriter) patchFinalizers(ctx context.Context, o client.Object, change func(client.Object, string) bool) error {
	ctx, cancel, err := w.lease.whileLeader(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer w.whole(o)()
	if err := w.completeFinalizers(ctx, o); err != nil {
		return err
	}
	base, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	change(o, v1alpha1.Finalizer)
	if err := w.client.Patch(ctx, o, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); err != nil {
		return err //nolint:wrapcheck // its callers say of what
	}
	_, err = Strip(o) // the answer has all of it
	return err
}

// completeFinalizers reads those finalizers of others that are not kept: the list is written as a
// whole.
func (w *objectWriter) completeFinalizers(ctx context.Context, o client.Object) error {
	if o.GetAnnotations()[annotationAbridged] == "" {
		return nil
	}
	gvk, err := w.client.GroupVersionKindFor(o)
	if err != nil {
		return err
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(gvk)
	if err := w.live.Get(ctx, client.ObjectKeyFromObject(o), live); err != nil {
		return err //nolint:wrapcheck // as above
	}
	o.SetFinalizers(live.Finalizers) // where the rest has changed too, the resourceVersion turns the write away
	return nil
}
