// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Reconcile makes one pass over a unit. It returns an error for bugs and faults of the API server
// alone: what Cloudinary does becomes a condition and a time to look again.
func (r *Reconciler) Reconcile(ctx context.Context, unit resolve.Unit) (ctrl.Result, error) {
	log := logf.FromContext(ctx).WithValues("unit", unit.String())
	ctx = logf.IntoContext(ctx, log)
	start := r.Now()
	after, err := r.pass(ctx, unit)
	r.Metrics.passes.WithLabelValues(string(unit.Kind)).Observe(r.Now().Sub(start).Seconds())
	if r.queue.shares != nil {
		r.Metrics.units.Set(float64(r.queue.shares.Len()))
	}
	if ctx.Err() != nil {
		after, err = 0, nil // the process ends
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		// Somebody was faster. Nothing was sent for what could not be stored; look again at what is
		// there now.
		log.V(1).Info("An object changed during the pass, looking again", "error", err.Error())
		return ctrl.Result{RequeueAfter: minRequeue}, nil
	case errors.Is(err, errNotLeader):
		log.Info("Leader lease expires too soon for a call to Cloudinary; ending the pass")
		return ctrl.Result{RequeueAfter: minRequeue}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("%s: %w", unit, err)
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

func (r *Reconciler) pass(ctx context.Context, unit resolve.Unit) (time.Duration, error) {
	switch unit.Kind {
	case resolve.EnvironmentUnit:
		return r.passEnvironment(ctx, unit)
	case resolve.SecretUnit:
		return r.passSecret(ctx, unit)
	case resolve.EndpointUnit:
		return r.passEndpoint(ctx, unit)
	default:
		return 0, fmt.Errorf("unknown kind of unit %q", unit.Kind)
	}
}
