// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// stepsPerRound is how many steps are taken before what they did is written to status.
const stepsPerRound = 50

// applySome takes the first steps that can be taken, in order, and returns the objects for which
// something was done, and those for which credentials may do nothing. It stops early when the
// environment has to wait.
func (e *environmentPass) applySome(ctx context.Context, in *plan.Input, steps []plan.Step) (done []plan.Key, barred map[plan.Key]*resolve.Problem, err error) {
	env := e.env
	a := &applier{environmentPass: e, in: in, done: map[plan.Key]bool{}, told: map[told][]string{}, full: map[string]string{}}
	defer a.tell()
	steps, barred = env.WriteBlocks.Admit(slices.DeleteFunc(slices.Clone(steps), a.cannot), a.fingerprint, e.Now())
	affordable := env.Affordable(steps, e.Now())
	env.Short = len(steps) - affordable
	steps = steps[:min(affordable, stepsPerRound)]
	if err := a.checkLease(steps); err != nil {
		return nil, nil, err
	}
	a.hold(ctx, steps)
	for len(steps) > 0 && !a.ended && !env.Backoff.Waiting(e.Now()) && e.Now().Before(e.until) {
		n := max(1, plan.IntendedTogether(steps))
		if !env.WriteBlocks.Blocked(a.fingerprint(steps[0]), e.Now()) && a.prepare(ctx, steps[:n]) {
			for _, s := range steps[:n] {
				if err := a.step(ctx, s); err != nil {
					return nil, nil, err
				}
			}
		}
		steps = steps[n:]
	}
	return a.touched(), barred, ctx.Err()
}

// cannot reports whether a step cannot be taken in this pass.
func (a *applier) cannot(s plan.Step) bool {
	_, ok := a.Credentials(s)
	return !ok || a.setAside[s.Object]
}

// fingerprint is that of the credentials that a step is taken with.
func (a *applier) fingerprint(s plan.Step) string {
	creds, _ := a.Credentials(s)
	return a.directory.Fingerprint(creds)
}

// hold makes sure that no object can go for which something is about to be created. It is here for
// speed: where it fails, intend does too.
func (a *applier) hold(ctx context.Context, steps []plan.Step) {
	var keys []plan.Key
	for _, s := range steps {
		if s.Action == plan.Create && !slices.Contains(keys, s.Object) {
			keys = append(keys, s.Object)
		}
	}
	_ = a.atOnce(keys, func(key plan.Key) error { return a.objects.ensureFinalizer(ctx, a.Triggers[key]) })
}

// prepare stores what must be stored before the steps of one object are taken. Where that fails,
// the object is set aside.
func (a *applier) prepare(ctx context.Context, steps []plan.Step) bool {
	err := a.intend(ctx, steps)
	if err == nil {
		err = a.storeFirst(ctx, steps[0])
	}
	if err == nil {
		return true
	}
	for _, s := range steps {
		if s.Action == plan.Replace {
			_, s = s.Halves()
		}
		if s.Action == plan.Create {
			plan.Apply(a.in, s, plan.Outcome{Result: plan.NotSent})
		}
	}
	a.setAside[steps[0].Object] = true
	a.failures = append(a.failures, err)
	a.done[steps[0].Object] = false
	return false
}

func (a *applier) touched() []plan.Key {
	return slices.DeleteFunc(slices.Clone(a.Order), func(k plan.Key) bool { return !a.done[k] })
}

// intend stores that the creates are about to be called. A conflict means that the object is not as
// we read it: nothing is called.
func (a *applier) intend(ctx context.Context, steps []plan.Step) error {
	if plan.IntendedTogether(steps) == 0 {
		return nil
	}
	key := steps[0].Object
	a.intended = a.Now()
	at := a.env.Clock.At(a.intended)
	for _, s := range steps {
		if s.Action == plan.Replace {
			_, s = s.Halves()
		}
		plan.Intend(a.in, s, at)
	}
	a.Objects = a.in.Objects
	return a.storeRecords(ctx, []plan.Key{key})
}

// storeFirst stores the records of an update that have to be there before the call.
func (a *applier) storeFirst(ctx context.Context, s plan.Step) error {
	if !s.StoredFirst(a.Stored(s.Object), a.in.Objects[a.Index[s.Object]].Records) {
		return nil
	}
	a.Objects = a.in.Objects
	return a.storeRecords(ctx, []plan.Key{s.Object})
}

// step takes one step. What Cloudinary answers goes into the plan's input; an error is ours or the
// API server's.
func (a *applier) step(ctx context.Context, s plan.Step) error {
	if s.Action != plan.Replace {
		_, err := a.call(ctx, s)
		return err
	}
	del, create := s.Halves()
	if !a.reserve(memory.ReplaceCalls) {
		plan.Apply(a.in, create, plan.Outcome{Result: plan.NotSent})
		return nil
	}
	out, err := a.call(ctx, del)
	if err != nil {
		return err
	}
	if out.Result != plan.Done && out.Result != plan.Gone {
		plan.Apply(a.in, create, plan.Outcome{Result: plan.NotSent})
		return nil
	}
	_, err = a.call(ctx, create)
	return err
}

// reserve reports whether so many calls can be made now within the budget.
func (a *applier) reserve(calls int) bool {
	return a.env.Calls(cloudinary.Listing, a.Now()) >= calls
}

// checkLease ends the pass before a replace whose second call might come too late for this leader's
// lease. It does so before the first step, so that nothing is done that is not recorded.
func (a *applier) checkLease(steps []plan.Step) error {
	replaces := slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Action == plan.Replace })
	if replaces && !a.lease.lastsForCall() {
		return errNotLeader
	}
	return nil
}

// call makes the call of a step, unless the environment has to wait by now.
func (a *applier) call(ctx context.Context, s plan.Step) (plan.Outcome, error) {
	a.done[s.Object] = true
	if word, full := a.full[s.URL]; full && s.Action != plan.Delete {
		out := plan.Outcome{Result: plan.Refused, Limit: true, Message: word}
		plan.Apply(a.in, s, out)
		return out, nil
	}
	creds, ok := a.Credentials(s)
	if !ok || a.env.Backoff.Waiting(a.Now()) || a.env.WriteBlocks.Blocked(a.directory.Fingerprint(creds), a.Now()) {
		out := plan.Outcome{Result: plan.NotSent}
		plan.Apply(a.in, s, out)
		return out, nil
	}
	if s.TooLate(a.intended, a.Now(), a.Options.SettleTime) {
		a.ended = true
		out := plan.Outcome{Result: plan.NotSent} // the next round intends it anew
		plan.Apply(a.in, s, out)
		return out, nil
	}
	callCtx, cancel, err := a.lease.fenced(ctx)
	if err != nil {
		// What is recorded as intended and was not called is settled by a list.
		return plan.Outcome{}, err
	}
	defer cancel()
	out, err := a.send(callCtx, a.admin.client(creds), s)
	if ctx.Err() != nil {
		return plan.Outcome{}, ctx.Err() // this process ends; the intent stands for the next one to settle
	}
	a.Metrics.call(creds.CloudName, s.Action.String(), err)
	a.env.Schedule.Wrote()
	switch {
	case err == nil:
		a.succeeded(ctx, creds, s, out)
	case cloudinary.IsUnauthorized(err):
		logf.FromContext(ctx).Info("Cloudinary does not let the credentials change a trigger", "trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "error", err.Error(), "requestID", cloudinary.RequestID(err))
		a.env.BlockWrites(a.directory.Fingerprint(creds), s, verdict.WritesRefused(err), a.Now(), a.jittered)
	case out.Result == plan.NotSent, out.Result == plan.Unknown:
		a.admin.failed(ctx, a.env, creds, err)
	case out.Result == plan.Gone:
		a.absent(ctx, s)
	default:
		if out.Limit {
			a.full[s.URL] = out.Message
		}
		logf.FromContext(ctx).Info("Cloudinary refused a change", "trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "error", err.Error(), "requestID", cloudinary.RequestID(err))
	}
	plan.Apply(a.in, s, out)
	return out, nil
}
