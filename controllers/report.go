// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// report writes the verdicts of a pass to status, where something changed, and releases objects
// that are done with.
func (e *environmentPass) report(ctx context.Context, last converged, k verdict.Keys) error {
	use := verdict.LimitUseOf(e.Scope, e.Options.URLLimit, last.Plan)
	err := e.atOnce(e.Order, func(key plan.Key) error {
		t, o := e.Triggers[key], e.Object(key)
		if t.IsPrimary {
			v := last.Verdicts[key]
			a, wake := verdict.Trigger(e.Scope, t, v, &use, verdict.Calls{Failed: e.env.Backoff.Problem, WritesBlocked: last.barred[key], Short: e.env.Short > 0})
			e.wakeAll(wake)
			return e.finishTrigger(ctx, t, a, resolve.WithRecords(t.Status.Registrations, e.Environment, o.Records), v.Observed)
		}
		return e.reportElsewhere(ctx, t, o)
	})
	e.Metrics.environment(e.Environment, len(last.URLs), e.Options.URLLimit, last.Plan)
	e.Metrics.shares(e.Environment, e.env.Short, e.env.Calls(cloudinary.Listing, e.Now()))
	return errors.Join(err, e.reportEndpoints(ctx, len(last.URLs), k))
}

// reportElsewhere writes what a trigger still holds in an environment that is not its primary, and
// lets its primary say the rest.
func (e *environmentPass) reportElsewhere(ctx context.Context, t *resolve.Trigger, o *plan.Object) error {
	if err := e.store(ctx, o.Key, o.Records); err != nil {
		return err
	}
	if len(o.Records) != len(resolve.RecordsIn(t.Before, e.Environment)) {
		e.released(t)
	}
	return nil
}

// finishTrigger writes a trigger's status, and lets an object go that is being deleted and holds
// nothing any more.
func (r *Reconciler) finishTrigger(ctx context.Context, t *resolve.Trigger, a verdict.Assessment, registrations []v1alpha1.Registration, observed []plan.Comparison) error {
	if p := a.DeletionWaits(t); p != nil {
		r.event(t.CloudinaryTrigger, corev1.EventTypeWarning, "DeletionWaits", "%s", excerpt.Shorten(p.Message, verdict.MaxEventText))
	}
	status := verdict.TriggerStatus(t, a, registrations, observed, metav1.NewTime(r.Now()))
	if len(registrations) == 0 && len(t.Before) > 0 {
		r.released(t)
	}
	if t.DeletionTimestamp != nil && len(registrations) == 0 {
		return r.letGo(ctx, t)
	}
	if abandoned(t) {
		return r.abandon(ctx, t, registrations)
	}
	if len(registrations) > 0 {
		if err := r.ensureFinalizer(ctx, t); err != nil {
			return err
		}
	}
	if err := r.writeTriggerStatus(ctx, t, status); err != nil {
		return err
	}
	r.wakeFormer(t.Before, registrations)
	return nil
}

// wakeFormer wakes the Secrets that an object needed until now: perhaps they are to go.
func (r *Reconciler) wakeFormer(before, now []v1alpha1.Registration) {
	for _, former := range before {
		if !slices.ContainsFunc(now, func(reg v1alpha1.Registration) bool {
			return resolve.RegistrationSecret(reg) == resolve.RegistrationSecret(former)
		}) {
			r.wake(resolve.UnitOfSecret(resolve.RegistrationSecret(former)))
		}
	}
}

// reportUnread reports on an environment of which nothing was ever read: it cannot be reached, or
// nobody has credentials for it. A trigger whose state is known from before keeps it.
func (e *environmentPass) reportUnread(ctx context.Context, k verdict.Keys) error {
	cause := verdict.WhyUnread(e.env.Backoff.Problem, e.env.Doubted != nil)
	err := e.atOnce(e.Order, func(key plan.Key) error {
		t := e.Triggers[key]
		a, stays := verdict.Unread(t, cause)
		if !t.IsPrimary || stays {
			return nil
		}
		return e.finishTrigger(ctx, t, a, t.Status.Registrations, nil)
	})
	return errors.Join(err, e.reportEndpoints(ctx, 0, k))
}

// reportEndpoints writes the status of the environment's endpoints.
func (e *environmentPass) reportEndpoints(ctx context.Context, urls int, k verdict.Keys) error {
	var errs []error
	state := verdict.EnvironmentSummary{
		Calls: verdict.Calls{Failed: e.env.Backoff.Problem}, Unread: !e.env.Schedule.Known(), URLs: urls, Limit: e.Options.URLLimit,
	}
	use := verdict.Usage{Waiting: e.env.Short, Limit: e.Options.URLLimit}
	use.CallShare, use.CallLimit = e.env.Budget.Allowance()
	if !state.Unread {
		use.URLs = &state.URLs
	}
	for i := range e.Endpoints {
		ep := &e.Endpoints[i]
		creds, _ := e.World.AcceptedCredentials(ep.Secret, e.Environment)
		a := verdict.Endpoint(e.Scope, ep, state, e.env.WriteBlocks.Cause(e.directory.Fingerprint(creds)), k)
		errs = append(errs, e.finishEndpoint(ctx, e.World, ep, a, use))
	}
	return errors.Join(errs...)
}

// finishEndpoint writes an endpoint's status, and lets an object go that is being deleted and that
// nothing needs any more.
func (r *Reconciler) finishEndpoint(ctx context.Context, w *resolve.World, ep *resolve.Endpoint, a verdict.Assessment, use verdict.Usage) error {
	if ep.DeletionTimestamp != nil && !w.UsesEndpoint(ep.Key) {
		return r.removeFinalizer(ctx, ep.NotificationEndpoint)
	}
	if ep.DeletionTimestamp != nil && ep.Annotations[v1alpha1.AnnotationAbandon] == annotationTrue {
		return r.removeFinalizer(ctx, ep.NotificationEndpoint)
	}
	if err := r.holdEndpoint(ctx, ep); err != nil {
		return err
	}
	return r.writeEndpointStatus(ctx, ep, verdict.EndpointStatus(ep, a, use, metav1.NewTime(r.Now())))
}

// holdEndpoint makes sure that an endpoint cannot go before what uses it has been released.
func (r *Reconciler) holdEndpoint(ctx context.Context, ep *resolve.Endpoint) error {
	if controllerutil.ContainsFinalizer(ep, v1alpha1.Finalizer) {
		return nil
	}
	own := ep.DeepCopy()
	if err := r.addFinalizer(ctx, own); err != nil {
		return err
	}
	ep.NotificationEndpoint = own
	return nil
}
