// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// succeeded notes what a call has changed.
func (a *applier) succeeded(ctx context.Context, creds cloudinary.Credentials, s plan.Step, out plan.Outcome) {
	a.env.Backoff.Succeed()
	a.env.WriteBlocks.Unblock(a.directory.Fingerprint(creds))
	a.note(ctx, s, out)
	if s.Unlisted {
		a.refute(ctx, s)
	}
}

// refute has a list count for nothing that leaves out a trigger which exists: nothing more is done
// by it. What it left out is asked for one by one, ever less often, and so costs few calls even
// where lists stay wrong for long.
func (a *applier) refute(ctx context.Context, s plan.Step) {
	logf.FromContext(ctx).Info("Cloudinary's list leaves out a trigger that exists",
		"trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "triggerID", s.ID)
	a.env.Refute(verdict.ListRefuted(), a.Now(), a.jittered)
	a.ended = true
}

// absent notes that a trigger does not exist any more, in Cloudinary's own words and not by a list.
func (a *applier) absent(ctx context.Context, s plan.Step) {
	logf.FromContext(ctx).Info("A trigger does not exist at Cloudinary any more",
		"action", s.Action.String(), "trigger", types.NamespacedName(s.Object), "eventType", s.EventType, "triggerID", s.ID)
	if s.Unlisted {
		a.env.ConfirmAbsent()
	}
}
