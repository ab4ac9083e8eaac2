// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// passEndpoint reports on triggers whose endpoint does not exist.
func (r *Reconciler) passEndpoint(ctx context.Context, unit resolve.Unit) (time.Duration, error) {
	w, err := r.worlds.read(ctx)
	if err != nil {
		return 0, err
	}
	p := &waitingPass{Reconciler: r, unit: unit, world: w}
	return p.lookAgain(), p.reportTriggers(ctx, nil)
}

// lookAgain is when triggers that lead to no environment, and are being deleted, are to be looked
// at again; zero: there are none. They go when nothing is left in their status. That wakes the unit
// that was theirs at the time, and a cache that lags behind shows it later.
func (p *waitingPass) lookAgain() time.Duration {
	for _, t := range p.world.Triggers {
		if t.DeletionTimestamp != nil && p.world.PrimaryOf(t) == p.unit {
			return p.jittered(p.Options.SyncInterval)
		}
	}
	return 0
}

// reportTriggers writes the status of the triggers whose primary the unit is.
func (p *waitingPass) reportTriggers(ctx context.Context, cause *resolve.Problem) error {
	var errs []error
	now := p.world.Snapshot()
	for _, t := range p.world.Triggers {
		if now.PrimaryOf(t) != p.unit {
			continue
		}
		view := now.ResolveTrigger(t)
		a, wake, stays := verdict.Unresolved(p.world, &view, cause)
		p.queue.wakeAll(wake)
		if !stays {
			errs = append(errs, p.finishTrigger(ctx, &view, a, view.Status.Registrations, nil))
		}
	}
	return errors.Join(errs...)
}
