// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// reportUnresolved writes the status of a trigger that leads to no environment. What it holds is left to the environments where it
// does; where it was known before an outage how it stands, that stays.
func (r *Reconciler) reportUnresolved(ctx context.Context, t *triggerState, cause *problem) error {
	if passing(cause) && t.known() {
		return nil
	}
	a := assessment{
		accepted: t.problem, notes: t.notes, done: triggerDone,
		synced: cause, unknown: passing(cause) && t.DeletionTimestamp == nil,
	}
	var own cloudinary.Environment
	if t.endpoint != nil {
		own = t.endpoint.environment // it leads there still, and why no call is accepted is the cause already
	}
	if leaving := r.leaving(t, own); leaving != nil {
		a.synced, a.unknown = leaving, false
	}
	if a.accepted == nil && a.synced == nil {
		a.synced = &problem{v1alpha1.ReasonPending, "the credentials have not been tried yet"}
	}
	return r.finishTrigger(ctx, t, a, t.Status.Registrations, nil)
}

// passing reports whether a problem says nothing about the object, and goes away by itself.
func passing(p *problem) bool { return p != nil && v1alpha1.IsTransient(p.reason) }

// known says whether the status speaks of the present spec.
func (t *triggerState) known() bool {
	g := t.Status.ObservedGeneration
	return g != nil && *g == t.Generation && t.problem == nil && t.DeletionTimestamp == nil
}

// passEndpoint reports on triggers whose endpoint does not exist.
func (r *Reconciler) passEndpoint(ctx context.Context, unit Unit) (time.Duration, error) {
	w, err := r.readWorld(ctx)
	if err != nil {
		return 0, err
	}
	return r.lookAgain(w, unit), r.reportWaiting(ctx, w, unit, nil)
}

// lookAgain is when triggers that lead to no environment, and are being deleted, are to be looked at again; zero: there are none. They go
// when nothing is left in their status. That wakes the unit that was theirs at the time, and a cache that lags behind shows it later.
func (r *Reconciler) lookAgain(w *world, unit Unit) time.Duration {
	for _, t := range w.triggers {
		if t.DeletionTimestamp != nil && w.primaryOf(t) == unit {
			return r.jittered(r.Options.SyncInterval)
		}
	}
	return 0
}

// reportWaiting writes the status of the triggers whose primary is a unit that leads to no environment.
func (r *Reconciler) reportWaiting(ctx context.Context, w *world, unit Unit, cause *problem) error {
	var errs []error
	now := w.snapshot()
	for _, t := range w.triggers {
		if now.primaryOf(t) == unit {
			errs = append(errs, r.reportUnresolved(ctx, newTriggerState(now.viewTrigger(t), true), cause))
		}
	}
	return errors.Join(errs...)
}
