// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// worldReader reads the objects of users.
type worldReader struct {
	client    client.Client
	directory *memory.Directory
	paths     *pathKeys
	metrics   *Metrics
	options   *Options
}

// read reads all objects from the cache. They are shared with it and must not be changed.
func (r *worldReader) read(ctx context.Context) (*resolve.World, error) {
	w := &resolve.World{
		Endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{},
		Secret:    r.directory.Secret, Accepted: r.directory.IsAccepted,
		Options: r.options.resolution(), PathToken: resolve.NoPathKey,
	}
	var endpoints v1alpha1.NotificationEndpointList
	if err := r.client.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list notification endpoints: %w", err)
	}
	for i := range endpoints.Items {
		ep := &endpoints.Items[i]
		w.Endpoints[resolve.KeyOf(ep)] = ep
	}
	var triggers v1alpha1.CloudinaryTriggerList
	if err := r.client.List(ctx, &triggers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list triggers: %w", err)
	}
	for i := range triggers.Items {
		w.Triggers = append(w.Triggers, &triggers.Items[i])
	}
	if err := r.readNamespaces(ctx, w); err != nil {
		return nil, err
	}
	if err := r.paths.readInto(ctx, w); err != nil {
		return nil, err
	}
	r.metrics.world(w)
	return w, nil
}

// readNamespaces reads the labels of all namespaces from the cache, if an endpoint goes by them.
func (r *worldReader) readNamespaces(ctx context.Context, w *resolve.World) error {
	needed := false
	for _, ep := range w.Endpoints {
		needed = needed || resolve.Selects(ep)
	}
	if !needed || len(r.options.Namespaces) > 0 {
		return nil
	}
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := r.client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	w.Namespaces = make(map[string]labels.Set, len(all.Items))
	for i := range all.Items {
		w.Namespaces[all.Items[i].Name] = all.Items[i].Labels
	}
	return nil
}

// gather finds every object in which the environment appears, by spec or by status.
func (r *worldReader) gather(ctx context.Context, env cloudinary.Environment) (*resolve.Scope, error) {
	w, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	s := w.Gather(env)
	s.ForgetOthers()
	return s, nil
}
