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
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// permission says whether a namespace's triggers may use an endpoint.
type permission int

const (
	denied permission = iota
	granted
	// unclear means that it cannot be known now.
	unclear
)

// permits judges an endpoint's allowedTriggers.
func (w *world) permits(ep *v1alpha1.NotificationEndpoint, namespace string) permission {
	if ep.Namespace == namespace {
		return granted
	}
	if ep.Spec.AllowedTriggers == nil {
		return denied
	}
	switch allowed := ep.Spec.AllowedTriggers.Namespaces; allowed.From {
	case v1alpha1.NamespacesFromAll:
		return granted
	case v1alpha1.NamespacesFromSelector:
		seen, known := w.namespaces[namespace]
		if !known || selectorProblem(allowed.Selector) != "" {
			return unclear
		}
		selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
		switch {
		case err != nil:
			return unclear
		case selector.Matches(seen):
			return granted
		default:
			return denied
		}
	case v1alpha1.NamespacesFromSame:
		return denied
	default:
		return denied
	}
}

// permissionProblem says what keeps an endpoint's allowedTriggers from being judged.
func (w *world) permissionProblem(ep *v1alpha1.NotificationEndpoint) *problem {
	if !selects(ep) {
		return nil
	}
	if len(w.options.Namespaces) > 0 {
		return &problem{
			v1alpha1.ReasonNeedsClusterScope,
			"spec.allowedTriggers.namespaces.from is Selector, and the manager runs with --watch-namespaces, so that it does not see the labels of namespaces; use Same or All, " +
				"or start the manager without --watch-namespaces",
		}
	}
	if reason := selectorProblem(ep.Spec.AllowedTriggers.Namespaces.Selector); reason != "" {
		return &problem{v1alpha1.ReasonInvalidSelector, "spec.allowedTriggers.namespaces.selector: " + reason}
	}
	if _, err := metav1.LabelSelectorAsSelector(ep.Spec.AllowedTriggers.Namespaces.Selector); err != nil {
		return &problem{v1alpha1.ReasonInvalidSelector, "spec.allowedTriggers.namespaces.selector: " + excerpt.Shorten(err.Error(), maxSelectorError)}
	}
	return nil
}

// maxSelectorError is what a message has of a selector's error, in bytes: that repeats the selector, and a condition takes 32 KB.
const maxSelectorError = 1024

func selects(ep *v1alpha1.NotificationEndpoint) bool {
	return ep.Spec.AllowedTriggers != nil && ep.Spec.AllowedTriggers.Namespaces.From == v1alpha1.NamespacesFromSelector
}

// readNamespaces reads the labels of all namespaces from the cache, if an endpoint goes by them.
func (r *Reconciler) readNamespaces(ctx context.Context, w *world) error {
	needed := false
	for _, ep := range w.endpoints {
		needed = needed || selects(ep)
	}
	if !needed || len(r.Options.Namespaces) > 0 {
		return nil
	}
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := r.Client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	w.namespaces = make(map[string]labels.Set, len(all.Items))
	for i := range all.Items {
		w.namespaces[all.Items[i].Name] = all.Items[i].Labels
	}
	return nil
}

// unitsOfNamespace are those of the endpoints that go by the labels of namespaces: who may use them may have changed.
func (r *Reconciler) unitsOfNamespace(ctx context.Context, _ client.Object) []Unit {
	var endpoints v1alpha1.NotificationEndpointList
	if err := r.Client.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache cannot fail here, and the next sync looks at it again
	}
	var units []Unit
	for i := range endpoints.Items {
		if ep := &endpoints.Items[i]; selects(ep) {
			units = append(units, r.unitsOfEndpoint(ctx, ep)...)
		}
	}
	return units
}
