// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
)

// name is where an object is stored.
type name struct{ kind, namespace, name string }

const (
	kindSecret   = "secrets"
	kindEndpoint = "notificationendpoints"
	kindTrigger  = "cloudinarytriggers"
)

func (n name) compare(m name) int {
	return cmp.Or(cmp.Compare(n.kind, m.kind), cmp.Compare(n.namespace, m.namespace), cmp.Compare(n.name, m.name))
}

func (n name) resource() schema.GroupResource {
	if n.kind == kindSecret {
		return schema.GroupResource{Resource: n.kind}
	}
	return schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: n.kind}
}

func nameOf(o client.Object) name {
	kind := kindSecret
	switch o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		kind = kindTrigger
	case *v1alpha1.NotificationEndpoint:
		kind = kindEndpoint
	}
	return name{kind, o.GetNamespace(), o.GetName()}
}

// change is what one write did: before is nil for a new object, after for one that is gone.
type change struct{ before, after client.Object }

// apiServer keeps objects as the API server does: resourceVersion, generation, uid, finalizers and
// deletion. What it has stored is never changed in place. Its log is what watches tell, and watched
// is what a manager's cache keeps of that.
type apiServer struct {
	now     func() time.Time
	wrote   func(change)
	objects map[name]client.Object
	log     []change
	watched []change
	uids    int
	// careless lets writes through whose resourceVersion is old; forgetful loses records that are
	// intents; unguarded takes no finalizers.
	careless, forgetful, unguarded bool
}

func newAPIServer(now func() time.Time, wrote func(change)) *apiServer {
	return &apiServer{now: now, wrote: wrote, objects: map[name]client.Object{}}
}

// names are those of all objects of a kind, sorted.
func (s *apiServer) names(kind string) []name {
	var names []name
	for n := range s.objects {
		if n.kind == kind {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, name.compare)
	return names
}

func (s *apiServer) triggers() []*v1alpha1.CloudinaryTrigger {
	var all []*v1alpha1.CloudinaryTrigger
	for _, n := range s.names(kindTrigger) {
		if t, ok := s.objects[n].(*v1alpha1.CloudinaryTrigger); ok {
			all = append(all, t)
		}
	}
	return all
}

func (s *apiServer) endpoint(namespace, endpoint string) *v1alpha1.NotificationEndpoint {
	ep, _ := s.objects[name{kindEndpoint, namespace, endpoint}].(*v1alpha1.NotificationEndpoint)
	return ep
}

// put stores a version of an object that nobody else refers to, or with nil removes it.
func (s *apiServer) put(before, after client.Object) {
	c := change{before, after}
	if after == nil {
		delete(s.objects, nameOf(before))
	} else {
		after.SetResourceVersion(strconv.Itoa(len(s.log) + 1))
		s.objects[nameOf(after)] = after
	}
	s.log = append(s.log, c)
	s.watched = append(s.watched, change{kept(before), kept(after)})
	s.wrote(c)
}

// kept is what a manager's cache keeps of an object; nil of none.
func kept(o client.Object) client.Object {
	if o == nil {
		return nil
	}
	o, _ = o.DeepCopyObject().(client.Object) // which it is already
	_, _ = controllers.Strip(o)               // it fails for nothing that is an object
	return o
}

// create is a user's. It reports whether there was none of that name.
func (s *apiServer) create(o client.Object) bool {
	if _, exists := s.objects[nameOf(o)]; exists {
		return false
	}
	s.uids++
	o.SetUID(types.UID(fmt.Sprintf("uid-%d", s.uids)))
	o.SetGeneration(1)
	o.SetCreationTimestamp(metav1.NewTime(s.now().Truncate(time.Second)))
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		o.Status.ObservedGeneration = new(int64(-1))
	case *v1alpha1.NotificationEndpoint:
		o.Status.ObservedGeneration = new(int64(-1))
	}
	s.put(nil, o)
	return true
}

// edit is a user's change of spec or data.
func edit[T client.Object](s *apiServer, n name, how func(T)) {
	before, ok := s.objects[n].(T)
	if !ok {
		return
	}
	after, _ := before.DeepCopyObject().(T)
	how(after)
	if equality.Semantic.DeepEqual(before, after) {
		return
	}
	if n.kind != kindSecret {
		after.SetGeneration(before.GetGeneration() + 1)
	}
	s.put(before, after)
}

// delete is a user's. It reports whether there was something to delete.
func (s *apiServer) delete(n name) bool {
	before, ok := s.objects[n]
	if !ok || before.GetDeletionTimestamp() != nil {
		return false
	}
	if len(before.GetFinalizers()) == 0 {
		s.put(before, nil)
		return true
	}
	after, _ := before.DeepCopyObject().(client.Object)
	after.SetDeletionTimestamp(new(metav1.NewTime(s.now().Truncate(time.Second))))
	after.SetGeneration(before.GetGeneration() + 1)
	s.put(before, after)
	return true
}

// notified is a write of the receiver to its own part of a trigger's status.
func (s *apiServer) notified(n name) {
	before, ok := s.objects[n].(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return
	}
	after := before.DeepCopy()
	after.Status.LastNotification = &v1alpha1.NotificationStatus{ReceivedAt: new(metav1.NewTime(s.now()))}
	s.put(before, after)
}

func (s *apiServer) current(n name, version string) (client.Object, error) {
	o, ok := s.objects[n]
	if !ok {
		return nil, apierrors.NewNotFound(n.resource(), n.name)
	}
	if o.GetResourceVersion() != version && !s.careless {
		return nil, apierrors.NewConflict(n.resource(), n.name, errors.New("the object has been modified"))
	}
	return o, nil
}

// setFinalizers is what the manager's patches do.
func (s *apiServer) setFinalizers(n name, version string, finalizers []string) (client.Object, error) {
	before, err := s.current(n, version)
	if err != nil {
		return nil, err
	}
	added := slices.ContainsFunc(finalizers, func(f string) bool { return !slices.Contains(before.GetFinalizers(), f) })
	switch {
	case added && before.GetDeletionTimestamp() != nil:
		return nil, apierrors.NewForbidden(n.resource(), n.name, errors.New("no new finalizers can be added if the object is being deleted"))
	case slices.Equal(finalizers, before.GetFinalizers()), added && s.unguarded:
		return before, nil
	}
	after, _ := before.DeepCopyObject().(client.Object)
	after.SetFinalizers(finalizers)
	if after.GetDeletionTimestamp() != nil && len(finalizers) == 0 {
		s.put(before, nil)
		return after, nil
	}
	s.put(before, after)
	return after, nil
}

// applied is what a server-side apply of status sends.
type applied struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metav1.ObjectMeta `json:"metadata"`
	Status     json.RawMessage   `json:"status"`
}

func (a applied) name() name {
	kinds := map[string]string{"CloudinaryTrigger": kindTrigger, "NotificationEndpoint": kindEndpoint}
	return name{kinds[a.Kind], a.Metadata.Namespace, a.Metadata.Name}
}

// applyStatus replaces the manager's part of status: all of it but what the receiver writes.
func (s *apiServer) applyStatus(a applied) (client.Object, error) {
	n := a.name()
	before, err := s.current(n, a.Metadata.ResourceVersion)
	if err != nil {
		return nil, err
	}
	if before.GetUID() != a.Metadata.UID {
		return nil, apierrors.NewConflict(n.resource(), n.name, errors.New("the UID in the precondition does not match"))
	}
	after, _ := before.DeepCopyObject().(client.Object)
	switch after := after.(type) {
	case *v1alpha1.CloudinaryTrigger:
		old := after.Status
		after.Status = v1alpha1.CloudinaryTriggerStatus{}
		err = json.Unmarshal(a.Status, &after.Status)
		after.Status.LastNotification = old.LastNotification
		if s.forgetful {
			dropIntents(&after.Status)
		}
	case *v1alpha1.NotificationEndpoint:
		old := after.Status
		after.Status = v1alpha1.NotificationEndpointStatus{}
		err = json.Unmarshal(a.Status, &after.Status)
		after.Status.Receiver = old.Receiver
	}
	if err != nil {
		return nil, fmt.Errorf("decode status: %w", err)
	}
	if !equality.Semantic.DeepEqual(before, after) {
		s.put(before, after)
	}
	return s.objects[n], nil
}

func dropIntents(s *v1alpha1.CloudinaryTriggerStatus) {
	for i := range s.Registrations {
		s.Registrations[i].Triggers = slices.DeleteFunc(s.Registrations[i].Triggers, func(t v1alpha1.RegisteredTrigger) bool { return t.ID == "" })
	}
	s.Registrations = slices.DeleteFunc(s.Registrations, func(r v1alpha1.Registration) bool { return len(r.Triggers) == 0 })
}

// read copies an object into what a client gave to receive it, which may ask for the metadata
// alone.
func read(from client.Object, into client.Object) error {
	switch into := into.(type) {
	case *metav1.PartialObjectMetadata:
		secret, ok := from.(*corev1.Secret)
		if !ok {
			return fmt.Errorf("the metadata of %T was asked for", from)
		}
		secret.ObjectMeta.DeepCopyInto(&into.ObjectMeta)
	case *corev1.Secret:
		return copied(from, into)
	case *v1alpha1.CloudinaryTrigger:
		return copied(from, into)
	case *v1alpha1.NotificationEndpoint:
		return copied(from, into)
	default:
		return fmt.Errorf("a %T was asked for", into)
	}
	return nil
}

func copied[T any, P interface {
	*T
	DeepCopyInto(*T)
}](from client.Object, into P) error {
	o, ok := any(from).(P)
	if !ok {
		return fmt.Errorf("%T was asked for as %T", from, into)
	}
	o.DeepCopyInto(into)
	return nil
}
