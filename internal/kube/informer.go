// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
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

// Whole keeps all of an object but who has written which field of it.
func Whole[T Object](object T) T { return object }

// NewInformer makes an informer of the kind of example, which tells changed of every change. keep returns what is kept of an object, which it
// may change; it is asked before anything else has the object, and one that is not kept takes no memory. Nothing runs yet.
func NewInformer[T, K Object](c *Client, example T, list runtime.Object, s Scope, keep func(T) K, changed func()) (*Informer[K], error) {
	namespaces := s.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	transform := func(object any) (any, error) {
		if o, ok := object.(T); ok {
			o.SetManagedFields(nil)
			return keep(o), nil
		}
		return object, nil // as it is kept already, or a mark that one is gone
	}
	in := &Informer[K]{}
	for _, namespace := range namespaces {
		lw, err := c.listWatch(example, list, namespace, s.Fields, transform)
		if err != nil {
			return nil, err
		}
		informer := cache.NewSharedIndexInformer(lw, example, 0, cache.Indexers{})
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

// pageSize is how many objects are in memory at once as they are at the API server, where it cannot stream them. One may have 1.5 MB.
const pageSize = 32

// listWatch lists and watches a kind in a namespace.
func (c *Client) listWatch(example, list runtime.Object, namespace, fields string, transform cache.TransformFunc) (*cache.ListWatch, error) {
	k, client, err := c.of(example)
	if err != nil {
		return nil, err
	}
	scoped := k.namespaced && namespace != metav1.NamespaceAll
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return kept(transform, func(continued string) (runtime.Object, error) {
				// Without a version: the API server would answer for any that is named with all objects at once.
				o := metav1.ListOptions{FieldSelector: fields, Limit: pageSize, Continue: continued, TimeoutSeconds: o.TimeoutSeconds}
				into := list.DeepCopyObject()
				err := client.Get().NamespaceIfScoped(namespace, scoped).Resource(k.resource).VersionedParams(&o, c.codec).Do(ctx).Into(into)
				return into, err // the reflector looks for its kind, and says itself what it was on
			})
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector, o.Watch = fields, true
			return client.Get().NamespaceIfScoped(namespace, scoped).Resource(k.resource).VersionedParams(&o, c.codec).Watch(ctx)
		},
	}, nil
}

// kept lists all pages, and of each object what transform leaves.
func kept(transform cache.TransformFunc, page func(continued string) (runtime.Object, error)) (runtime.Object, error) {
	all := &metav1.List{}
	for continued, more := "", true; more; more = continued != "" {
		list, err := page(continued)
		if err != nil {
			return nil, err
		}
		head, err := meta.ListAccessor(list)
		if err != nil {
			return nil, err
		}
		all.ResourceVersion, continued = head.GetResourceVersion(), head.GetContinue()
		err = meta.EachListItemWithAlloc(list, func(object runtime.Object) error {
			left, err := transform(object)
			if o, ok := left.(runtime.Object); ok && err == nil {
				all.Items = append(all.Items, runtime.RawExtension{Object: o})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Run keeps the objects until ctx ends.
func (in *Informer[T]) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, informer := range in.informers {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	running.Wait()
}

// HasSynced reports whether all objects were read once.
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
