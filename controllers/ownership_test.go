// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// exists makes a trigger that is not the operator's.
func (f *fixture) exists(eventType, url, more string) string {
	f.Helper()
	status, answer := f.admin(http.MethodPost, "/triggers", fmt.Sprintf(`{"event_type":%q,"uri":%q%s}`, eventType, url, more))
	if status != http.StatusCreated {
		f.Fatalf("create a foreign trigger: %d %v", status, answer)
	}
	id, ok := answer["id"].(string)
	if !ok {
		f.Fatalf("no id in %v", answer)
	}
	return id
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	same, differs := f.exists("upload", hook, ""), f.exists("delete", hook, `,"additive":true`)
	foreign := f.exists("upload", "https://other.example.com/", `,"additive":true`)
	f.exists("upload", "poll://channel", `,"uri_type":"poll"`)
	before := f.writes()
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete", "rename")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	if got := f.writes() - before; got != 2 {
		t.Errorf("%d writes, want one update of what differed and one create", got)
	}
	if f.at("upload", hook).ID != same || f.at("delete", hook).ID != differs {
		t.Error("what existed was not adopted")
	}
	if additive := f.at("delete", hook).Additive; additive != nil && *additive {
		t.Error("absent means Cloudinary's default, on adoption too")
	}
	f.get(trigger)
	origins := map[string]v1alpha1.Origin{}
	for _, reg := range trigger.Status.Registrations {
		for _, r := range reg.Triggers {
			origins[r.EventType] = r.Origin
		}
	}
	want := map[string]v1alpha1.Origin{"upload": "Adopted", "delete": "Adopted", "rename": "Created"}
	if diff := cmp.Diff(want, origins); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	f.delete(trigger)
	f.gone(trigger)
	f.placesBecome("upload "+hook, "delete "+hook, "upload https://other.example.com/", "upload poll://channel")
	if got := f.at("upload", "https://other.example.com/"); got.ID != foreign || got.Additive == nil || !*got.Additive {
		t.Errorf("a foreign trigger was touched: %+v", got)
	}
}

func TestRefuseAndRetain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	existing := f.exists("upload", hook, "")
	f.start()
	trigger := f.trigger("images", "media", "upload")
	trigger.Spec.AdoptionPolicy, trigger.Spec.DeletionPolicy = v1alpha1.AdoptionPolicyRefuse, v1alpha1.DeletionPolicyRetain
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonAlreadyExists)
	f.admin(http.MethodDelete, "/triggers/"+existing, "")
	ready(f, trigger)
	f.delete(trigger)
	f.gone(trigger)
	f.placesBecome("upload " + hook)
}

func TestObserveWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.exists("upload", hook, `,"additive":true`)
	before := f.writes()
	f.start()
	trigger := f.trigger("images", "media", "upload", "delete")
	trigger.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
	trigger.Spec.Filter = rawJSON(`{"==":[{"var":"type"},"upload"]}`)
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	message := becomes(f, trigger, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonDrifted)
	for _, part := range []string{"additive", "filter", "no trigger for delete"} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q does not say %q", message, part)
		}
	}
	f.get(trigger)
	if len(trigger.Status.Observed) != 2 || len(trigger.Status.Observed[1].Differences) != 2 {
		t.Errorf("status.observed: %+v", trigger.Status.Observed)
	}
	f.delete(trigger)
	f.gone(trigger)
	if got := f.writes() - before; got != 0 {
		t.Errorf("%d writes, want none, ever", got)
	}
}

func TestRenameAndRepartitionCostNoCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	first := f.trigger("first", "media", "upload", "delete")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), first)
	ready(f, first)
	before, ids := f.writes(), f.ids()

	t.Log("renamed: the new one is created and the old one deleted at once")
	second, third := f.trigger("second", "media", "upload", "delete"), f.trigger("third", "media", "rename")
	f.create(second)
	f.delete(first)
	f.gone(first)
	ready(f, second)
	f.create(third)
	ready(f, third)

	t.Log("an event type moves from one to the other")
	change(f, third, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"rename", "delete"} })
	change(f, second, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"upload"} })
	ready(f, second)
	ready(f, third)
	if got := f.writes() - before; got != 1 {
		t.Errorf("%d writes, want the create of rename alone", got)
	}
	now := f.ids()
	for place, id := range ids {
		if now[place] != id {
			t.Errorf("%s was %s and is %s", place, id, now[place])
		}
	}
}

func (f *fixture) ids() map[string]string {
	ids := map[string]string{}
	for _, t := range f.sim.Triggers() {
		ids[t.EventType+" "+t.URI] = t.ID
	}
	return ids
}

func TestURLMovesInPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{URLLimit: 1})
	f.start()
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, trigger)
	before := f.at("upload", hook).ID
	const moved = "https://hooks.example.com/b"
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL = moved })
	f.placesBecome("upload "+moved, "delete "+moved)
	ready(f, trigger)
	if after := f.at("upload", moved).ID; after != before {
		t.Errorf("the trigger was replaced: %s, then %s", before, after)
	}
	t.Log("the receiver's URL is derived from the endpoint's name, and a key")
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) {
		ep.Spec.URL, ep.Spec.Receiver = "", &v1alpha1.ReceiverSpec{BaseURL: "https://in.example.com/base/"}
	})
	derived := "https://in.example.com/base/v1/notifications/" + f.namespace + "/media/" + notification.PathToken(f.pathKey(), f.namespace, "media")
	f.placesBecome("upload "+derived, "delete "+derived)
	ready(f, ep)
	if ep.Status.URL != derived {
		t.Errorf("status.url is %q, want %q", ep.Status.URL, derived)
	}
}

func TestConflictAndLimitGoThroughByThemselves(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{URLLimit: 2})
	f.options.URLLimit = 2
	f.exists("upload", "https://other.example.com/", "")
	f.start()
	older, younger := f.trigger("older", "media", "upload"), f.trigger("younger", "media", "upload")
	late := f.trigger("late", "second", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), f.endpoint("second", hook+"2"), older)
	ready(f, older)
	f.create(younger, late)
	message := becomes(f, younger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonConflict)
	if !strings.Contains(message, f.namespace+"/older") {
		t.Errorf("message %q does not name the other object", message)
	}
	becomes(f, late, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonURLLimitReached)
	f.delete(older)
	ready(f, younger)
	f.delete(younger)
	ready(f, late)
	f.placesBecome("upload https://other.example.com/", "upload "+hook+"2")
}

func TestAnotherEnvironment(t *testing.T) {
	t.Parallel()
	f, there := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.start()
	other := f.secret("other")
	other.StringData["CLOUDINARY_URL"] = there.secretURL
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, other, ep, trigger)
	ready(f, trigger)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.CredentialsSecretRef.Name = "other" })
	there.placesBecome("upload " + hook)
	f.placesBecome()
	f.eventually(func() error { // the trigger's spec is as before, and so was its Ready
		if ready(f, trigger); len(trigger.Status.Registrations) != 1 {
			return fmt.Errorf("%d registrations, want that in the new environment alone", len(trigger.Status.Registrations))
		}
		return nil
	})
	t.Log("the Secret that nobody needs any more is released")
	f.delete(secret)
	f.gone(secret)
}

func TestNamespaceDeletedWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, trigger)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
	f.delete(ns)
	f.gone(ns)
	f.placesBecome()
}

func TestDeletionInEveryOrder(t *testing.T) {
	t.Parallel()
	orders := [][]string{
		{"secret", "endpoint", "trigger"},
		{"secret", "trigger", "endpoint"},
		{"endpoint", "secret", "trigger"},
		{"endpoint", "trigger", "secret"},
		{"trigger", "secret", "endpoint"},
		{"trigger", "endpoint", "secret"},
	}
	for _, order := range orders {
		t.Run(strings.Join(order, ", "), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.options.SyncInterval = time.Hour // each step must wake the next; no sync comes to the rescue
			f.start()
			secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
			f.create(secret, ep, trigger)
			ready(f, trigger)
			for _, kind := range order {
				switch kind {
				case "secret":
					f.delete(secret)
				case "endpoint":
					f.delete(ep)
				case "trigger":
					f.delete(trigger)
				}
			}
			f.gone(trigger, ep, secret)
			f.placesBecome()
		})
	}
}

func TestDeletedEndpointReleasesLivingTriggers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	f.delete(ep)
	f.gone(ep)
	f.placesBecome()
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
	f.delete(secret)
	f.gone(secret)
	t.Log("and they come back with a new endpoint")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook))
	ready(f, trigger)
}

func TestCredentialsGoneForGood(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"nothing": []byte("useful")} })
	becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)
	f.delete(trigger)
	message := becomes(f, trigger, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsMissing)
	if !strings.Contains(message, v1alpha1.AnnotationAbandon) {
		t.Errorf("message %q does not name the way out", message)
	}
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) {
		t.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
	})
	f.gone(trigger)
	f.placesBecome("upload " + hook)
}

func TestRotationMissesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{{APIKey: "second", APISecret: "secret"}}})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	change(f, secret, func(s *corev1.Secret) {
		s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(f.credentials("second", "secret"))}
	})
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"upload", "delete"} })
	ready(f, trigger)
	f.placesBecome("upload "+hook, "delete "+hook)
}

func TestSecretDeletedWhileInUseIsHeldAndSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	f.delete(secret)
	f.eventually(func() error {
		message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		if !strings.Contains(message, "is being deleted") {
			return fmt.Errorf("message %q does not speak of the Secret", message)
		}
		return nil
	})
	t.Log("and it serves until nothing needs it")
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"upload", "delete"} })
	ready(f, trigger)
	f.delete(ep, trigger)
	f.gone(trigger, ep, secret)
	f.placesBecome()
}
