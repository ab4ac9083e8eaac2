// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// observe lists where a list is due, with the first credentials that are accepted. A member whose
// credentials are refused goes back to a unit of its own.
func (e *environmentPass) observe(ctx context.Context) error {
	e.weigh(ctx) // what a Secret has listed that has come
	if !e.env.WantsList(e.Now()) {
		return nil
	}
	for _, key := range e.Secrets {
		creds, ok := e.World.AcceptedCredentials(key, e.Environment)
		if !ok {
			continue
		}
		listed, err := e.admin.list(ctx, e.env, creds)
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
	e.env.Schedule.NoCredentials(e.Now().Add(e.jittered(e.Options.SyncInterval)))
	return nil
}

// weigh decides whether the list that came last is believed.
func (e *environmentPass) weigh(ctx context.Context) {
	if doubt := e.env.Weigh(e.input(), e.Now()); doubt != nil {
		logf.FromContext(ctx).Info("Cloudinary's list leaves out most triggers of the operator, and is believed when a second one does too",
			"absent", doubt.Absent, "held", doubt.Expected)
	}
}

// input is what the plan of an environment rests on.
func (e *environmentPass) input() plan.Input {
	return e.env.Input(e.Objects, memory.Settings{URLLimit: e.Options.URLLimit, Settle: e.Options.SettleTime}, e.Now())
}

// wait is how long until the environment is to be looked at again.
func (e *environmentPass) wait() time.Duration {
	now := e.Now()
	return max(e.env.NextPass(now).Sub(now), minRequeue)
}
