// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestEventTypeThatCloudinaryRefusesIsToldWithTheProbableOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	trigger := f.trigger("images", "media", "uplod")
	f.create(f.secret("cloudinary"), f.endpoint("media", "https://catalog.shop.svc.cluster.local/hooks"), trigger)
	for _, conditionType := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionReady} {
		message := becomes(f, trigger, conditionType, metav1.ConditionFalse, v1alpha1.ReasonRejected)
		for _, part := range []string{"Cloudinary refuses the trigger", `did you mean "upload"?`, "a name that only the cluster knows"} {
			if !strings.Contains(message, part) {
				t.Errorf("%s: %q does not say %q", conditionType, message, part)
			}
		}
	}
}

// The note on a target comes and goes with the triggers.
func TestTargetThatNoTriggerBringsIsNoted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep := f.endpoint("media", "")
	receives(ep)
	ep.Spec.Receiver.DeliverTo = []v1alpha1.DeliveryTarget{{Name: "events", Event: &v1alpha1.EventTarget{}, EventTypes: []string{"delete", "upload"}}}
	trigger := f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)
	notes := func(want bool) {
		t.Helper()
		f.eventually(func() error {
			f.get(ep)
			c := meta.FindStatusCondition(ep.Status.Conditions, v1alpha1.ConditionReady)
			if c == nil || c.Status != metav1.ConditionTrue || strings.Contains(c.Message, "no CloudinaryTrigger that uses this endpoint has delete") != want {
				return fmt.Errorf("%+v, and a note is wanted: %v", c, want)
			}
			return nil
		})
	}
	notes(true)
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"upload", "delete"} })
	notes(false)
	f.delete(trigger)
	notes(true)
}
