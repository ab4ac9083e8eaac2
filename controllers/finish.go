// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// finishTrigger writes a trigger's status, and lets an object go that is being deleted and holds
// nothing any more.
func (r *Reconciler) finishTrigger(ctx context.Context, t *resolve.Trigger, a verdict.Assessment, registrations []v1alpha1.Registration, observed []plan.Comparison) error {
	if p := a.DeletionWaits(t); p != nil {
		r.events.write(t.CloudinaryTrigger, corev1.EventTypeWarning, "DeletionWaits", "Sync", "%s", excerpt.Shorten(p.Message, verdict.MaxEventText))
	}
	status := verdict.TriggerStatus(t, a, registrations, observed, metav1.NewTime(r.Now()))
	if len(registrations) == 0 && len(t.Before) > 0 {
		r.queue.wakeReleased(t)
	}
	if t.DeletionTimestamp != nil && len(registrations) == 0 {
		return r.letGo(ctx, t)
	}
	if resolve.Abandoned(t) {
		return r.abandon(ctx, t, registrations)
	}
	if len(registrations) > 0 {
		if err := r.objects.ensureFinalizer(ctx, t); err != nil {
			return err
		}
	}
	if err := r.objects.writeTriggerStatus(ctx, t, status); err != nil {
		return err
	}
	r.queue.wakeFormer(t.Before, registrations)
	return nil
}

// finishEndpoint writes an endpoint's status, and lets an object go that is being deleted and that
// nothing needs any more.
func (r *Reconciler) finishEndpoint(ctx context.Context, w *resolve.World, ep *resolve.Endpoint, a verdict.Assessment, use verdict.Usage) error {
	if ep.DeletionTimestamp != nil && !w.UsesEndpoint(ep.Key) {
		return r.objects.removeFinalizer(ctx, ep.NotificationEndpoint)
	}
	if resolve.Abandoned(ep) {
		return r.objects.removeFinalizer(ctx, ep.NotificationEndpoint)
	}
	if err := r.objects.holdEndpoint(ctx, ep); err != nil {
		return err
	}
	return r.objects.writeEndpointStatus(ctx, ep, verdict.EndpointStatus(ep, a, use, metav1.NewTime(r.Now())))
}

// letGo ends the deletion of a trigger that holds nothing any more, and looks after what waited for
// it.
func (r *Reconciler) letGo(ctx context.Context, t *resolve.Trigger) error {
	if err := r.objects.removeFinalizer(ctx, t.CloudinaryTrigger); err != nil {
		return err
	}
	r.queue.wakeReleased(t)
	return nil
}

// abandon ends the wait of an object that is being deleted, naming what it leaves behind: nothing
// else has the ids any more. In a namespace that is being deleted no Event can be made, so that the
// log has them too.
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
		r.events.write(t.CloudinaryTrigger, corev1.EventTypeWarning, "Abandoned", action, "%s", note)
	}
	return r.letGo(ctx, t)
}
