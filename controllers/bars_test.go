// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// doorman stands before Cloudinary and answers 403 to some calls.
type doorman struct {
	mu      sync.Mutex
	refuses func(r *http.Request, body string) bool // nil: none
	turned  []time.Time                             // when a call was refused
	lists   int
}

func newDoorman(f *fixture, refuses func(*http.Request, string) bool) *doorman {
	d := &doorman{refuses: refuses}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if d.turnsAway(r, string(body)) {
			http.Error(w, `{"error":{"message":"Action not permitted"}}`, http.StatusForbidden)
			return
		}
		f.sim.ServeHTTP(w, r)
	}))
	f.Cleanup(front.Close)
	f.url = front.URL
	f.allow("*", f.url)
	f.secretURL = f.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	return d
}

func (d *doorman) turnsAway(r *http.Request, body string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodGet {
		d.lists++
	}
	if d.refuses == nil || !d.refuses(r, body) {
		return false
	}
	d.turned = append(d.turned, time.Now())
	return true
}

func (d *doorman) let(refuses func(*http.Request, string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuses = refuses
}

func (d *doorman) seen() (turned []time.Time, lists int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]time.Time(nil), d.turned...), d.lists
}

// A key that may list and not write is tried ever less often, and says so: it is no reason to doubt the credentials again and again.
func TestAKeyThatMayNotWriteIsNotTriedInAHotLoop(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		method string
		change func(f *fixture, t *v1alpha1.CloudinaryTrigger)
	}{
		"create": {http.MethodPost, func(f *fixture, t *v1alpha1.CloudinaryTrigger) {
			change(f, t, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"delete", "eager", "upload"} })
		}},
		"update": {http.MethodPut, func(f *fixture, t *v1alpha1.CloudinaryTrigger) {
			change(f, t, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.Additive = new(true) })
		}},
		"delete": {http.MethodDelete, func(f *fixture, t *v1alpha1.CloudinaryTrigger) { f.delete(t) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.options.SyncInterval = time.Minute
			door := newDoorman(f, func(r *http.Request, _ string) bool { return r.Method == c.method })
			endpoint, images := f.endpoint("media", hook), f.trigger("images", "media", "upload")
			if c.method == http.MethodPost {
				images.Spec.EventTypes = []string{"eager"}
				door.let(nil)
			}
			f.create(f.secret("cloudinary"), endpoint, images)
			f.start()
			ready(f, images)
			door.let(func(r *http.Request, _ string) bool { return r.Method == c.method })
			_, before := door.seen()
			c.change(f, images)

			message := becomes(f, images, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
			f.contains(message, "lets the credentials list triggers, but not change them")
			f.contains(message, "Action not permitted")
			f.contains(becomes(f, endpoint, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected), "but not change them")
			f.eventually(func() error {
				if turned, _ := door.seen(); len(turned) < 3 {
					return fmt.Errorf("%d tries, want 3", len(turned))
				}
				return nil
			})
			turned, lists := door.seen()
			for i := range turned[1:] {
				if gap := turned[i+1].Sub(turned[i]); gap < memory.FirstBackoff<<i {
					t.Errorf("try %d came %s after the one before, want at least %s", i+2, gap, memory.FirstBackoff<<i)
				}
			}
			if n := lists - before; n > 10 {
				t.Errorf("%d lists beside %d tries, want a few", n, len(turned))
			}

			door.let(nil) // somebody gives the key the right
			if c.method == http.MethodDelete {
				f.gone(images)
			} else {
				ready(f, images)
			}
			ready(f, endpoint)
		})
	}
}

func TestOtherCredentialsWriteAtOnceWhereTheFormerMightNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{{APIKey: "second", APISecret: "secret"}}})
	f.options.SyncInterval = time.Minute
	door := newDoorman(f, func(r *http.Request, _ string) bool {
		key, _, _ := r.BasicAuth()
		return r.Method != http.MethodGet && key == simulator.DefaultAPIKey
	})
	secret, endpoint, images := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
	f.create(secret, endpoint, images)
	f.start()
	f.eventually(func() error {
		if turned, _ := door.seen(); len(turned) < 3 { // the next try would be 8 s away
			return fmt.Errorf("%d tries, want 3", len(turned))
		}
		return nil
	})
	change(f, secret, func(s *corev1.Secret) {
		s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(f.credentials("second", "secret"))}
	})
	ready(f, images)
	ready(f, endpoint)
	if turned, _ := door.seen(); len(turned) > 3 {
		t.Errorf("the former key was tried %d times, want no try after the Secret changed", len(turned))
	}
}

// What may not be changed does not keep what may from being changed, whatever comes first.
func TestATriggerThatMayNotBeWrittenHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.SyncInterval = time.Minute
	newDoorman(f, func(r *http.Request, body string) bool {
		return r.Method == http.MethodPost && bytes.Contains([]byte(body), []byte(`"access_control_changed"`))
	})
	endpoint, first, second := f.endpoint("media", hook), f.trigger("a", "media", "access_control_changed"), f.trigger("b", "media", "upload", "eager")
	f.create(f.secret("cloudinary"), endpoint, first, second)
	f.start()
	ready(f, second)
	becomes(f, first, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	f.placesBecome("eager "+hook, "upload "+hook)
}
