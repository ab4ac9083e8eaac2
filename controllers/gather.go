// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// readWorld reads all objects from the cache. They are shared with it and must not be changed.
func (r *Reconciler) readWorld(ctx context.Context) (*resolve.World, error) {
	w := &resolve.World{
		Endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{},
		Secret:    r.directory.Secret, Accepted: r.directory.IsAccepted,
		Options: r.Options.resolution(), PathToken: resolve.NoPathKey,
	}
	var endpoints v1alpha1.NotificationEndpointList
	if err := r.Client.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list notification endpoints: %w", err)
	}
	for i := range endpoints.Items {
		ep := &endpoints.Items[i]
		w.Endpoints[resolve.KeyOf(ep)] = ep
	}
	var triggers v1alpha1.CloudinaryTriggerList
	if err := r.Client.List(ctx, &triggers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list triggers: %w", err)
	}
	for i := range triggers.Items {
		w.Triggers = append(w.Triggers, &triggers.Items[i])
	}
	if err := r.readNamespaces(ctx, w); err != nil {
		return nil, err
	}
	if err := r.readPathKey(ctx, w); err != nil {
		return nil, err
	}
	r.Metrics.world(w)
	return w, nil
}

// gather finds every object in which the environment appears, by spec or by status.
func (r *Reconciler) gather(ctx context.Context, env cloudinary.Environment) (*resolve.Scope, error) {
	w, err := r.readWorld(ctx)
	if err != nil {
		return nil, err
	}
	s := w.Gather(env)
	s.ForgetOthers()
	return s, nil
}
