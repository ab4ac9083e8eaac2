// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

func metadataOf(kind string) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return o
}

// Strip is the cache's transform: it keeps of an object what passes go by, whoever has written the
// rest, and however much of it. The cache has the objects of all tenants, and none of them may fill
// it. Whatever else is read of an object in the course of a pass goes through it too, so that all
// of the pass judges by the same.
//
// kubectl apply writes the whole content of a Secret into an annotation, and that of all Secrets of
// the cluster would stand in memory.
func Strip(object any) (any, error) {
	o, ok := object.(client.Object)
	if !ok {
		return object, nil // a mark that one is gone
	}
	stripMetadata(o)
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		o.Status.LastNotification = nil // the receiver's part
		for _, raw := range []*runtime.RawExtension{o.Spec.Filter, o.Spec.PayloadTemplate} {
			if raw != nil {
				raw.Raw = plan.Abridge(raw.Raw)
			}
		}
	case *v1alpha1.NotificationEndpoint:
		o.Status.Receiver = nil // as above
		if a := o.Spec.AllowedTriggers; a != nil {
			a.Namespaces.Selector = resolve.AbridgeSelector(a.Namespaces.Selector)
		}
	}
	return o, nil
}

// maxAnnotation is how much is kept of an annotation's value: more than any that the manager goes
// by.
const maxAnnotation = 64

func stripMetadata(o client.Object) {
	o.SetManagedFields(nil)
	o.SetOwnerReferences(nil)
	annotations := map[string]string{}
	for _, name := range []string{v1alpha1.AnnotationAbandon, annotationAbridged} {
		if value, set := o.GetAnnotations()[name]; set {
			annotations[name] = value[:min(len(value), maxAnnotation)]
		}
	}
	if o.GetNamespace() != "" { // endpoints select Namespaces by their labels
		o.SetLabels(nil)
	}
	if finalizers := o.GetFinalizers(); sizeOfAll(finalizers) > maxFinalizers {
		annotations[annotationAbridged] = "true"
		o.SetFinalizers(slices.DeleteFunc(slices.Clone(finalizers), func(name string) bool { return name != v1alpha1.Finalizer }))
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	o.SetAnnotations(annotations)
}

const (
	// maxFinalizers is how many bytes of finalizers are kept. There are never that many but on
	// purpose.
	maxFinalizers = 4 << 10
	// annotationAbridged is in the cache alone. It says that there are others' finalizers too, so
	// that the list may not be written.
	annotationAbridged = "notifications.cloudinary.dev/abridged"
)

func sizeOfAll(texts []string) int {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	return size
}

// large reports whether the cache has only part of an object, so that reading or writing the whole
// of it takes much memory.
func large(o client.Object) bool {
	if o.GetAnnotations()[annotationAbridged] != "" {
		return true
	}
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return abridged(o.Spec.Filter) || abridged(o.Spec.PayloadTemplate)
	case *v1alpha1.NotificationEndpoint:
		return o.Spec.AllowedTriggers != nil && resolve.SelectorProblem(o.Spec.AllowedTriggers.Namespaces.Selector) != ""
	default:
		return false
	}
}

func abridged(raw *runtime.RawExtension) bool { return raw != nil && plan.Abridged(raw.Raw) }
