// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// Watched are the kinds that SetupWithManager watches, in the shape in which they are cached: asked for in another one, the cache would
// keep them a second time, and Secrets with their content.
func (o *Options) Watched() []client.Object {
	kinds := []client.Object{&v1alpha1.CloudinaryTrigger{}, &v1alpha1.NotificationEndpoint{}, metadataOf("Secret")}
	if len(o.Namespaces) == 0 {
		kinds = append(kinds, metadataOf("Namespace"))
	}
	return kinds
}

func metadataOf(kind string) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return o
}
