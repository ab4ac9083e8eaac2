// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// Who takes the receiver away leaves neither rights nor a policy of its behind, and takes nothing of the manager's.
func TestWhatIsShownForDeletingTheReceiverIsAllOfIt(t *testing.T) {
	kinds, selector := shownForDeletingTheReceiver(t)
	without := keys(overlay(t, `namespace: `+system+`
namePrefix: cloudinary-operator-
labels: [{pairs: {app.kubernetes.io/name: cloudinary-operator, app.kubernetes.io/part-of: cloudinary-operator}, includeTemplates: true}]
resources: ["${BASE}/crd", "${BASE}/rbac", "${BASE}/manager"]
`))
	without = append(without, "Namespace "+system) // A file, and of these kustomize takes none that is elsewhere.
	var want, got []string
	for _, o := range render(t, "default") {
		if key := keys([]unstructured.Unstructured{o})[0]; !slices.Contains(without, key) {
			want = append(want, key)
		}
	}
	for _, o := range render(t, "default") {
		if slices.Contains(kinds, strings.ToLower(o.GetKind())) && selector.Matches(labels.Set(o.GetLabels())) {
			got = append(got, keys([]unstructured.Unstructured{o})...)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of the receiver is deleted (-want +got):\n%s", diff)
	}
	if selector.Matches(labels.Set{
		"app.kubernetes.io/part-of": "cloudinary-operator", "app.kubernetes.io/component": "receiver", "app.kubernetes.io/managed-by": "Helm",
	}) {
		t.Error("what a release of Helm's has cluster-wide is deleted, too")
	}
}

// shownForDeletingTheReceiver are the kinds and the selector of the command in docs/uninstall.md.
func shownForDeletingTheReceiver(t *testing.T) ([]string, labels.Selector) {
	t.Helper()
	raw, err := os.ReadFile("../docs/uninstall.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "\n## The receiver alone\n")
	command := regexp.MustCompile(`(?s)\$ kubectl -n cloudinary-operator-system delete ([a-z,]+)[\s\\]+-l '([^']+)'`).FindStringSubmatch(text)
	if command == nil {
		t.Fatal("docs/uninstall.md has no command that deletes the receiver")
	}
	selector, err := labels.Parse(command[2])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(command[1], ","), selector
}

func keys(objects []unstructured.Unstructured) []string {
	var all []string
	for _, o := range objects {
		all = append(all, o.GetKind()+" "+o.GetName())
	}
	return all
}
