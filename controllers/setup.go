// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// unitsOfNamespace are those of the endpoints that go by the labels of namespaces: who may use them may have changed.
func (r *Reconciler) unitsOfNamespace(ctx context.Context, _ client.Object) []resolve.Unit {
	var endpoints v1alpha1.NotificationEndpointList
	if err := r.Client.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache cannot fail here, and the next sync looks at it again
	}
	var units []resolve.Unit
	for i := range endpoints.Items {
		if ep := &endpoints.Items[i]; resolve.Selects(ep) {
			units = append(units, r.unitsOfEndpoint(ctx, ep)...)
		}
	}
	return units
}

// +kubebuilder:rbac:groups=notifications.cloudinary.dev,resources=cloudinarytriggers;notificationendpoints,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=notifications.cloudinary.dev,resources=cloudinarytriggers/status;notificationendpoints/status,verbs=patch
// +kubebuilder:rbac:groups=notifications.cloudinary.dev,resources=cloudinarytriggers/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// After an error, a fault of the API server that is, a pass is tried again this soon and this late. The default's quarter of an hour
// would leave drift alone long after the API server is back.
const (
	minErrorDelay = 50 * time.Millisecond
	maxErrorDelay = time.Minute
)

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.directory = r.newDirectory()
	r.directory.Unnamed = r.Metrics.forgetCloud
	build := builder.TypedControllerManagedBy[resolve.Unit](mgr).
		Named("cloudinary").
		WatchesRawSource(source.TypedFunc[resolve.Unit](r.keepQueue)).
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

// keepQueue lets a pass wake others.
func (r *Reconciler) keepQueue(ctx context.Context, queue workqueue.TypedRateLimitingInterface[resolve.Unit]) error {
	r.queue = queue
	r.sweep(ctx)
	return nil
}

func (r *Reconciler) newDirectory() *memory.Directory {
	return memory.NewDirectory(cloudinary.Budget{Share: r.Options.CallShare, ListInterval: r.Options.SyncInterval}, r.Options.MinListInterval)
}

// onEvent wakes the units of an object, after an update those that it had before too.
func (r *Reconciler) onEvent(kind watchedKind) handler.TypedEventHandler[client.Object, resolve.Unit] {
	add := func(ctx context.Context, q workqueue.TypedRateLimitingInterface[resolve.Unit], objects ...client.Object) {
		for _, o := range objects {
			for _, u := range kind.units(r, ctx, o) {
				r.wakeFor(q, u, o.GetNamespace())
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

func (r *Reconciler) unitsOfTrigger(ctx context.Context, o client.Object) []resolve.Unit {
	t, ok := o.(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return nil
	}
	units := resolve.UnitsOf(t.Status.Registrations)
	key := resolve.TriggerEndpoint(t)
	var ep v1alpha1.NotificationEndpoint
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, &ep,
		client.DisableReadYourWritesConsistency); err != nil {
		return append(units, resolve.UnitOfEndpoint(key))
	}
	return append(units, r.directory.UnitOf(resolve.EndpointSecret(&ep)))
}

func (r *Reconciler) unitsOfEndpoint(_ context.Context, o client.Object) []resolve.Unit {
	ep, ok := o.(*v1alpha1.NotificationEndpoint)
	if !ok {
		return nil
	}
	secret := resolve.EndpointSecret(ep)
	units := []resolve.Unit{resolve.UnitOfEndpoint(resolve.KeyOf(ep)), resolve.UnitOfSecret(secret), r.directory.UnitOf(secret)}
	if e := ep.Status.Environment; e != nil {
		units = append(units, resolve.UnitOfEnvironment(cloudinary.Environment{APIBase: e.APIBase, CloudName: e.CloudName}))
	}
	return units
}

func (r *Reconciler) unitsOfSecret(_ context.Context, o client.Object) []resolve.Unit {
	key := resolve.KeyOf(o)
	if _, known := r.directory.Secret(key); known || controllerutil.ContainsFinalizer(o, v1alpha1.Finalizer) {
		return []resolve.Unit{resolve.UnitOfSecret(key)} // held by an earlier process perhaps, for what is no more
	}
	return nil // nobody asked for it yet; who does reads it
}
