// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// weigh decides whether the list that came last is believed. Until a second one says the same, what was known before goes on to count.
func (r *Reconciler) weigh(ctx context.Context, g *gathered, env *environment) {
	fresh := env.fresh
	if fresh == nil {
		return
	}
	env.fresh = nil
	in := r.input(g, env)
	in.Observed, in.ListedAt = fresh.observed, env.clock.at(fresh.begun)
	absent, held := plan.Absent(in)
	if plan.Doubtful(absent, held, env.doubted) {
		logf.FromContext(ctx).Info("Cloudinary's list leaves out most triggers of the operator, and is believed when a second one does too",
			"absent", len(absent), "held", held)
		env.doubted = absent
		env.next = r.Now().Add(r.Options.MinListInterval)
		return
	}
	env.doubted, env.observed, env.listed = nil, fresh.observed, fresh.begun
	if len(absent) == 0 {
		env.refuted = 0
	}
	if env.refuted == 0 {
		env.backoff.succeed()
	}
}

func listInDoubt() *problem {
	return &problem{
		v1alpha1.ReasonUnavailable,
		"Cloudinary's list leaves out most of the triggers that the operator has; it is believed when a second one says the same",
	}
}

// succeeded notes what a call has changed.
func (a *applier) succeeded(ctx context.Context, creds cloudinary.Credentials, s plan.Step, out plan.Outcome) {
	a.env.backoff.succeed()
	delete(a.env.bars, a.directory.fingerprints.Fingerprint(creds))
	a.note(ctx, s, out)
	if s.Unlisted {
		a.refute(ctx, s)
	}
}

// refute has a list count for nothing that leaves out a trigger which exists: nothing more is done by it. What it left out is asked for one
// by one, ever less often, and so costs few calls even where lists stay wrong for long.
func (a *applier) refute(ctx context.Context, s plan.Step) {
	logf.FromContext(ctx).Info("Cloudinary's list leaves out a trigger that exists",
		"trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "triggerID", s.ID)
	a.env.backoff.failures = a.env.refuted
	a.env.refuted++
	a.fail(&a.env.backoff, a.Now(), time.Time{}, &problem{
		v1alpha1.ReasonUnavailable,
		"Cloudinary's list leaves out triggers that exist; nothing is concluded from it, and it is read again with back-off",
	}, maxBackoff)
	a.ended = true
}

// absent notes that a trigger does not exist any more, in Cloudinary's own words and not by a list.
func (a *applier) absent(ctx context.Context, s plan.Step) {
	logf.FromContext(ctx).Info("A trigger does not exist at Cloudinary any more",
		"action", s.Action.String(), "trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "triggerID", s.ID)
	if s.Unlisted {
		a.env.refuted = 0
		a.env.backoff.succeed()
	}
}
