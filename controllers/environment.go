// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// passEnvironment is one pass over a product environment. Its phases, and what each hands on:
//
//	gather    the objects in which the environment appears, and where they lead    scope
//	observe   lists its triggers, if that is due                                   what is known of it
//	keep      writes the verification keys that the receiver needs for it          keys
//	converge  plans and applies, until no step is left that can be taken           converged
//	report    writes to status what there is to say of the objects
func (r *Reconciler) passEnvironment(ctx context.Context, unit resolve.Unit) (time.Duration, error) {
	if !r.queue.mayCall(unit, unit.Environment) {
		return 0, nil
	}
	begun := r.Now()
	s, err := r.worlds.gather(ctx, unit.Environment)
	if err != nil {
		return 0, err
	}
	if s.Empty() {
		r.directory.ForgetEnvironment(unit.Environment)
		r.Metrics.forgetCloud(unit.Environment.CloudName)
		return r.keepLastKeys(ctx, s)
	}
	env := r.directory.State(unit.Environment)
	env.Lock()
	defer env.Unlock()
	e := &environmentPass{Reconciler: r, Scope: s, env: env, until: begun.Add(maxPass), setAside: map[plan.Key]bool{}}

	if err := e.observe(ctx); err != nil {
		return 0, err
	}
	r.queue.wakeAll(s.UnacceptedSecrets())
	keys, _, keysErr := r.keys.keep(ctx, s)
	if errors.Is(keysErr, errNotLeader) {
		return 0, keysErr
	}
	if !env.Schedule.Known() {
		return e.wait(), errors.Join(keysErr, e.reportUnread(ctx, keys)) // triggers do not wait for keys
	}
	e.holdEndpoints(ctx)
	last, err := e.converge(ctx)
	if err != nil {
		return 0, err
	}
	env.Schedule.Finished(len(last.Steps) == 0 || r.Now().Before(e.until))
	err = e.report(ctx, last, keys)
	return e.wait(), errors.Join(append(e.failures, keysErr, err)...)
}

// holdEndpoints makes sure that no endpoint can go while there are triggers by it. Where one cannot
// be held, its triggers are set aside.
func (e *environmentPass) holdEndpoints(ctx context.Context) {
	for i := range e.Endpoints {
		ep := &e.Endpoints[i]
		err := e.objects.holdEndpoint(ctx, ep)
		if err == nil {
			continue
		}
		e.failures = append(e.failures, err)
		for key, t := range e.Triggers {
			if t.EndpointKey == ep.Key {
				e.setAside[key] = true
			}
		}
	}
}

// maxPass is how long a pass goes on to take steps. What is left is for the next one, so that an
// environment that answers slowly does not keep a worker from others.
const maxPass = 10 * time.Second

// converge plans and applies until a plan has no step that can be taken, and returns that plan.
func (e *environmentPass) converge(ctx context.Context) (converged, error) {
	var barred map[plan.Key]*resolve.Problem
	for {
		aside := len(e.setAside)
		last, done, err := e.round(ctx)
		if err != nil {
			return converged{}, err
		}
		if last.barred == nil { // it came to no step: what was kept back before still is
			last.barred = barred
		}
		barred = last.barred
		if len(last.Steps) > 0 && len(done) > 0 && !e.Now().Before(e.until) {
			return converged{e.replanned(), last.barred}, nil
		}
		again := len(done) > 0 || len(e.setAside) > aside
		if !again && len(last.Steps) == 0 && e.env.Schedule.Verify {
			again, err = e.observeAgain(ctx)
		}
		if err != nil || !again {
			return last, err
		}
	}
}

// replanned is the plan after the steps of a round, none of which is taken any more.
func (e *environmentPass) replanned() plan.Plan {
	p := plan.Make(e.input())
	for i := range e.Objects {
		if o := &e.Objects[i]; !e.frozen(o) {
			o.Records = p.Verdicts[o.Key].Records
		}
	}
	return p
}

// round plans once, takes some steps, and stores what became of them.
func (e *environmentPass) round(ctx context.Context) (converged, []plan.Key, error) {
	in := e.input()
	p := plan.Make(in)
	for i := range e.Objects {
		if o := &e.Objects[i]; !e.frozen(o) {
			o.Records = p.Verdicts[o.Key].Records
		}
	}
	if err := e.storeHandovers(ctx, p); err != nil {
		e.failures = append(e.failures, err)
		return converged{Plan: p}, nil, ctx.Err()
	}
	done, barred, err := e.applySome(ctx, &in, p.Steps)
	// What was done is done, also where the pass ends here.
	e.Objects, e.env.Observed, e.env.Refusals = in.Objects, in.Observed, in.Refusals
	if err != nil {
		return converged{}, nil, err
	}
	if err := e.storeDone(ctx, p, done); err != nil {
		e.failures = append(e.failures, err) // what was done is settled by a list where it cannot be stored
	}
	return converged{p, barred}, done, ctx.Err()
}

// observeAgain verifies what was written, if a list may be called by now.
func (e *environmentPass) observeAgain(ctx context.Context) (bool, error) {
	before := e.env.Schedule.Listed
	err := e.observe(ctx)
	return !e.env.Schedule.Listed.Equal(before), err
}

// storeHandovers writes what changed hands into the status of those that took, then out of that of
// those that gave, so that a trigger of ours is recorded at every moment. An object may take and
// give at once.
func (e *environmentPass) storeHandovers(ctx context.Context, p plan.Plan) error {
	if len(p.Handovers) == 0 {
		return nil
	}
	handover := p.Handover()
	takers := slices.DeleteFunc(slices.Clone(e.Order), func(key plan.Key) bool { return !handover.Has(key) })
	err := e.atOnce(takers, func(key plan.Key) error {
		v := p.Verdicts[key]
		if handover.Receives(key, e.Stored(key)) {
			return e.store(ctx, key, slices.Concat(v.Records, v.Giving))
		}
		return e.objects.confirm(ctx, e.Triggers[key])
	})
	if err == nil {
		err = e.storeRecords(ctx, p.Handovers)
	}
	if err != nil {
		e.freeze(handover)
	}
	return err
}

// freeze sets aside all that take part in a hand-over which could not be stored. For this pass they
// keep what their status says: a trigger that one of them gives up must not be deleted while the
// one that wants it cannot be written to.
func (e *environmentPass) freeze(handover plan.Handover) {
	for _, key := range e.Order {
		if o := e.Object(key); handover.Concerns(key) {
			o.Stance, o.Records = plan.Keeps, e.Stored(key)
			e.setAside[key] = true
		}
	}
}

// frozen reports whether an object took part in a hand-over that could not be stored. The answer to
// a write may have been lost: nobody knows which of the statuses has the record now, so that none
// may be changed because of another.
func (e *environmentPass) frozen(o *plan.Object) bool {
	return e.setAside[o.Key] && o.Stance == plan.Keeps
}
