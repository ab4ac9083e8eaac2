// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"strings"

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

// StripMetadata is the cache's transform. Of Secrets and Namespaces it keeps what passes go by: kubectl apply writes the whole content of a
// Secret into an annotation, and that of all Secrets of the cluster would stand in the manager's memory.
func StripMetadata(object any) (any, error) {
	o, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	o.ManagedFields = nil
	maps.DeleteFunc(o.Annotations, func(name, _ string) bool { return !strings.HasPrefix(name, v1alpha1.GroupVersion.Group+"/") })
	if o.Namespace != "" { // endpoints select Namespaces by their labels
		o.Labels = nil
	}
	return o, nil
}
