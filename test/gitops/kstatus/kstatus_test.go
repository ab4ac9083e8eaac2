// SPDX-License-Identifier: Apache-2.0

package kstatus

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// written is what the operator was seen to write: test/gitops keeps it true.
const written = "../../../config/argocd/resource_customizations/notifications.cloudinary.dev"

// verdicts are what kstatus is to say, and why.
var verdicts = map[string]struct {
	status status.Status
	why    string
}{
	"CloudinaryTrigger/progressing_unobserved.yaml":          {status.InProgressStatus, "without a status of the manager's, the default -1 of observedGeneration is what keeps it from being Current"},
	"CloudinaryTrigger/progressing_staleGeneration.yaml":     {status.InProgressStatus, "Ready speaks of an older spec"},
	"CloudinaryTrigger/progressing_endpointNotFound.yaml":    {status.InProgressStatus, "the endpoint may be applied next"},
	"CloudinaryTrigger/progressing_secretNotFound.yaml":      {status.InProgressStatus, "the Secret may come from elsewhere, and later"},
	"CloudinaryTrigger/progressing_unavailable.yaml":         {status.InProgressStatus, "it is tried again"},
	"CloudinaryTrigger/healthy.yaml":                         {status.CurrentStatus, "Ready"},
	"CloudinaryTrigger/healthy_observed.yaml":                {status.CurrentStatus, "Ready, without a write"},
	"CloudinaryTrigger/degraded_invalidFilter.yaml":          {status.FailedStatus, "bad input"},
	"CloudinaryTrigger/degraded_observedInvalidFilter.yaml":  {status.FailedStatus, "bad input"},
	"CloudinaryTrigger/degraded_conflict.yaml":               {status.FailedStatus, "one of two manifests has to give way"},
	"CloudinaryTrigger/degraded_urlLimitReached.yaml":        {status.FailedStatus, "somebody has to make room"},
	"CloudinaryTrigger/degraded_credentialsRejected.yaml":    {status.FailedStatus, "somebody has to correct the Secret"},
	"CloudinaryTrigger/suspended_drifted.yaml":               {status.FailedStatus, "kstatus knows no word for paused, and Cloudinary is not what the manifest says"},
	"CloudinaryTrigger/terminating_unavailable.yaml":         {status.TerminatingStatus, "it is being deleted"},
	"CloudinaryTrigger/terminating_credentialsRejected.yaml": {status.TerminatingStatus, "it is being deleted"},
	"NotificationEndpoint/progressing_unobserved.yaml":       {status.InProgressStatus, "as for a trigger"},
	"NotificationEndpoint/progressing_staleGeneration.yaml":  {status.InProgressStatus, "Ready speaks of an older spec"},
	"NotificationEndpoint/progressing_secretNotFound.yaml":   {status.InProgressStatus, "the Secret may come from elsewhere, and later"},
	"NotificationEndpoint/healthy.yaml":                      {status.CurrentStatus, "Ready"},
	"NotificationEndpoint/healthy_targetFailing.yaml":        {status.CurrentStatus, "Ready does not speak of deliveries"},
	"NotificationEndpoint/healthy_signaturesDoNotMatch.yaml": {status.CurrentStatus, "Ready does not speak of deliveries"},
	"NotificationEndpoint/degraded_secretInvalid.yaml":       {status.FailedStatus, "bad input"},
	"NotificationEndpoint/degraded_credentialsRejected.yaml": {status.FailedStatus, "somebody has to correct the Secret"},
	"NotificationEndpoint/terminating.yaml":                  {status.TerminatingStatus, "it is being deleted"},
}

func TestKstatusSaysWhatIsMeant(t *testing.T) {
	for name, c := range verdicts {
		t.Run(name, func(t *testing.T) {
			object := read(t, name)
			got, err := status.Compute(object)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != c.status {
				t.Errorf("%s (%s), want %s: %s", got.Status, got.Message, c.status, c.why)
			}
			if c.status != status.FailedStatus {
				return
			}
			// What Flux shows: the operator's own words.
			if want := messageOf(t, object, "Stalled"); got.Message != want {
				t.Errorf("message %q, want %q", got.Message, want)
			}
		})
	}
}

func TestEachStateHasAVerdict(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(written, "*", "testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names, judged []string
	for _, file := range files {
		kind := filepath.Base(filepath.Dir(filepath.Dir(file)))
		names = append(names, kind+"/"+filepath.Base(file))
	}
	for name := range verdicts {
		judged = append(judged, name)
	}
	slices.Sort(names)
	slices.Sort(judged)
	if diff := cmp.Diff(names, judged); diff != "" {
		t.Errorf("(-files +verdicts):\n%s", diff)
	}
}

func read(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(written, filepath.Dir(name), "testdata", filepath.Base(name)))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = yaml.YAMLToJSON(raw); err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return object
}

func messageOf(t *testing.T, object *unstructured.Unstructured, conditionType string) string {
	t.Helper()
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == conditionType {
			message, _ := c["message"].(string)
			return message
		}
	}
	t.Fatalf("there is no condition %s", conditionType)
	return ""
}
