// SPDX-License-Identifier: Apache-2.0

package statusapply_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
)

var media = metav1.ObjectMeta{
	Namespace: "shop", Name: "media", UID: "4d1e", ResourceVersion: "7", Generation: 3,
	Labels: map[string]string{"team": "shop"}, Finalizers: []string{v1alpha1.Finalizer},
}

// What is sent is owned from then on: nothing may be sent that was not meant.
func TestOnlyWhatIsSetIsSent(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	condition := metav1.Condition{Type: "Ready", Status: "True", Reason: "Ready", ObservedGeneration: 3, LastTransitionTime: at}
	const identity = `"metadata":{"namespace":"shop","name":"media","uid":"4d1e","resourceVersion":"7"}`
	tests := map[string]struct {
		configuration *statusapply.Configuration
		want          string
	}{
		"nothing of an endpoint": {
			statusapply.Endpoint(&media, v1alpha1.NotificationEndpointStatus{}),
			`{"kind":"NotificationEndpoint","apiVersion":"notifications.cloudinary.dev/v1alpha1",` + identity + `,"status":{}}`,
		},
		"the manager's part of an endpoint": {
			statusapply.Endpoint(&media, v1alpha1.NotificationEndpointStatus{
				Conditions: []metav1.Condition{condition}, URL: "https://hooks.example.com/",
			}),
			`{"kind":"NotificationEndpoint","apiVersion":"notifications.cloudinary.dev/v1alpha1",` + identity + `,"status":{` +
				`"conditions":[{"type":"Ready","status":"True","observedGeneration":3,"lastTransitionTime":"2026-01-02T03:04:05Z","reason":"Ready","message":""}],` +
				`"url":"https://hooks.example.com/"}}`,
		},
		"the receiver's part of a trigger": {
			statusapply.Trigger(&media, v1alpha1.CloudinaryTriggerStatus{
				LastNotification: &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at},
			}),
			`{"kind":"CloudinaryTrigger","apiVersion":"notifications.cloudinary.dev/v1alpha1",` + identity + `,"status":{` +
				`"lastNotification":{"eventType":"upload","receivedAt":"2026-01-02T03:04:05Z"}}}`,
		},
		"an object of which only the name is known": {
			statusapply.Trigger(&metav1.ObjectMeta{Namespace: "shop", Name: "media"}, v1alpha1.CloudinaryTriggerStatus{}),
			`{"kind":"CloudinaryTrigger","apiVersion":"notifications.cloudinary.dev/v1alpha1",` +
				`"metadata":{"namespace":"shop","name":"media"},"status":{}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(test.configuration)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The answer has the whole object. The next write goes by its resourceVersion, and sends the same
// part.
func TestAnAnswerBringsTheResourceVersion(t *testing.T) {
	c := statusapply.Endpoint(&media, v1alpha1.NotificationEndpointStatus{URL: "https://hooks.example.com/"})
	answer := `{"metadata":{"name":"media","resourceVersion":"8","managedFields":[{}]},"spec":{"url":"x"},"status":{"receiver":{}}}`
	if err := json.Unmarshal([]byte(answer), c); err != nil {
		t.Fatal(err)
	}
	next := media
	next.ResourceVersion = "8"
	want := statusapply.Endpoint(&next, v1alpha1.NotificationEndpointStatus{URL: "https://hooks.example.com/"})
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"metadata":[]}`), c); err == nil {
		t.Error("an answer that is no object is taken")
	}
}
