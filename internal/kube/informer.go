// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Informer keeps the objects of a kind as the API server has them, in memory. What it returns must not be changed.
type Informer[T Object] struct {
	informers []cache.SharedIndexInformer
}

// Scope says which objects of a kind an Informer keeps.
type Scope struct {
	// Namespaces are the only ones; none: all.
	Namespaces []string
	// Fields is a field selector.
	Fields string
}

// NewInformer makes an informer of the kind of example, which tells changed of every change. strip may drop what is not needed of an
// object, and may be nil. Nothing runs yet.
func NewInformer[T Object](c *Client, example T, list runtime.Object, s Scope, strip func(T), changed func()) (*Informer[T], error) {
	namespaces := s.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	in := &Informer[T]{}
	for _, namespace := range namespaces {
		lw, err := c.listWatch(example, list, namespace, s.Fields)
		if err != nil {
			return nil, err
		}
		informer := cache.NewSharedIndexInformer(lw, example, 0, cache.Indexers{})
		transform := func(object any) (any, error) {
			if o, ok := object.(T); ok {
				o.SetManagedFields(nil)
				if strip != nil {
					strip(o)
				}
			}
			return object, nil
		}
		_, handled := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
		})
		if err := errors.Join(handled, informer.SetTransform(transform)); err != nil {
			return nil, err
		}
		in.informers = append(in.informers, informer)
	}
	return in, nil
}

// listWatch lists and watches a kind in a namespace.
func (c *Client) listWatch(example, list runtime.Object, namespace, fields string) (*cache.ListWatch, error) {
	k, client, err := c.of(example)
	if err != nil {
		return nil, err
	}
	scoped := k.namespaced && namespace != metav1.NamespaceAll
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = fields
			into := list.DeepCopyObject()
			err := client.Get().NamespaceIfScoped(namespace, scoped).Resource(k.resource).VersionedParams(&o, c.codec).Do(ctx).Into(into)
			return into, err // the reflector looks for its kind, and says itself what it was on
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector, o.Watch = fields, true
			return client.Get().NamespaceIfScoped(namespace, scoped).Resource(k.resource).VersionedParams(&o, c.codec).Watch(ctx)
		},
	}, nil
}

// Run keeps the objects until ctx ends.
func (in *Informer[T]) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, informer := range in.informers {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	running.Wait()
}

// HasSynced says whether all objects were read once.
func (in *Informer[T]) HasSynced() bool {
	for _, informer := range in.informers {
		if !informer.HasSynced() {
			return false
		}
	}
	return true
}

// All returns the objects in no particular order.
func (in *Informer[T]) All() []T {
	var all []T
	for _, informer := range in.informers {
		for _, object := range informer.GetStore().List() {
			if o, ok := object.(T); ok {
				all = append(all, o)
			}
		}
	}
	return all
}

// Get returns an object, or false where there is none.
func (in *Informer[T]) Get(key types.NamespacedName) (found T, ok bool) {
	for _, informer := range in.informers {
		object, exists, err := informer.GetStore().GetByKey(key.String())
		if err != nil || !exists {
			continue
		}
		if found, ok = object.(T); ok {
			return found, true
		}
	}
	return found, false
}
