// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestTheManagersPartOfAStatus(t *testing.T) {
	t.Parallel()
	conditions := []metav1.Condition{
		{Type: v1alpha1.ConditionSynced}, {Type: v1alpha1.ConditionVerifying}, {Type: v1alpha1.ConditionAccepted}, {Type: "Theirs"},
	}
	own := []metav1.Condition{{Type: v1alpha1.ConditionAccepted}, {Type: v1alpha1.ConditionSynced}}
	trigger := v1alpha1.CloudinaryTriggerStatus{
		Conditions: conditions, ObservedGeneration: new(int64(3)), EventTypes: "upload",
		LastNotification: &v1alpha1.NotificationStatus{EventType: "upload"},
	}
	want := v1alpha1.CloudinaryTriggerStatus{Conditions: own, ObservedGeneration: new(int64(3)), EventTypes: "upload"}
	if diff := cmp.Diff(want, TriggerPart(trigger)); diff != "" {
		t.Errorf("of a trigger (-want +got):\n%s", diff)
	}
	endpoint := v1alpha1.NotificationEndpointStatus{
		Conditions: conditions, ObservedGeneration: new(int64(3)), URL: "https://a.example",
		Environment: &v1alpha1.EnvironmentStatus{CloudName: "demo"}, Receiver: &v1alpha1.ReceiverStatus{},
	}
	wantEndpoint := v1alpha1.NotificationEndpointStatus{
		Conditions: own, ObservedGeneration: new(int64(3)), URL: "https://a.example", Environment: &v1alpha1.EnvironmentStatus{CloudName: "demo"},
	}
	if diff := cmp.Diff(wantEndpoint, EndpointPart(endpoint)); diff != "" {
		t.Errorf("of an endpoint (-want +got):\n%s", diff)
	}
}

func TestWhenADecisionHoldsForAnotherVersion(t *testing.T) {
	t.Parallel()
	read := &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{UID: "1", Generation: 2, ResourceVersion: "7", Finalizers: []string{v1alpha1.Finalizer}}}
	read.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady}}
	for name, test := range map[string]struct {
		change func(*v1alpha1.CloudinaryTrigger)
		want   bool
	}{
		"nothing but the resourceVersion changed": {func(t *v1alpha1.CloudinaryTrigger) { t.ResourceVersion = "8" }, true},
		"the receiver has noted a notification":   {func(t *v1alpha1.CloudinaryTrigger) { t.Status.LastNotification = &v1alpha1.NotificationStatus{} }, true},
		"the receiver has set its condition": {func(t *v1alpha1.CloudinaryTrigger) {
			t.Status.Conditions = append(t.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionVerifying})
		}, true},
		"somebody has set a label": {func(t *v1alpha1.CloudinaryTrigger) { t.Labels = map[string]string{"team": "a"} }, true},
		"the spec changed":         {func(t *v1alpha1.CloudinaryTrigger) { t.Generation++ }, false},
		"it is another object":     {func(t *v1alpha1.CloudinaryTrigger) { t.UID = "2" }, false},
		"it is being deleted":      {func(t *v1alpha1.CloudinaryTrigger) { t.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }, false},
		"it has another finalizer": {func(t *v1alpha1.CloudinaryTrigger) { t.Finalizers = append(t.Finalizers, "other") }, false},
		"it is abandoned": {func(t *v1alpha1.CloudinaryTrigger) {
			t.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
		}, false},
		"another manager has written it":  {func(t *v1alpha1.CloudinaryTrigger) { t.Status.EventTypes = "upload" }, false},
		"a condition of ours was changed": {func(t *v1alpha1.CloudinaryTrigger) { t.Status.Conditions[0].Reason = "Other" }, false},
	} {
		live := read.DeepCopy()
		test.change(live)
		if got := SameBasis(read, live); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
	a := &v1alpha1.NotificationEndpoint{}
	b := &v1alpha1.NotificationEndpoint{Status: v1alpha1.NotificationEndpointStatus{URL: "https://a.example"}}
	if SameBasis(a, b) {
		t.Error("an endpoint has another URL, and is the same")
	}
}
