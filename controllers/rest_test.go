// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// listed counts the calls that listed triggers with success.
func (f *fixture) listed() int {
	n := 0
	for _, c := range f.sim.Calls().Calls {
		if c.Method == http.MethodGet && c.Status == http.StatusOK {
			n += c.Count
		}
	}
	return n
}

// rests checks that for some sync intervals nothing is written, neither at Cloudinary nor at the API server.
func (f *fixture) rests(objects ...client.Object) {
	f.Helper()
	for _, o := range objects {
		f.get(o)
	}
	writes, lists := f.writes(), f.listed()
	f.eventually(func() error {
		if n := f.listed() - lists; n < 3 {
			return fmt.Errorf("%d lists since", n)
		}
		return nil
	})
	if got := f.writes() - writes; got != 0 {
		f.Errorf("%d writes at Cloudinary at rest", got)
	}
	for _, o := range objects {
		before := o.GetResourceVersion()
		f.get(o)
		if after := o.GetResourceVersion(); after != before {
			f.Errorf("%s was written at rest: %s, then %s: %+v", o.GetName(), before, after, conditionsOf(o))
		}
	}
}

func TestUnchangedStateWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{URLLimit: 2})
	f.options.URLLimit = 2
	f.start()
	ep := f.endpoint("media", hook)
	good, younger := f.trigger("good", "media", "upload"), f.trigger("younger", "media", "upload", "delete")
	orphan, observer := f.trigger("orphan", "nowhere", "upload"), f.trigger("observer", "media", "rename")
	observer.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
	refused := f.trigger("refused", "media", "no_such_event")
	f.create(f.secret("cloudinary"), ep, good)
	ready(f, good)
	f.create(younger, orphan, observer, refused)
	becomes(f, younger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonConflict)
	becomes(f, orphan, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonEndpointNotFound)
	becomes(f, observer, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonDrifted)
	becomes(f, refused, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonRejected)
	f.rests(ep, good, younger, orphan, observer, refused)
}

func TestNoCredentialsNoHurry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, trigger := f.secret("cloudinary"), f.trigger("images", "media", "upload")
	f.create(secret, f.endpoint("media", hook), trigger)
	ready(f, trigger)
	change(f, secret, func(s *corev1.Secret) { s.Data = nil })
	becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)
	f.delete(trigger)
	becomes(f, trigger, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsMissing)
	before := f.passes()
	other := newFixture(t, simulator.Options{})
	other.start()
	settled := other.trigger("images", "media", "upload")
	other.create(other.secret("cloudinary"), other.endpoint("media", hook), settled)
	ready(other, settled)
	other.rests(settled) // three sync intervals of somebody else's
	if n := f.passes() - before; n > 10 {
		t.Errorf("%d passes while there is nothing to do", n)
	}
	f.finish(trigger)
}

// finish lets an object go whose credentials are gone for good.
func (f *fixture) finish(t *v1alpha1.CloudinaryTrigger) {
	f.Helper()
	change(f, t, func(t *v1alpha1.CloudinaryTrigger) {
		t.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
	})
	f.gone(t)
}

func TestTenSecretsOfOneEnvironmentShareOneList(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.SyncInterval = patience // so that no list is on its way when the manager stops: the simulator would count it for the next one
	var triggers []*v1alpha1.CloudinaryTrigger
	for i := range 10 {
		name := fmt.Sprintf("team-%d", i)
		ep, trigger := f.endpoint(name, hook+name), f.trigger(name, name, "upload")
		ep.Spec.CredentialsSecretRef.Name = name
		f.create(f.secret(name), ep, trigger)
		triggers = append(triggers, trigger)
	}
	f.start()
	for _, trigger := range triggers {
		ready(f, trigger)
	}
	f.stop()

	t.Log("a cold start with all in sync costs one list, whatever the number of Secrets with equal credentials")
	lists, writes := f.listed(), f.writes()
	f.start()
	f.eventually(func() error {
		if f.listed() == lists || f.passes() < 11 {
			return fmt.Errorf("not started yet")
		}
		return nil
	})
	if got := f.listed() - lists; got != 1 {
		t.Errorf("%d lists at a cold start, want 1", got)
	}
	if got := f.writes() - writes; got != 0 {
		t.Errorf("%d writes at a cold start, want none", got)
	}
}
