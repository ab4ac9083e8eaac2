// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// callProblem says in a condition's words why a call failed.
func callProblem(creds cloudinary.Credentials, err error) *problem {
	switch {
	case cloudinary.IsUnauthorized(err):
		return &problem{
			v1alpha1.ReasonCredentialsRejected,
			fmt.Sprintf("Cloudinary refuses the credentials (%v); correct the cloud name, the key and the secret in the Secret, or enable the key in the Console", err),
		}
	case cloudinary.IsRateLimited(err):
		return budgetSpent()
	default:
		return &problem{
			v1alpha1.ReasonUnavailable,
			fmt.Sprintf("Cloudinary cannot be reached at %s, or does not answer as it should (%v); it is tried again with back-off, what exists stays as it is",
				excerpt.Shorten(creds.APIHost(), maxShownHost), err),
		}
	}
}

func budgetSpent() *problem {
	return &problem{
		v1alpha1.ReasonRateLimited,
		"the Admin API calls of this hour are used up; nothing is called before Cloudinary's reset, then it goes on by itself",
	}
}

// shareSpent is why a change waits that there are no calls for.
func shareSpent() *problem {
	return &problem{
		v1alpha1.ReasonRateLimited,
		"the operator's share of this hour's Admin API calls is used up, or others have used nearly all of them; after Cloudinary's reset it goes on by itself, in order, repairs last",
	}
}

// list calls GET /triggers and notes what came of it. That the credentials are accepted is for the caller to say, once the list is where
// a pass finds it. It returns errNotLeader, or nil.
func (r *Reconciler) list(ctx context.Context, env *environment, creds cloudinary.Credentials) (bool, error) {
	r.reach(BeforeList)
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
	env.called(meta, r.Now())
	r.reach(AfterList)
	if err == nil && !r.directory.hasRoom(creds.Environment(), sizeOf(triggers)) {
		err = errNoRoom
	}
	if err != nil {
		r.failed(ctx, env, creds, err)
		return false, nil
	}
	env.fresh = &freshList{observedFrom(triggers), begun}
	env.paced = pace(env.paced, begun, r.Options.MinListInterval)
	env.next = begun.Add(r.jittered(env.budget.Stretch(r.Options.SyncInterval, env.clock.at(begun))))
	env.verify, env.blind = false, false
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

// failed turns the failure of a call into a time to wait. Refused credentials are the Secret's matter and not the environment's.
func (r *Reconciler) failed(ctx context.Context, env *environment, creds cloudinary.Credentials, err error) {
	logf.FromContext(ctx).Info("A call to Cloudinary failed", "error", cloudinary.Detail(err), "requestID", cloudinary.RequestID(err))
	if cloudinary.IsUnauthorized(err) {
		r.directory.setAccepted(creds, false)
		env.refused = callProblem(creds, err)
		return
	}
	retryAt := cloudinary.RetryAt(err)
	if !retryAt.IsZero() {
		retryAt = env.clock.local(retryAt)
	}
	r.fail(&env.backoff, r.Now(), retryAt, callProblem(creds, err), maxBackoff)
	env.verify = true // whatever failed, a list shows where we stand
}

// observe lists where a list is due, with the first credentials that are accepted. A member whose credentials are refused goes back
// to a unit of its own.
func (r *Reconciler) observe(ctx context.Context, g *gathered, env *environment) error {
	r.weigh(ctx, g, env) // what a Secret has listed that has come
	now := r.Now()
	due := env.listed.IsZero() && env.doubted == nil || env.blind || !now.Before(env.next) || env.verify && !env.unfinished && !now.Before(r.verifyAt(env))
	if !due || env.backoff.waiting(now) || !r.mayList(env, now) {
		return nil
	}
	for _, key := range g.members {
		creds, ok := r.directory.member(key, g.environment)
		if !ok {
			continue
		}
		listed, err := r.list(ctx, env, creds)
		if listed {
			r.directory.setAccepted(creds, true)
		}
		if listed {
			r.weigh(ctx, g, env)
		}
		if err != nil || listed || env.backoff.waiting(r.Now()) {
			return err
		}
	}
	// Nobody has credentials. The Secret that brings some wakes the environment; until then there is nothing to do in a hurry. What was
	// listed grows old meanwhile.
	env.blind = !env.listed.IsZero()
	env.next, env.verify = r.Now().Add(r.jittered(r.Options.SyncInterval)), false
	return nil
}

// mayList says whether a list is to be called now. One that verifies a write waits for the regular one where calls are short.
func (r *Reconciler) mayList(env *environment, now time.Time) bool {
	switch {
	case env.listed.IsZero(), env.calls(cloudinary.Changing, now) > 0:
		return true
	case now.Before(env.next):
		return false
	default:
		return env.calls(cloudinary.Listing, now) > 0
	}
}

// listBurst is how many lists may follow each other at once, so that a single change is verified without a wait.
const listBurst = 3

// pace counts a list: it returns when the lists so far would all have been called, had each waited interval for the next one.
func pace(paced, begun time.Time, interval time.Duration) time.Time {
	if paced.Before(begun) {
		paced = begun
	}
	return paced.Add(interval)
}

// verifyAt is when a list may follow a write: after listBurst lists in a row there is one each MinListInterval.
func (r *Reconciler) verifyAt(env *environment) time.Time {
	return env.paced.Add(-(listBurst - 1) * r.Options.MinListInterval)
}

// input is what the plan of an environment rests on.
func (r *Reconciler) input(g *gathered, env *environment) plan.Input {
	return plan.Input{
		Objects: g.objects, Observed: env.observed,
		ListedAt: env.clock.at(env.listed), Now: env.clock.at(r.Now()),
		URLLimit: r.Options.URLLimit, Settle: r.Options.SettleTime, Refusals: env.refusals,
	}
}

// wait is how long until the environment is to be looked at again: the time that is left, so that a pass in between pushes nothing away.
func (r *Reconciler) wait(env *environment) time.Duration {
	now := r.Now()
	at, reset := env.next, env.resetAt(now)
	if verifyAt := r.verifyAt(env); env.verify && verifyAt.Before(at) && env.calls(cloudinary.Changing, now) > 0 {
		at = verifyAt
	}
	if !reset.IsZero() && (env.calls(cloudinary.Listing, now) == 0 || env.short > 0 && reset.Before(at)) {
		at = reset
	}
	if env.unfinished {
		at = now
	}
	if opens := env.bars.opensAt(now); !opens.IsZero() && opens.Before(at) {
		at = opens
	}
	if env.backoff.waiting(now) {
		at = env.backoff.notBefore
	}
	return max(at.Sub(now), conflictDelay)
}
