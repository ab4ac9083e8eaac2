// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// permission reports whether a namespace's triggers may use an endpoint.
type permission int

const (
	denied permission = iota
	granted
	// unclear means that the answer is unknown now.
	unclear
)

// permits evaluates an endpoint's allowedTriggers.
func (w *World) permits(ep *v1alpha1.NotificationEndpoint, namespace string) permission {
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
		seen, known := w.Namespaces[namespace]
		if !known || SelectorProblem(allowed.Selector) != "" {
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

// permissionProblem is the reason why an endpoint's allowedTriggers cannot be evaluated.
func (w *World) permissionProblem(ep *v1alpha1.NotificationEndpoint) *Problem {
	if !Selects(ep) {
		return nil
	}
	if len(w.Options.Namespaces) > 0 {
		return &Problem{
			Reason: v1alpha1.ReasonNeedsClusterScope,
			Message: "spec.allowedTriggers.namespaces.from is Selector, but a manager with --watch-namespaces cannot read the labels of namespaces. Use Same or All, " +
				"or start the manager without --watch-namespaces",
		}
	}
	if reason := SelectorProblem(ep.Spec.AllowedTriggers.Namespaces.Selector); reason != "" {
		return &Problem{Reason: v1alpha1.ReasonInvalidSelector, Message: "spec.allowedTriggers.namespaces.selector: " + reason}
	}
	if _, err := metav1.LabelSelectorAsSelector(ep.Spec.AllowedTriggers.Namespaces.Selector); err != nil {
		return &Problem{Reason: v1alpha1.ReasonInvalidSelector, Message: "spec.allowedTriggers.namespaces.selector: " + excerpt.Shorten(err.Error(), maxSelectorError)}
	}
	return nil
}

// maxSelectorError is the largest part of a selector's error in a message, in bytes: the error
// repeats the selector, and a condition has room for 32 KB.
const maxSelectorError = 1024

// Selects reports whether an endpoint selects namespaces by their labels.
func Selects(ep *v1alpha1.NotificationEndpoint) bool {
	return ep.Spec.AllowedTriggers != nil && ep.Spec.AllowedTriggers.Namespaces.From == v1alpha1.NamespacesFromSelector
}
