// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// around has something happen before Cloudinary gets a call, and after it before the caller gets the answer.
func (f *fixture) around(before, after func(*http.Request)) {
	f.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		f.sim.ServeHTTP(w, r)
		after(r)
	}))
	f.Cleanup(front.Close)
	f.url = front.URL
	f.allow("*", f.url)
	f.secretURL = f.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
}

// What a call has brought is recorded although the manifest changed while it was under way: else the next pass would compare what it
// finds with the write before that one, and replace a trigger that does as it is told.
func TestAManifestThatChangesDuringACallIsNoReasonToReplace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	trigger := f.trigger("images", "media", "upload")
	wants := func(additive bool) {
		change(f, trigger.DeepCopy(), func(o *v1alpha1.CloudinaryTrigger) { o.Spec.Additive = &additive })
	}
	puts, undone := 0, false // calls of one environment do not overlap
	f.around(func(r *http.Request) {
		if r.Method == http.MethodGet && puts == 1 && !undone {
			undone = true
			wants(false) // the list finds that the first write has worked, and nobody can note it
		}
	}, func(r *http.Request) {
		if r.Method != http.MethodPut {
			return
		}
		if puts++; puts == 2 {
			wants(true)
		}
	})
	f.start()
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	ready(f, trigger)
	wants(true)
	f.eventually(func() error { return f.hasPut(2) })
	ready(f, trigger)
	if n := f.calls(http.MethodDelete, http.StatusOK); n > 0 {
		t.Errorf("%d triggers were deleted, want none", n)
	}
	if left := f.sim.Triggers(); len(left) != 1 || left[0].Additive == nil || !*left[0].Additive {
		t.Errorf("Cloudinary has %+v, want one trigger that is additive", left)
	}
}

func (f *fixture) hasPut(want int) error {
	if got := f.calls(http.MethodPut, http.StatusOK); got < want {
		return fmt.Errorf("%d updates, want %d", got, want)
	}
	return nil
}

// Who deletes an endpoint the moment its first trigger exists finds it held.
func TestAnEndpointIsHeldBeforeAnythingIsCreatedByIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.around(func(r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		for _, name := range []string{"media", "later"} {
			var ep v1alpha1.NotificationEndpoint
			err := api.Client.Get(r.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, &ep)
			if client.IgnoreNotFound(err) != nil || err == nil && !controllerutil.ContainsFinalizer(&ep, v1alpha1.Finalizer) {
				t.Errorf("a trigger is created while endpoint %s has the finalizers %q, %v", name, ep.Finalizers, err)
			}
		}
	}, func(*http.Request) {})
	f.start()
	first, second := f.trigger("images", "media", "upload"), f.trigger("videos", "later", "upload")
	f.create(f.secret("cloudinary"), second, first, f.endpoint("media", hook))
	ready(f, first)
	f.create(f.endpoint("later", hook+"/later"))
	ready(f, second)
}
