// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// list calls GET /triggers, and reports whether there is a list now. The caller records that the
// credentials are accepted, once the list is where a pass finds it. The error is errNotLeader, or
// the context's.
func (r *Reconciler) list(ctx context.Context, env *memory.Environment, creds cloudinary.Credentials) (bool, error) {
	callCtx, cancel, err := r.fenced(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	begun := r.Now()
	triggers, meta, err := r.clientFor(creds).ListTriggers(callCtx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	r.Metrics.call(creds.CloudName, "list", err)
	r.Metrics.budget(creds.CloudName, meta.RateLimit)
	env.Called(meta, r.Now())
	if err == nil && !r.directory.HasRoom(creds.Environment(), sizeOf(triggers)) {
		err = errNoRoom
	}
	if err != nil {
		r.failed(ctx, env, creds, err)
		return false, nil
	}
	env.KeepList(resolve.Observed(triggers), begun, r.jittered(env.Stretched(r.Options.SyncInterval, begun)))
	return true, nil
}

var errNoRoom = errors.New("its list of triggers is larger than the manager has room for, beside those of other large environments")

// sizeOf is about how many bytes triggers take.
func sizeOf(triggers []cloudinary.Trigger) int {
	const eachTakes = 256
	size := 0
	for _, t := range triggers {
		size += eachTakes + len(t.ID) + len(t.URI) + len(t.EventType) + len(t.Filter) + len(t.PayloadTemplate)
	}
	return size
}

// failed records why a call failed, and for how long to wait. Refused credentials are the Secret's
// matter and not the environment's.
func (r *Reconciler) failed(ctx context.Context, env *memory.Environment, creds cloudinary.Credentials, err error) {
	logf.FromContext(ctx).Info("A call to Cloudinary failed", "error", cloudinary.Detail(err), "requestID", cloudinary.RequestID(err))
	if cloudinary.IsUnauthorized(err) {
		r.directory.SetAccepted(creds, false)
	}
	env.Failed(err, verdict.CallProblem(creds, err), r.Now(), r.jittered)
}

// observe lists where a list is due, with the first credentials that are accepted. A member whose
// credentials are refused goes back to a unit of its own.
func (e *environmentPass) observe(ctx context.Context) error {
	e.weigh(ctx) // what a Secret has listed that has come
	if !e.env.WantsList(e.Now()) {
		return nil
	}
	for _, key := range e.Members {
		creds, ok := e.World.Member(key, e.Environment)
		if !ok {
			continue
		}
		listed, err := e.list(ctx, e.env, creds)
		if listed {
			e.directory.SetAccepted(creds, true)
		}
		if listed {
			e.weigh(ctx)
		}
		if err != nil || listed || e.env.Backoff.Waiting(e.Now()) {
			return err
		}
	}
	e.env.Schedule.Unable(e.Now().Add(e.jittered(e.Options.SyncInterval)))
	return nil
}

// weigh decides whether the list that came last is believed.
func (e *environmentPass) weigh(ctx context.Context) {
	if doubt := e.env.Weigh(e.input(), e.Now()); doubt != nil {
		logf.FromContext(ctx).Info("Cloudinary's list leaves out most triggers of the operator, and is believed when a second one does too",
			"absent", doubt.Absent, "held", doubt.Held)
	}
}

// input is what the plan of an environment rests on.
func (e *environmentPass) input() plan.Input {
	return e.env.Input(e.Objects, memory.Settings{URLLimit: e.Options.URLLimit, Settle: e.Options.SettleTime}, e.Now())
}

// wait is how long until the environment is to be looked at again.
func (e *environmentPass) wait() time.Duration {
	now := e.Now()
	return max(e.env.NextPass(now).Sub(now), conflictDelay)
}
