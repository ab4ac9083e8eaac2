// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// watchedKind is a kind of object that the manager watches, and what its events mean.
type watchedKind struct {
	// object has the shape in which the kind is cached. If it were read in another one, the cache
	// would keep it a second time, and Secrets with their content.
	object client.Object
	// meaningful are the events that a pass may have to answer to.
	meaningful predicate.Predicate
	// units are those to look at after such an event.
	units func(*unitFinder, context.Context, client.Object) []resolve.Unit
}

// watchedKinds is the one table of what is watched. The controller, Attach and Watched go by it.
func (o *Options) watchedKinds() []watchedKind {
	kinds := []watchedKind{
		{&v1alpha1.CloudinaryTrigger{}, beyondStatus(), (*unitFinder).ofTrigger},
		{&v1alpha1.NotificationEndpoint{}, beyondStatus(), (*unitFinder).ofEndpoint},
		{metadataOf("Secret"), predicate.Funcs{}, (*unitFinder).ofSecret}, // every event
	}
	if len(o.Namespaces) == 0 { // labels of namespaces may select endpoints
		kinds = append(kinds, watchedKind{metadataOf("Namespace"), predicate.LabelChangedPredicate{}, (*unitFinder).ofNamespace})
	}
	return kinds
}

// Watched are the kinds that are watched, in the shape in which they are cached.
func (o *Options) Watched() []client.Object {
	var objects []client.Object
	for _, kind := range o.watchedKinds() {
		objects = append(objects, kind.object)
	}
	return objects
}

// has reports whether an object is of the kind.
func (k *watchedKind) has(o client.Object) bool {
	if metadata, ok := k.object.(*metav1.PartialObjectMetadata); ok {
		seen, ok := o.(*metav1.PartialObjectMetadata)
		return ok && seen.Kind == metadata.Kind
	}
	return reflect.TypeOf(o) == reflect.TypeOf(k.object)
}

// beyondStatus lets through all but changes of status alone: the manager makes them itself, or the
// receiver does, whose part of status is nothing to the manager.
func beyondStatus() predicate.Predicate {
	return predicate.Or[client.Object](
		predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, finalizersChanged(),
	)
}

func finalizersChanged() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return true },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return len(e.ObjectOld.GetFinalizers()) != len(e.ObjectNew.GetFinalizers()) && e.ObjectNew.GetDeletionTimestamp() != nil
		},
	}
}
