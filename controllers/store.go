// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// released wakes what may have waited for a trigger to release something: its primary, with its
// endpoint, and the Secrets. A change of status alone wakes nothing.
func (r *Reconciler) released(t *resolve.Trigger) {
	r.wake(t.Primary)
	for _, reg := range t.Before {
		r.wake(resolve.UnitOfSecret(resolve.RegistrationSecret(reg)))
	}
}

// storeRecords writes what objects hold in the environment, where that changed.
func (e *environmentPass) storeRecords(ctx context.Context, keys []plan.Key) error {
	return e.atOnce(keys, func(key plan.Key) error {
		return e.store(ctx, key, e.Object(key).Records)
	})
}

// storeDone writes what calls to Cloudinary have brought. Where somebody has changed an object meanwhile, that is no less true: it is written
// beside the change, the object is set aside, since this pass's plan knows nothing of the change, and the conflict is returned, so that
// another pass follows. Without this the next pass would take our own write for somebody else's. What the plan alone has released, and
// not a call, the object keeps: by the change it may have to be deleted.
func (e *environmentPass) storeDone(ctx context.Context, p plan.Plan, keys []plan.Key) error {
	changed := make([]bool, len(keys))
	err := e.atOnce(keys, func(key plan.Key) error {
		o := e.Object(key)
		err := e.store(ctx, key, o.Records)
		if apierrors.IsConflict(err) {
			changed[slices.Index(keys, key)] = true
			o.Records = slices.Concat(o.Records, p.Verdicts[key].Released)
			return errors.Join(err, e.storeBeside(ctx, e.Triggers[key], o.Records))
		}
		return err
	})
	for i, key := range keys {
		if changed[i] {
			e.setAside[key] = true
		}
	}
	return err
}

// storeBeside writes an object's registrations into the status of what the object is now, unless its status is not what this pass goes by.
// What the pass holds of the object stays as it was read: nothing else may be written by it.
func (e *environmentPass) storeBeside(ctx context.Context, t *resolve.Trigger, records []plan.Record) error {
	o, err := e.readAgain(ctx, t.CloudinaryTrigger)
	if err != nil {
		return err
	}
	live, ok := o.(*v1alpha1.CloudinaryTrigger)
	if !ok || live.UID != t.UID || !equality.Semantic.DeepEqual(triggerPart(live.Status), triggerPart(t.Status)) {
		return nil
	}
	status := live.Status.DeepCopy()
	status.Registrations = resolve.WithRecords(live.Status.Registrations, e.Environment, records)
	beside := *t
	beside.CloudinaryTrigger = live
	return e.writeTriggerStatus(ctx, &beside, *status)
}

// writesAtOnce is how many objects are written to at once. One waits for the API server alone.
const writesAtOnce = 8

// atOnce does something for objects that do not depend on each other, for all of them whatever happens to one. Each key may be
// there once.
func (r *Reconciler) atOnce(keys []plan.Key, do func(plan.Key) error) error {
	parallelize := r.Parallelize
	if parallelize == nil {
		parallelize = someAtOnce
	}
	errs := make([]error, len(keys))
	parallelize(len(keys), func(i int) { errs[i] = do(keys[i]) })
	return errors.Join(errs...)
}

// someAtOnce does pieces of work, up to writesAtOnce at a time.
func someAtOnce(pieces int, do func(piece int)) {
	var group errgroup.Group
	group.SetLimit(writesAtOnce)
	for i := range pieces {
		group.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = group.Wait() // its functions return none
}

// store writes an object's registrations in the environment and leaves the rest of its status as it is.
func (e *environmentPass) store(ctx context.Context, key plan.Key, records []plan.Record) error {
	t := e.Triggers[key]
	if len(records) > 0 {
		if err := e.ensureFinalizer(ctx, t); err != nil {
			return err
		}
	}
	status := t.Status.DeepCopy()
	status.Registrations = resolve.WithRecords(t.Status.Registrations, e.Environment, records)
	return e.writeTriggerStatus(ctx, t, *status)
}

// ensureFinalizer makes sure that an object cannot go while it holds something at Cloudinary.
func (r *Reconciler) ensureFinalizer(ctx context.Context, t *resolve.Trigger) error {
	if controllerutil.ContainsFinalizer(t, v1alpha1.Finalizer) || t.DeletionTimestamp != nil {
		return nil
	}
	changed := t.DeepCopy()
	if err := r.addFinalizer(ctx, changed); err != nil {
		return err
	}
	t.CloudinaryTrigger = changed
	return nil
}

// addFinalizer changes the object given, which therefore must not be one of the cache's where it has no finalizer yet.
func (r *Reconciler) addFinalizer(ctx context.Context, o client.Object) error {
	if controllerutil.ContainsFinalizer(o, v1alpha1.Finalizer) || o.GetDeletionTimestamp() != nil {
		return nil
	}
	if err := r.patchFinalizers(ctx, o, controllerutil.AddFinalizer); err != nil {
		return fmt.Errorf("add finalizer to %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

func (r *Reconciler) removeFinalizer(ctx context.Context, o client.Object) error {
	if !controllerutil.ContainsFinalizer(o, v1alpha1.Finalizer) {
		return nil
	}
	changed, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	if err := r.patchFinalizers(ctx, changed, controllerutil.RemoveFinalizer); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer from %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// patchFinalizers changes an object's finalizers, here and at the API server. A process that may not be the leader any more does not: another
// may be working with what it would let go.
func (r *Reconciler) patchFinalizers(ctx context.Context, o client.Object, change func(client.Object, string) bool) error {
	ctx, cancel, err := r.whileLeader(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer r.whole(o)()
	if err := r.completeFinalizers(ctx, o); err != nil {
		return err
	}
	base, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	change(o, v1alpha1.Finalizer)
	if err := r.Client.Patch(ctx, o, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); err != nil {
		return err //nolint:wrapcheck // its callers say of what
	}
	_, err = Strip(o) // the answer has all of it
	return err
}

// completeFinalizers reads those finalizers of others that are not kept: the list is written as a whole.
func (r *Reconciler) completeFinalizers(ctx context.Context, o client.Object) error {
	if o.GetAnnotations()[annotationAbridged] == "" {
		return nil
	}
	gvk, err := r.Client.GroupVersionKindFor(o)
	if err != nil {
		return err
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(gvk)
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(o), live); err != nil {
		return err //nolint:wrapcheck // as above
	}
	o.SetFinalizers(live.Finalizers) // where the rest has changed too, the resourceVersion turns the write away
	return nil
}

// letGo ends the deletion of a trigger that holds nothing any more, and looks after what waited for it.
func (r *Reconciler) letGo(ctx context.Context, t *resolve.Trigger) error {
	if err := r.removeFinalizer(ctx, t.CloudinaryTrigger); err != nil {
		return err
	}
	r.released(t)
	return nil
}

func abandoned(t *resolve.Trigger) bool {
	return t.DeletionTimestamp != nil && t.Annotations[v1alpha1.AnnotationAbandon] == annotationTrue
}

// abandon ends the wait of an object that is being deleted, naming what it leaves behind: nothing else has the ids any more. In a namespace
// that is being deleted no Event can be made, so that the log has them too.
func (r *Reconciler) abandon(ctx context.Context, t *resolve.Trigger, registrations []v1alpha1.Registration) error {
	for _, reg := range registrations {
		for _, left := range reg.Triggers {
			logf.FromContext(ctx).Info("Left a trigger behind at Cloudinary",
				"trigger", types.NamespacedName(t.Key), "environment", resolve.RegistrationEnvironment(reg).String(), "eventType", left.EventType, "triggerID", left.ID)
		}
	}
	notes := verdict.LeftBehind(registrations)
	for i, note := range notes {
		action := "Abandon"
		if len(notes) > 1 { // Events that differ in the note alone would be merged by the API's series, and only the first would be read
			action = fmt.Sprintf("Abandon %d of %d", i+1, len(notes))
		}
		if r.Events != nil {
			r.Events.Eventf(t.CloudinaryTrigger, nil, corev1.EventTypeWarning, "Abandoned", action, "%s", note)
		}
	}
	return r.letGo(ctx, t)
}
