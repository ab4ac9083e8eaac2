// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

const guide = "../../docs/gitops.md"

func TestTheGuidesManifestsAreTaken(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if err := client.IgnoreAlreadyExists(cluster.Client.Create(t.Context(), namespace)); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]int{}
	for _, block := range strings.Split(string(raw), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```\n")
		for document := range strings.SplitSeq(block, "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
				t.Fatalf("%v in\n%s", err, document)
			}
			taken[o.GetKind()]++
			if o.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
				continue
			}
			strict := &client.CreateOptions{DryRun: []string{metav1.DryRunAll}, Raw: &metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}}
			if err := cluster.Client.Create(t.Context(), o, strict); err != nil {
				t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	}
	// The last is a workflow, which has no kind.
	want := map[string]int{"NotificationEndpoint": 1, "CloudinaryTrigger": 1, "Application": 1, "Kustomization": 3, "": 1}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Errorf("kinds in the guide (-want +got):\n%s", diff)
	}
}

// inTheGuide is the rest of the line that begins with a prefix.
func inTheGuide(t *testing.T, prefix string) string {
	t.Helper()
	raw, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, found := strings.CutPrefix(line, prefix); found {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("%s has no line that begins with %q", guide, prefix)
	return ""
}
