// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// +kubebuilder:rbac:groups=notifications.cloudinary.dev,resources=cloudinarytriggers;notificationendpoints,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=notifications.cloudinary.dev,resources=cloudinarytriggers/status;notificationendpoints/status,verbs=patch
// +kubebuilder:rbac:groups=notifications.cloudinary.dev,resources=cloudinarytriggers/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// After an error, a fault of the API server that is, a pass is tried again this soon and this late.
// The default's quarter of an hour would leave drift alone long after the API server is back.
const (
	minErrorDelay = 50 * time.Millisecond
	maxErrorDelay = time.Minute
)

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.assemble()
	r.directory.Unnamed = r.Metrics.forgetCloud
	build := builder.TypedControllerManagedBy[resolve.Unit](mgr).
		Named("cloudinary").
		WatchesRawSource(source.TypedFunc[resolve.Unit](r.start)).
		WithOptions(controller.TypedOptions[resolve.Unit]{
			MaxConcurrentReconciles: concurrentPasses,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[resolve.Unit](minErrorDelay, maxErrorDelay),
			NewQueue:                r.newQueue,
		})
	for _, kind := range r.Options.watchedKinds() {
		build = build.Watches(kind.object, r.onEvent(kind), builder.WithPredicates(kind.meaningful))
	}
	if err := build.Complete(r); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	return nil
}

// start takes the queue, so that a pass can wake others, and what was left over when no manager
// ran.
func (r *Reconciler) start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[resolve.Unit]) error {
	r.queue.queue = queue
	r.keys.sweep(ctx)
	return nil
}

// newQueue makes the controller's queue.
func (r *Reconciler) newQueue(_ string, limiter workqueue.TypedRateLimiter[resolve.Unit]) workqueue.TypedRateLimitingInterface[resolve.Unit] {
	return r.queue.share(r.directory, r.Metrics, limiter)
}

// onEvent wakes the units of an object, after an update those that it had before too.
func (r *Reconciler) onEvent(kind watchedKind) handler.TypedEventHandler[client.Object, resolve.Unit] {
	add := func(ctx context.Context, q workqueue.TypedRateLimitingInterface[resolve.Unit], objects ...client.Object) {
		for _, o := range objects {
			for _, u := range kind.units(r.units, ctx, o) {
				r.queue.wakeFor(q, u, o.GetNamespace())
			}
		}
	}
	return handler.TypedFuncs[client.Object, resolve.Unit]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[resolve.Unit]) {
			add(ctx, q, e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[resolve.Unit]) {
			add(ctx, q, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[resolve.Unit]) {
			add(ctx, q, e.Object)
		},
	}
}

// Attach readies a Reconciler whose passes somebody else makes than a manager's controller, such as
// a simulation. What is to be looked at goes into the queue. The function that is returned takes
// the events of a watch, before nil for an object that is new, after nil for one that is gone.
func (r *Reconciler) Attach(ctx context.Context, queue workqueue.TypedRateLimitingInterface[resolve.Unit]) (func(before, after client.Object), error) {
	r.assemble()
	if err := r.start(ctx, queue); err != nil {
		return nil, err
	}
	kinds := r.Options.watchedKinds()
	return func(before, after client.Object) {
		seen := before
		if seen == nil {
			seen = after
		}
		if i := slices.IndexFunc(kinds, func(k watchedKind) bool { return k.has(seen) }); i >= 0 {
			r.handle(ctx, kinds[i], before, after, queue)
		}
	}, nil
}

// handle enqueues the units that an event concerns.
func (r *Reconciler) handle(ctx context.Context, kind watchedKind, before, after client.Object, queue workqueue.TypedRateLimitingInterface[resolve.Unit]) {
	react := r.onEvent(kind)
	switch {
	case before == nil:
		if e := (event.CreateEvent{Object: after}); kind.meaningful.Create(e) {
			react.Create(ctx, e, queue)
		}
	case after == nil:
		if e := (event.DeleteEvent{Object: before}); kind.meaningful.Delete(e) {
			react.Delete(ctx, e, queue)
		}
	default:
		if e := (event.UpdateEvent{ObjectOld: before, ObjectNew: after}); kind.meaningful.Update(e) {
			react.Update(ctx, e, queue)
		}
	}
}
