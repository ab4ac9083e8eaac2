// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// tracker knows by a watch which objects are Ready, so that waiting for hundreds of them costs the API server nothing.
type tracker struct {
	mu      sync.Mutex
	objects map[objectKey]objectState
}

type objectKey struct{ kind, namespace, name string }

type objectState struct {
	generation int64
	ready      bool // for that generation
}

func startTracker(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) (*tracker, error) {
	t := &tracker{objects: map[objectKey]objectState{}}
	watched, err := cache.New(config, cache.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	handler := toolscache.ResourceEventHandlerFuncs{
		AddFunc:    t.seen,
		UpdateFunc: func(_, o any) { t.seen(o) },
		DeleteFunc: t.gone,
	}
	for _, kind := range []client.Object{&v1alpha1.CloudinaryTrigger{}, &v1alpha1.NotificationEndpoint{}} {
		informer, err := watched.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	go func() { _ = watched.Start(ctx) }() // Ends with the context, and without an error then.
	if !watched.WaitForCacheSync(ctx) {
		return nil, errors.New("the watch of the objects has not begun")
	}
	return t, nil
}

func keyAndConditions(o any) (objectKey, client.Object, []metav1.Condition) {
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return objectKey{"CloudinaryTrigger", o.Namespace, o.Name}, o, o.Status.Conditions
	case *v1alpha1.NotificationEndpoint:
		return objectKey{"NotificationEndpoint", o.Namespace, o.Name}, o, o.Status.Conditions
	default:
		return objectKey{}, nil, nil
	}
}

func (t *tracker) seen(o any) {
	key, object, conditions := keyAndConditions(o)
	if object == nil {
		return
	}
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	state := objectState{generation: object.GetGeneration()}
	state.ready = ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == state.generation
	t.mu.Lock()
	defer t.mu.Unlock()
	t.objects[key] = state
}

func (t *tracker) gone(o any) {
	if unknown, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	key, _, _ := keyAndConditions(o)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.objects, key)
}

// missing is what keeps the objects of a namespace from being those wanted, each Ready at its generation or a later one.
func (t *tracker) missing(namespace string, want map[objectKey]int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	unready, example := 0, objectKey{}
	for key, generation := range want {
		if have := t.objects[key]; !have.ready || have.generation < generation {
			unready++
			example = key
		}
	}
	extra := 0
	for key := range t.objects {
		if _, wanted := want[key]; key.namespace == namespace && !wanted {
			extra++
			example = key
		}
	}
	if unready+extra == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d objects are not Ready, %d are still to go, such as %s %s", unready, len(want), extra, example.kind, example.name)
}
