// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// kind is where the API server has a kind.
type kind struct {
	gv             schema.GroupVersion
	kind, resource string
	namespaced     bool
}

// kinds are all that the client knows. The names are part of Kubernetes' API, so it need not be asked for them.
func kinds() []kind {
	return []kind{
		{v1alpha1.GroupVersion, "NotificationEndpoint", "notificationendpoints", true},
		{v1alpha1.GroupVersion, "CloudinaryTrigger", "cloudinarytriggers", true},
		{corev1.SchemeGroupVersion, "Secret", "secrets", true},
		{corev1.SchemeGroupVersion, "Service", "services", true},
		{corev1.SchemeGroupVersion, "ConfigMap", "configmaps", true},
		{discoveryv1.SchemeGroupVersion, "EndpointSlice", "endpointslices", true},
		{eventsv1.SchemeGroupVersion, "Event", "events", true},
		{authenticationv1.SchemeGroupVersion, "TokenReview", "tokenreviews", false},
		{authorizationv1.SchemeGroupVersion, "SubjectAccessReview", "subjectaccessreviews", false},
	}
}

// newScheme registers the kinds one by one: with AddToScheme the linker would have to keep all others of their groups.
func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	s.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.SecretList{}, &corev1.Service{}, &corev1.ServiceList{},
		&corev1.ConfigMap{})
	s.AddKnownTypes(discoveryv1.SchemeGroupVersion, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{})
	s.AddKnownTypes(eventsv1.SchemeGroupVersion, &eventsv1.Event{}, &eventsv1.EventList{})
	s.AddKnownTypes(authenticationv1.SchemeGroupVersion, &authenticationv1.TokenReview{})
	s.AddKnownTypes(authorizationv1.SchemeGroupVersion, &authorizationv1.SubjectAccessReview{})
	if err := v1alpha1.AddToScheme(s); err != nil {
		return nil, fmt.Errorf("make the scheme: %w", err)
	}
	for _, gv := range []schema.GroupVersion{
		v1alpha1.GroupVersion, corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion, eventsv1.SchemeGroupVersion,
		authenticationv1.SchemeGroupVersion, authorizationv1.SchemeGroupVersion,
	} {
		metav1.AddToGroupVersion(s, gv)
	}
	return s, nil
}
