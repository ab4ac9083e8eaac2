// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// told waits for the one Event about an object with a reason.
func (f *fixture) told(o client.Object, eventType, reason, says string) {
	f.Helper()
	f.eventually(func() error {
		var all eventsv1.EventList
		if err := api.Client.List(f.Context(), &all, client.InNamespace(o.GetNamespace())); err != nil {
			return err
		}
		var about []string
		for _, e := range all.Items {
			if e.Regarding.UID != o.GetUID() {
				continue
			}
			if e.Type == eventType && e.Reason == reason && strings.Contains(e.Note, says) {
				return nil
			}
			about = append(about, e.Type+" "+e.Reason+": "+e.Note)
		}
		return fmt.Errorf("no %s %s that says %q, but %q", eventType, reason, says, about)
	})
}

func TestWhatAPersonHasToSeeToIsAnEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep, trigger := f.endpoint("media", hook), f.trigger("uploads", "media", "upload")
	trigger.Spec.Filter = rawJSON(`{"nosuch": [1]}`)
	f.create(f.secret("cloudinary"), ep, trigger)
	becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidFilter)
	f.told(trigger, "Warning", v1alpha1.ReasonInvalidFilter, "spec.filter")
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.Filter = nil })
	ready(f, trigger)
	f.told(trigger, "Normal", v1alpha1.ReasonReady, "Well again")
	ready(f, ep)
	if notes, err := f.eventNotes(ep, v1alpha1.ReasonReady); err != nil || len(notes) > 0 {
		t.Errorf("an endpoint that was well all the time has Events: %v, %v", notes, err)
	}
}
