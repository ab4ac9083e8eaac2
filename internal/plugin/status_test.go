// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func condition(conditionType string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(noon)}
}

// busy fills the namespace with objects of which there is something to say.
func (f *fixture) busy() {
	f.Helper()
	ep := f.endpoint("media", "")
	ep.Spec.Receiver = &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com"}
	at := metav1.NewTime(noon.Add(-90 * time.Second))
	ep.Status = v1alpha1.NotificationEndpointStatus{
		Conditions: []metav1.Condition{
			condition("Ready", "True", "Ready", "Accepted and synced."),
			condition("Verifying", "True", "Verified", "well"),
			condition("Delivering", "False", "DeadLetters", "there are some"),
		},
		ObservedGeneration: new(int64(1)),
		URL:                "https://hooks.example.com/v1/notifications/" + f.namespace + "/media",
		Environment: &v1alpha1.EnvironmentStatus{
			APIBase: "https://api.cloudinary.com", CloudName: "my-cloud", URLsUsed: new(int32(12)), URLLimit: new(int32(30)), ChangesWaiting: new(int32(4)), CallShare: "250/500",
		},
		Receiver: &v1alpha1.ReceiverStatus{
			Received:         new(int64(120)),
			Rejected:         []v1alpha1.RejectionStatus{{Reason: "too_old", Count: 2, LastAt: &at}, {Reason: "not_json", Count: 1, LastAt: &at}},
			LastNotification: &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at},
			Targets: []v1alpha1.TargetStatus{
				{Name: "catalog", Delivered: new(int64(117)), Retrying: new(int64(1)), DeadLetters: new(int64(2)), LastFailure: &v1alpha1.DeliveryFailure{
					At: &at, Message: "answered 400",
				}},
				{Name: "describe", Delivered: new(int64(120))},
			},
		},
	}
	f.withStatus(ep)
	f.withStatus(f.endpoint("quiet", "https://example.com/hook?token=t0ken"))

	t := f.trigger("images", "media", "upload", "delete", "rename", "move", "eager")
	t.Status = v1alpha1.CloudinaryTriggerStatus{
		Conditions:         []metav1.Condition{condition("Ready", "False", "Conflict", "event type upload: another one has them")},
		ObservedGeneration: new(int64(1)),
		LastNotification:   &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at},
	}
	f.withStatus(t)
	far := f.trigger("far", "desk", "upload")
	far.Spec.EndpointRef.Namespace = "elsewhere"
	f.withStatus(far)
}

func TestStatus(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	f.busy()
	f.golden("status.txt", f.succeeds("status"))
	f.golden("status-wide.txt", f.succeeds("status", "-o", "wide"))
	f.golden("status.json", f.succeeds("status", "-o", "json"))
	f.golden("status.yaml", f.succeeds("status", "-o", "yaml"))
}

func TestStatusOfAllNamespaces(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.endpoint("here", "https://example.com/here"))
	other := newFixture(t, simulator.Options{})
	other.create(other.endpoint("there", "https://example.com/there"))
	var report statusReport
	f.must(json.Unmarshal([]byte(f.succeeds("status", "-A", "-o", "json")), &report))
	var got []string
	for _, e := range report.Endpoints {
		if e.Namespace == f.namespace || e.Namespace == other.namespace {
			got = append(got, e.Name)
		}
	}
	slices.Sort(got) // which namespace comes first is chance
	if diff := cmp.Diff([]string{"here", "there"}, got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}

func TestStatusOfNothing(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	r := f.call("status")
	if want := (result{err: "No endpoints and no triggers found in namespace " + f.namespace + ".\n"}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}
