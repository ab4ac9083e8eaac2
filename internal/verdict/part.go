// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// TriggerPart is the manager's part of a trigger's status. It names what is the manager's, and not
// what is not, so that a field which is added for the receiver is left alone.
func TriggerPart(s v1alpha1.CloudinaryTriggerStatus) v1alpha1.CloudinaryTriggerStatus {
	return v1alpha1.CloudinaryTriggerStatus{
		Conditions: managedConditions(s.Conditions), ObservedGeneration: s.ObservedGeneration, EventTypes: s.EventTypes,
		Registrations: s.Registrations, Observed: s.Observed,
	}
}

// EndpointPart is the manager's part of an endpoint's status.
func EndpointPart(s v1alpha1.NotificationEndpointStatus) v1alpha1.NotificationEndpointStatus {
	return v1alpha1.NotificationEndpointStatus{
		Conditions: managedConditions(s.Conditions), ObservedGeneration: s.ObservedGeneration,
		URL: s.URL, Environment: s.Environment,
	}
}

// managedConditions are sorted, since the API server keeps those of two owners in any order.
func managedConditions(all []metav1.Condition) []metav1.Condition {
	own := slices.DeleteFunc(slices.Clone(all), func(c metav1.Condition) bool { return !Managed(c.Type) })
	slices.SortFunc(own, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
	return own
}

// SameBasis reports whether two versions of an object are equal in everything that the manager goes
// by. What it decided by the one then holds for the other.
func SameBasis(a, b metav1.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() &&
		a.GetDeletionTimestamp().Equal(b.GetDeletionTimestamp()) &&
		slices.Equal(a.GetFinalizers(), b.GetFinalizers()) &&
		a.GetAnnotations()[v1alpha1.AnnotationAbandon] == b.GetAnnotations()[v1alpha1.AnnotationAbandon] &&
		equality.Semantic.DeepEqual(partOf(a), partOf(b))
}

func partOf(o metav1.Object) any {
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return TriggerPart(o.Status)
	case *v1alpha1.NotificationEndpoint:
		return EndpointPart(o.Status)
	default:
		return nil
	}
}
