// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// fieldManager owns the manager's part of status. The manager compares and applies that part alone, so
// that it neither takes over what is the receiver's nor writes because of it.
const fieldManager = client.FieldOwner(statusapply.Manager)

// triggerPart is the manager's part of a trigger's status. It names what is the manager's, and not what is not, so that a field
// which is added for the receiver is left alone.
func triggerPart(s v1alpha1.CloudinaryTriggerStatus) v1alpha1.CloudinaryTriggerStatus {
	return v1alpha1.CloudinaryTriggerStatus{
		Conditions: managedConditions(s.Conditions), ObservedGeneration: s.ObservedGeneration, EventTypes: s.EventTypes,
		Registrations: s.Registrations, Observed: s.Observed,
	}
}

// endpointPart is the manager's part of an endpoint's status.
func endpointPart(s v1alpha1.NotificationEndpointStatus) v1alpha1.NotificationEndpointStatus {
	return v1alpha1.NotificationEndpointStatus{
		Conditions: managedConditions(s.Conditions), ObservedGeneration: s.ObservedGeneration,
		URL: s.URL, Environment: s.Environment,
	}
}

// managedConditions are sorted: in what order the API server keeps those of two owners says nothing.
func managedConditions(all []metav1.Condition) []metav1.Condition {
	own := slices.DeleteFunc(slices.Clone(all), func(c metav1.Condition) bool { return !verdict.Managed(c.Type) })
	slices.SortFunc(own, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
	return own
}

// writeTriggerStatus writes the manager's part of a trigger's status if it differs. The resourceVersion goes with it: a
// conflict means that the decision rests on something old. It may rest on the status of another object too, for which no resourceVersion
// stands: so a process that may not be the leader any more does not write.
func (r *Reconciler) writeTriggerStatus(ctx context.Context, t *resolve.Trigger, status v1alpha1.CloudinaryTriggerStatus) error {
	next := triggerPart(status)
	if equality.Semantic.DeepEqual(triggerPart(t.Status), next) {
		return nil
	}
	version := ""
	read, err := r.pastTheReceiver(ctx, t.CloudinaryTrigger, func(ctx context.Context, o client.Object) error {
		c := statusapply.Trigger(o, next)
		err := r.Client.Status().Apply(ctx, c, fieldManager, client.ForceOwnership)
		version = ptr.Deref(c.ResourceVersion, "")
		return err
	})
	if err != nil {
		return fmt.Errorf("write status of trigger %s: %w", t.Key, err)
	}
	written, ok := read.DeepCopyObject().(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return fmt.Errorf("%T is no trigger", read)
	}
	r.tellTurn(read, t.Status.Conditions, next.Conditions)
	written.Status, written.ResourceVersion = next, version
	t.CloudinaryTrigger = written
	return nil
}

func (r *Reconciler) writeEndpointStatus(ctx context.Context, ep *resolve.Endpoint, status v1alpha1.NotificationEndpointStatus) error {
	next := endpointPart(status)
	if equality.Semantic.DeepEqual(endpointPart(ep.Status), next) {
		return nil
	}
	_, err := r.pastTheReceiver(ctx, ep.NotificationEndpoint, func(ctx context.Context, o client.Object) error {
		return r.Client.Status().Apply(ctx, statusapply.Endpoint(o, next), fieldManager, client.ForceOwnership)
	})
	if err != nil {
		return fmt.Errorf("write status of endpoint %s: %w", ep.Key, err)
	}
	r.tellTurn(ep.NotificationEndpoint, ep.Status.Conditions, next.Conditions)
	return nil
}

// statusTries is how often a write is tried against a receiver that writes the same object. It does so once a minute.
const statusTries = 5

// pastTheReceiver writes, and where the resourceVersion that was read is old reads the object anew. If all that the manager goes by is as it
// was, the decision stands and is written with the new resourceVersion: without this a notification that comes in the wrong
// moment would cost a pass, and what a call to Cloudinary has just brought. Else the conflict is returned. It returns the object that
// the write rests on.
func (r *Reconciler) pastTheReceiver(ctx context.Context, read client.Object, write func(context.Context, client.Object) error) (client.Object, error) {
	ctx, cancel, err := r.whileLeader(ctx)
	if err != nil {
		return read, err
	}
	defer cancel()
	defer r.whole(read)()
	for try := 1; ; try++ {
		err := write(ctx, read)
		if err == nil || !apierrors.IsConflict(err) || try == statusTries {
			return read, err
		}
		live, readErr := r.readAgain(ctx, read)
		if readErr != nil || !sameBasis(read, live) {
			return read, err
		}
		read = live
	}
}

// confirm makes sure that a trigger's status is as it was read where nothing is written to it: another object's status is about to lose
// what this one has.
func (r *Reconciler) confirm(ctx context.Context, t *resolve.Trigger) error {
	defer r.whole(t)()
	live, err := r.readAgain(ctx, t.CloudinaryTrigger)
	if err != nil || sameBasis(t.CloudinaryTrigger, live) {
		return err
	}
	resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "cloudinarytriggers"}
	return apierrors.NewConflict(resource, t.Name, errors.New("it has changed since it was read"))
}

func (r *Reconciler) readAgain(ctx context.Context, o client.Object) (client.Object, error) {
	var live client.Object
	switch o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		live = &v1alpha1.CloudinaryTrigger{}
	case *v1alpha1.NotificationEndpoint:
		live = &v1alpha1.NotificationEndpoint{}
	default:
		return nil, fmt.Errorf("%T has no status of ours", o)
	}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(o), live); err != nil {
		return nil, fmt.Errorf("read %s/%s again: %w", o.GetNamespace(), o.GetName(), err)
	}
	_, err := Strip(live)
	return live, err
}

// sameBasis reports whether two versions of an object are equal in everything that the manager goes by.
func sameBasis(a, b client.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() &&
		a.GetDeletionTimestamp().Equal(b.GetDeletionTimestamp()) &&
		slices.Equal(a.GetFinalizers(), b.GetFinalizers()) &&
		a.GetAnnotations()[v1alpha1.AnnotationAbandon] == b.GetAnnotations()[v1alpha1.AnnotationAbandon] &&
		equality.Semantic.DeepEqual(partOf(a), partOf(b))
}

func partOf(o client.Object) any {
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return triggerPart(o.Status)
	case *v1alpha1.NotificationEndpoint:
		return endpointPart(o.Status)
	default:
		return nil
	}
}
