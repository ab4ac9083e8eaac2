// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// unitFinder finds the units that an object concerns.
type unitFinder struct {
	client    client.Client
	directory *memory.Directory
}

// ofTrigger are those of what a trigger holds, and the one that it leads to.
func (f *unitFinder) ofTrigger(ctx context.Context, o client.Object) []resolve.Unit {
	t, ok := o.(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return nil
	}
	units := resolve.UnitsOf(t.Status.Registrations)
	key := resolve.TriggerEndpoint(t)
	var ep v1alpha1.NotificationEndpoint
	if err := f.client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, &ep,
		client.DisableReadYourWritesConsistency); err != nil {
		return append(units, resolve.UnitOfEndpoint(key))
	}
	return append(units, f.directory.UnitOf(resolve.EndpointSecret(&ep)))
}

// ofEndpoint are those that an endpoint leads to, has led to, or keeps waiting.
func (f *unitFinder) ofEndpoint(_ context.Context, o client.Object) []resolve.Unit {
	ep, ok := o.(*v1alpha1.NotificationEndpoint)
	if !ok {
		return nil
	}
	secret := resolve.EndpointSecret(ep)
	units := []resolve.Unit{resolve.UnitOfEndpoint(resolve.KeyOf(ep)), resolve.UnitOfSecret(secret), f.directory.UnitOf(secret)}
	if e := ep.Status.Environment; e != nil {
		units = append(units, resolve.UnitOfEnvironment(cloudinary.Environment{APIBase: e.APIBase, CloudName: e.CloudName}))
	}
	return units
}

// ofSecret is the Secret, where somebody needs it.
func (f *unitFinder) ofSecret(_ context.Context, o client.Object) []resolve.Unit {
	key := resolve.KeyOf(o)
	if _, known := f.directory.Secret(key); known || controllerutil.ContainsFinalizer(o, v1alpha1.Finalizer) {
		return []resolve.Unit{resolve.UnitOfSecret(key)} // held by an earlier process perhaps, for what is no more
	}
	return nil // nobody asked for it yet; who does reads it
}

// ofNamespace are those of the endpoints that go by the labels of namespaces: who may use them may
// have changed.
func (f *unitFinder) ofNamespace(ctx context.Context, _ client.Object) []resolve.Unit {
	var endpoints v1alpha1.NotificationEndpointList
	if err := f.client.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache cannot fail here, and the next sync looks at it again
	}
	var units []resolve.Unit
	for i := range endpoints.Items {
		if ep := &endpoints.Items[i]; resolve.Selects(ep) {
			units = append(units, f.ofEndpoint(ctx, ep)...)
		}
	}
	return units
}
