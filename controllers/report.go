// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
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
			e.queue.wakeAll(wake)
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
		e.queue.wakeReleased(t)
	}
	return nil
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
