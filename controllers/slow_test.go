// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

var tenTypes = []string{"delete", "eager", "error", "info", "move", "multi", "publish", "rename", "report", "upload"}

// A host of one tenant's that answers no write holds up that tenant alone, however many product environments it has.
func TestASlowHostHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	release := make(chan struct{})
	var hanging atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprint(w, `{"triggers":[],"total":0}`)
			return
		}
		hanging.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		http.Error(w, `{"error":{"message":"too late"}}`, http.StatusServiceUnavailable)
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	f.start()
	for i := range 2 * concurrentPasses {
		secret := f.secret(fmt.Sprintf("slow-%d", i))
		secret.StringData["CLOUDINARY_URL"] = fmt.Sprintf("cloudinary://key:secret@cloud%d?upload_prefix=%s", i, slow.URL)
		ep := f.endpoint(secret.Name, hook)
		ep.Spec.CredentialsSecretRef.Name = secret.Name
		f.create(secret, ep, f.trigger(secret.Name, ep.Name, "upload"))
	}
	f.eventually(func() error {
		if n := hanging.Load(); n < passesPerHost {
			return fmt.Errorf("%d calls hang, want %d", n, passesPerHost)
		}
		return nil
	})
	images := f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), images)
	ready(f, images)
	// That one became ready while the calls hung, or they would have come to an end and made room for further ones.
	if n := hanging.Load(); n > passesPerHost {
		t.Errorf("%d calls to the slow host were made by then, want %d", n, passesPerHost)
	}
}

// Other hosts' passes get their turn although each call is answered: a pass ends in time, and the next one goes on, without a list more.
func TestALongPassIsGoneOnWith(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.SyncInterval = 5 * time.Minute
	f.around(func(r *http.Request) {
		if r.Method == http.MethodPost {
			time.Sleep(1500 * time.Millisecond)
		}
	}, func(*http.Request) {})
	f.create(f.secret("cloudinary"), f.endpoint("media", hook))
	for _, eventType := range tenTypes {
		f.create(f.trigger(eventType, "media", eventType))
	}
	f.start()
	for _, eventType := range tenTypes {
		ready(f, f.trigger(eventType, "media", eventType))
	}
	if n := f.calls(http.MethodPost, http.StatusCreated); n != len(tenTypes) {
		t.Errorf("%d creates, want %d", n, len(tenTypes))
	}
	if n := f.calls(http.MethodGet, http.StatusOK); n > 4 {
		t.Errorf("%d lists, want one to accept the credentials and a few to verify: none for a pass that goes on", n)
	}
	if n := f.passesOf(EnvironmentUnit); n < 3 {
		t.Errorf("%d passes, want one that was cut and others", n)
	}
}
