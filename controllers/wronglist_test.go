// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// origins are the origins of what an object holds, by event type and id.
func (f *fixture) origins(t *v1alpha1.CloudinaryTrigger) string {
	f.get(t)
	var all []string
	for _, r := range t.Status.Registrations {
		for _, held := range r.Triggers {
			all = append(all, fmt.Sprintf("%s %s %s", held.EventType, held.ID, held.Origin))
		}
	}
	return strings.Join(all, ", ")
}

func TestWrongListsMakeTheOperatorForgetNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.hasten()
	f.start()
	trigger := f.trigger("images", "media", "upload", "delete", "rename")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	ready(f, trigger)
	f.quietens()
	before, ids, posts := f.origins(trigger), f.idsByPlace(), f.calls(http.MethodPost, 0)
	for range 3 {
		for _, body := range []string{`{"triggers":[],"total":0}`, `{"triggers":[]}`, `{"triggers":null,"total":0}`} {
			f.inject(simulator.Fault{Method: http.MethodGet, Path: "/triggers", Count: 3, Status: http.StatusOK, Body: []byte(body)})
		}
	}
	f.lists(30)
	ready(f, trigger)
	if got := f.calls(http.MethodPost, 0) - posts; got != 0 {
		t.Errorf("%d triggers were to be created because of wrong lists", got)
	}
	if got := f.origins(trigger); got != before {
		t.Errorf("what the object holds: %s, was %s", got, before)
	}
	if got := f.idsByPlace(); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("triggers: %v, were %v", got, ids)
	}
	f.delete(trigger)
	f.gone(trigger)
	f.placesBecome()
}

func TestATriggerThatIsDeletedWhileListsAreWrongIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.hasten()
	f.start()
	trigger := f.trigger("images", "media", "upload", "delete")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	ready(f, trigger)
	f.quietens()
	f.inject(simulator.Fault{Method: http.MethodGet, Path: "/triggers", Count: 10, Status: http.StatusOK, Body: []byte(`{"triggers":[],"total":0}`)})
	f.lists(3)
	f.delete(trigger)
	f.gone(trigger)
	f.placesBecome()
}

func TestATriggerOfAnotherKindInTheWayIsNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.hasten()
	f.meddle(http.MethodPost, "/triggers", `{"uri":"`+hook+`","uri_type":"flow","event_type":"upload"}`)
	f.start()
	trigger := f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	message := becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonAlreadyExists)
	id := f.sim.Triggers()[0].ID
	for _, part := range []string{"upload", id, "flow", "Delete that trigger"} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q lacks %q", message, part)
		}
	}
	f.meddle(http.MethodDelete, "/triggers/"+id, "")
	ready(f, trigger)
}

func TestARefusalEndsWithItsCause(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.hasten()
	f.inject(simulator.Fault{Method: http.MethodPost, Path: "/triggers", Status: http.StatusConflict, Body: []byte(`{"error":{"message":"record_already_exists"}}`)})
	f.start()
	trigger := f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	ready(f, trigger) // by the list after the refusal, and not ten minutes later
}
