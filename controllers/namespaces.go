// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// readNamespaces reads the labels of all namespaces from the cache, if an endpoint goes by them.
func (r *Reconciler) readNamespaces(ctx context.Context, w *resolve.World) error {
	needed := false
	for _, ep := range w.Endpoints {
		needed = needed || resolve.Selects(ep)
	}
	if !needed || len(r.Options.Namespaces) > 0 {
		return nil
	}
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := r.Client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	w.Namespaces = make(map[string]labels.Set, len(all.Items))
	for i := range all.Items {
		w.Namespaces[all.Items[i].Name] = all.Items[i].Labels
	}
	return nil
}
