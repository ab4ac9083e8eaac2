// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// objectWriter writes to the objects of users: the manager's part of their status (status.go) and
// its finalizer (finalizers.go). Each write goes by the resourceVersion that was read, and is made
// by the leader alone.
type objectWriter struct {
	client client.Client
	live   client.Reader
	lease  lease
	events *eventWriter
	// large bounds how many large objects are in memory as a whole.
	large slots
}

// readAgain reads an object as it is at the API server, and keeps of it what the cache keeps.
func (w *objectWriter) readAgain(ctx context.Context, o client.Object) (client.Object, error) {
	var live client.Object
	switch o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		live = &v1alpha1.CloudinaryTrigger{}
	case *v1alpha1.NotificationEndpoint:
		live = &v1alpha1.NotificationEndpoint{}
	default:
		return nil, fmt.Errorf("%T has no status of ours", o)
	}
	if err := w.live.Get(ctx, client.ObjectKeyFromObject(o), live); err != nil {
		return nil, fmt.Errorf("read %s/%s again: %w", o.GetNamespace(), o.GetName(), err)
	}
	_, err := Strip(live)
	return live, err
}

// largeAtOnce is how many large objects are in memory as a whole at once. Each takes some megabytes
// while an answer with it is read.
const largeAtOnce = 4

// whole begins what needs the whole of a large object for a moment, and returns the function that
// ends it. Passes work on any number of them, and there is not room for all.
func (w *objectWriter) whole(o client.Object) (end func()) {
	if !large(o) {
		return func() {}
	}
	w.large.begin()
	return w.large.end
}

// slots lets largeAtOnce go on at once.
type slots struct {
	once  sync.Once
	taken chan struct{}
}

func (s *slots) begin() {
	s.once.Do(func() { s.taken = make(chan struct{}, largeAtOnce) })
	s.taken <- struct{}{}
}

func (s *slots) end() { <-s.taken }
