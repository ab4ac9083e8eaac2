// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// allowed reports whether a trigger that names an endpoint counts for it: what its template says of the bodies, and that notifications are told
// of on it.
func allowed(ep *v1alpha1.NotificationEndpoint, t *KeptTrigger) bool {
	if t.Namespace == ep.Namespace {
		return true
	}
	if ep.Spec.AllowedTriggers == nil {
		return false
	}
	switch ep.Spec.AllowedTriggers.Namespaces.From {
	case v1alpha1.NamespacesFromAll:
		return true
	case v1alpha1.NamespacesFromSelector:
		return t.selected
	case v1alpha1.NamespacesFromSame:
		return false
	default:
		return false
	}
}

// selected reports whether the manager lets a trigger use the endpoint of another namespace. The labels of namespaces are not for the receiver
// to read, so it goes by what the manager wrote into the trigger's status, which nobody else can:
//
//	Accepted                                     | then the trigger
//	---------------------------------------------+-----------------------------------------------------------
//	True, of this generation                     | counts
//	False with EndpointNotAllowed                | does not, whatever it still has at Cloudinary
//	True of a generation before, False for any   | counts if it has something at Cloudinary for this endpoint:
//	other reason                                 | it was allowed to, and its notifications come meanwhile
//	absent                                       | does not: it has nothing at Cloudinary yet
//
// What counts of one whose filter or template the manager refuses is what it has at Cloudinary, whichever namespace it is of: see triggerConfig.
// True of a generation before is not enough: it may have been another endpoint that allowed it.
func selected(t *v1alpha1.CloudinaryTrigger) bool {
	accepted := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionAccepted)
	switch {
	case accepted == nil:
		return false
	case holds(t, v1alpha1.ConditionAccepted):
		return true
	case accepted.Reason == v1alpha1.ReasonEndpointNotAllowed:
		return false
	default:
		return slices.ContainsFunc(t.Status.Registrations, func(r v1alpha1.Registration) bool { return isAt(r, t) })
	}
}

// holds reports whether a condition is True of the trigger as it is.
func holds(t *v1alpha1.CloudinaryTrigger, condition string) bool {
	c := meta.FindStatusCondition(t.Status.Conditions, condition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == t.Generation
}

// isAt reports whether a registration is at the endpoint that its trigger names. The URL alone does not tell: an endpoint may have any. But
// only by the endpoints of a namespace are its Secrets used.
func isAt(r v1alpha1.Registration, t *v1alpha1.CloudinaryTrigger) bool {
	at := endpointOf(t)
	_, _, own := notification.CutPath(r.URL, at.Namespace, at.Name)
	return own && r.SecretRef.Namespace == at.Namespace
}
