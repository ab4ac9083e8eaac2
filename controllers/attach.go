// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Attach readies a Reconciler whose passes somebody else makes than a manager's controller, such as a simulation. What is to be
// looked at goes into the queue. The function that is returned takes the events of a watch, before nil for an object that is new,
// after nil for one that is gone.
func (r *Reconciler) Attach(ctx context.Context, queue workqueue.TypedRateLimitingInterface[resolve.Unit]) (func(before, after client.Object), error) {
	r.directory = r.newDirectory()
	if err := r.keepQueue(ctx, queue); err != nil {
		return nil, err
	}
	kinds := r.Options.watchedKinds()
	return func(before, after client.Object) {
		seen := before
		if seen == nil {
			seen = after
		}
		i := slices.IndexFunc(kinds, func(k watchedKind) bool { return k.has(seen) })
		if i < 0 {
			return
		}
		react, meaningful := r.onEvent(kinds[i]), kinds[i].meaningful
		switch {
		case before == nil:
			if e := (event.CreateEvent{Object: after}); meaningful.Create(e) {
				react.Create(ctx, e, queue)
			}
		case after == nil:
			if e := (event.DeleteEvent{Object: before}); meaningful.Delete(e) {
				react.Delete(ctx, e, queue)
			}
		default:
			if e := (event.UpdateEvent{ObjectOld: before, ObjectNew: after}); meaningful.Update(e) {
				react.Update(ctx, e, queue)
			}
		}
	}, nil
}
