// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// passEnvironment is gather, observe, plan, apply and report for one product environment.
func (r *Reconciler) passEnvironment(ctx context.Context, unit Unit) (time.Duration, error) {
	if !r.mayCall(unit, unit.Environment) {
		return 0, nil
	}
	begun := r.Now()
	g, err := r.gather(ctx, unit.Environment)
	if err != nil {
		return 0, err
	}
	r.reach(AtGathered)
	if g.empty() {
		r.directory.forgetEnvironment(unit.Environment)
		r.Metrics.forgetCloud(unit.Environment.CloudName)
		return r.keepLastKeys(ctx, g)
	}
	env := r.directory.environment(unit.Environment)
	env.mu.Lock()
	defer env.mu.Unlock()
	g.until = begun.Add(maxPass)

	if err := r.observe(ctx, g, env); err != nil {
		return 0, err
	}
	r.wakeOutsiders(g)
	if _, err := r.keepKeys(ctx, g); errors.Is(err, errNotLeader) {
		return 0, err
	} else if err != nil {
		g.keysProblem = keysProblem(err)
		g.failures = append(g.failures, err) // triggers do not wait for keys
	}
	if env.listed.IsZero() {
		return r.wait(env), errors.Join(append(g.failures, r.reportUnread(ctx, g, env))...)
	}
	r.holdEndpoints(ctx, g)
	last, err := r.converge(ctx, g, env)
	if err != nil {
		return 0, err
	}
	env.unfinished = len(last.Steps) > 0 && !r.Now().Before(g.until)
	r.reach(BeforeReport)
	err = r.report(ctx, g, env, last)
	r.reach(AfterReport)
	return r.wait(env), errors.Join(append(g.failures, err)...)
}

// holdEndpoints makes sure that no endpoint can go while there are triggers by it. Where one cannot be held, its triggers are set aside.
func (r *Reconciler) holdEndpoints(ctx context.Context, g *gathered) {
	for i := range g.endpoints {
		ep := &g.endpoints[i]
		err := r.holdEndpoint(ctx, ep)
		if err == nil {
			continue
		}
		g.failures = append(g.failures, err)
		for key, t := range g.triggers {
			if t.endpointKey == ep.key {
				g.setAside[key] = true
			}
		}
	}
}

// wakeOutsiders lets Secrets that name this environment, and are not accepted in it (any more), speak for themselves.
func (r *Reconciler) wakeOutsiders(g *gathered) {
	for _, key := range g.members {
		s, ok := r.directory.secret(key)
		if ok && s.problem == nil && s.credentials.Environment() == g.environment && !r.directory.isAccepted(s.credentials) {
			r.wake(secretUnit(key))
		}
	}
}

// maxPass is how long a pass goes on to take steps. What is left is for the next one, so that an environment that answers slowly does
// not keep a worker from others.
const maxPass = 10 * time.Second

// stepsPerRound is how many steps are taken before what they did is written to status.
const stepsPerRound = 50

// converge plans and applies until a plan has no step that can be taken, and returns that plan.
func (r *Reconciler) converge(ctx context.Context, g *gathered, env *environment) (plan.Plan, error) {
	for {
		aside := len(g.setAside)
		p, done, err := r.round(ctx, g, env)
		if err != nil {
			return plan.Plan{}, err
		}
		if len(p.Steps) > 0 && len(done) > 0 && !r.Now().Before(g.until) {
			return r.replanned(g, env), nil
		}
		again := len(done) > 0 || len(g.setAside) > aside
		if !again && len(p.Steps) == 0 && env.verify {
			again, err = r.observeAgain(ctx, g, env)
		}
		if err != nil || !again {
			return p, err
		}
	}
}

// replanned is the plan after the steps of a round, none of which is taken any more.
func (r *Reconciler) replanned(g *gathered, env *environment) plan.Plan {
	p := plan.Make(r.input(g, env))
	for i := range g.objects {
		if o := &g.objects[i]; !g.frozen(o) {
			o.Records = p.Verdicts[o.Key].Records
		}
	}
	return p
}

// round plans once, takes some steps, and stores what became of them.
func (r *Reconciler) round(ctx context.Context, g *gathered, env *environment) (plan.Plan, []plan.Key, error) {
	in := r.input(g, env)
	p := plan.Make(in)
	r.reach(AtPlanned)
	for i := range g.objects {
		if o := &g.objects[i]; !g.frozen(o) {
			o.Records = p.Verdicts[o.Key].Records
		}
	}
	if err := r.storeHandovers(ctx, g, p); err != nil {
		g.failures = append(g.failures, err)
		return p, nil, ctx.Err()
	}
	done, err := r.applySome(ctx, g, env, &in, p.Steps)
	// What was done is done, also where the pass ends here.
	g.objects, env.observed, env.refusals = in.Objects, in.Observed, in.Refusals
	if err != nil {
		return plan.Plan{}, nil, err
	}
	r.reach(BeforeRecords)
	if err := r.storeDone(ctx, g, p, done); err != nil {
		g.failures = append(g.failures, err) // what was done is settled by a list where it cannot be stored
	}
	r.reach(AfterRecords)
	return p, done, ctx.Err()
}

// observeAgain verifies what was written, if a list may be called by now.
func (r *Reconciler) observeAgain(ctx context.Context, g *gathered, env *environment) (bool, error) {
	before := env.listed
	err := r.observe(ctx, g, env)
	return !env.listed.Equal(before), err
}

// storeHandovers writes what changed hands into the status of those that took, then out of that of those that gave, so
// that a trigger of ours is recorded at every moment. An object may take and give at once.
func (r *Reconciler) storeHandovers(ctx context.Context, g *gathered, p plan.Plan) error {
	if len(p.Handovers) == 0 {
		return nil
	}
	r.reach(BeforeHandover)
	ids := given(p)
	err := r.atOnce(g.having(ids, p), func(key plan.Key) error {
		v := p.Verdicts[key]
		if takes(v.Records, g.stored(key), ids) {
			return r.store(ctx, g, key, slices.Concat(v.Records, v.Giving))
		}
		return r.confirm(ctx, g.triggers[key])
	})
	if err == nil {
		r.reach(AtTaken)
		err = r.storeRecords(ctx, g, p.Handovers)
	}
	if err != nil {
		g.freeze(ids, p)
	}
	r.reach(AfterHandover)
	return err
}

// given are the ids of the triggers that change hands.
func given(p plan.Plan) map[string]bool {
	ids := map[string]bool{}
	for _, key := range p.Handovers {
		for _, rec := range p.Verdicts[key].Giving {
			ids[rec.ID] = true
		}
	}
	return ids
}

// having are the objects that are to have what others give, or have it already.
func (g *gathered) having(given map[string]bool, p plan.Plan) []plan.Key {
	return slices.DeleteFunc(slices.Clone(g.order), func(key plan.Key) bool { return !takes(p.Verdicts[key].Records, nil, given) })
}

// freeze sets aside all that take part in a hand-over which could not be stored. For this pass they keep what their status says: a
// trigger that one of them gives up must not be deleted while the one that wants it cannot be written to.
func (g *gathered) freeze(given map[string]bool, p plan.Plan) {
	for _, key := range g.order {
		v := p.Verdicts[key]
		if o := g.object(key); takes(slices.Concat(v.Records, v.Giving), nil, given) {
			o.Stance, o.Records = plan.Holds, g.stored(key)
			g.setAside[key] = true
		}
	}
}

// frozen says whether an object took part in a hand-over that could not be stored. The answer to a write may have been lost: nobody knows
// which of the statuses has the record now, so that none may be changed because of another.
func (g *gathered) frozen(o *plan.Object) bool { return g.setAside[o.Key] && o.Stance == plan.Holds }

// takes says whether an object gets a record that another one gives.
func takes(next, stored []plan.Record, given map[string]bool) bool {
	return slices.ContainsFunc(next, func(rec plan.Record) bool {
		return given[rec.ID] && !slices.ContainsFunc(stored, func(s plan.Record) bool { return s.ID == rec.ID })
	})
}

// stored is what the status of an object says, as it was last read or written.
func (g *gathered) stored(key plan.Key) []plan.Record {
	return recordsIn(g.triggers[key].Status.Registrations, g.environment)
}
