// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// storeRecords writes what objects hold in the environment, where that changed.
func (e *environmentPass) storeRecords(ctx context.Context, keys []plan.Key) error {
	return e.atOnce(keys, func(key plan.Key) error {
		return e.store(ctx, key, e.Object(key).Records)
	})
}

// storeDone writes what calls to Cloudinary have brought. Where somebody has changed an object
// meanwhile, that is no less true: it is written beside the change, the object is set aside, since
// this pass's plan knows nothing of the change, and the conflict is returned, so that another pass
// follows. Without this the next pass would take our own write for somebody else's. What the plan
// alone has released, and not a call, the object keeps: by the change it may have to be deleted.
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

// storeBeside writes an object's registrations into the status of what the object is now, unless
// its status is not what this pass goes by. What the pass holds of the object stays as it was read:
// nothing else may be written by it.
func (e *environmentPass) storeBeside(ctx context.Context, t *resolve.Trigger, records []plan.Record) error {
	o, err := e.objects.readAgain(ctx, t.CloudinaryTrigger)
	if err != nil {
		return err
	}
	live, ok := o.(*v1alpha1.CloudinaryTrigger)
	if !ok || live.UID != t.UID || !equality.Semantic.DeepEqual(verdict.TriggerPart(live.Status), verdict.TriggerPart(t.Status)) {
		return nil
	}
	status := live.Status.DeepCopy()
	status.Registrations = resolve.WithRecords(live.Status.Registrations, e.Environment, records)
	beside := *t
	beside.CloudinaryTrigger = live
	return e.objects.writeTriggerStatus(ctx, &beside, *status)
}

// store writes an object's registrations in the environment and leaves the rest of its status as it
// is.
func (e *environmentPass) store(ctx context.Context, key plan.Key, records []plan.Record) error {
	t := e.Triggers[key]
	if len(records) > 0 {
		if err := e.objects.ensureFinalizer(ctx, t); err != nil {
			return err
		}
	}
	status := t.Status.DeepCopy()
	status.Registrations = resolve.WithRecords(t.Status.Registrations, e.Environment, records)
	return e.objects.writeTriggerStatus(ctx, t, *status)
}
