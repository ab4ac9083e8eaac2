// SPDX-License-Identifier: Apache-2.0

package charts_test

import (
	"os"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/hack/pages"
)

func TestTheNotesSayWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		values    string
		want, not []string
	}{
		"as it is": {
			want: []string{
				"receiver.baseURL is not set", "Nothing leads from the internet to the receiver", "baseURL: https://hooks.example.com # yours",
				"\nkubectl delete cloudinarytriggers,notificationendpoints -A --all", "What remains after that: the CRDs; the PersistentVolumeClaim cloudinary-operator-receiver",
			},
			not: []string{"LOST", "admission policies", "The CRDs are not part", "rbac.create"},
		},
		"with everything that is needed": {
			values: "{image: {registry: registry.example.com}, receiver: {baseURL: https://hooks.example.com, ingress: {enabled: true, hosts: [hooks.example.com], tls: [{hosts: [hooks.example.com], secretName: hooks}]}}}",
			want:   []string{"\nkubectl create namespace shop ", "\nkubectl cloudinary send media -n shop --wait "},
			not:    []string{"What is missing", "baseURL"},
		},
		"with https and no certificate": {
			values: "receiver: {baseURL: https://hooks.example.com, ingress: {enabled: true, hosts: [hooks.example.com]}}",
			want:   []string{"receiver.ingress.tls is empty"},
		},
		"with a Gateway": {
			values: "receiver: {httpRoute: {enabled: true, hostnames: [hooks.example.com], parentRefs: [{name: public}]}}",
			want:   []string{"receiver.baseURL is not set"},
			not:    []string{"Nothing leads"},
		},
		"without a volume": {
			values: "receiver: {persistence: {enabled: false}}",
			want:   []string{"is LOST with its Pod"}, not: []string{"PersistentVolumeClaim"},
		},
		"without a receiver": {
			values: "{image: {registry: registry.example.com}, receiver: {enabled: false}}",
			want:   []string{"url: https://listener.example.com/cloudinary # yours"}, not: []string{"What is missing", "PersistentVolumeClaim", "cloudinary send"},
		},
		"without policies and roles": {
			values: "{admissionPolicies: {enabled: false}, rbac: {create: false}}",
			want:   []string{"Without the admission policies", "rbac.create is false"},
		},
		"with CRDs that go": {
			values: "crds: {keep: false}", want: []string{"What remains after that: the PersistentVolumeClaim"},
		},
		"for one namespace": {
			values: "namespaced: true",
			want:   []string{"that namespace alone", "The CRDs are not part of this release", "-n " + system + " --all", "kubectl -n " + system + " create secret"},
			not:    []string{"create namespace"},
		},
		"for some namespaces": {
			values: "watchNamespaces: [team-a, team-b]",
			want: []string{
				"works in team-a, team-b", "kubectl -n team-a create secret",
				"\nkubectl delete cloudinarytriggers,notificationendpoints -n team-a --all",
				"\nkubectl delete cloudinarytriggers,notificationendpoints -n team-b --all",
			},
			not: []string{"-A", "--all-namespaces"}, // Others' objects are not this release's to delete.
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := notes(t, release{name: chart, namespace: system, values: test.values})
			for _, want := range append(test.want, "helm uninstall cloudinary-operator -n "+system) {
				if !strings.Contains(text, want) {
					t.Errorf("the notes do not say %q:\n%s", want, text)
				}
			}
			for _, not := range test.not {
				if strings.Contains(text, not) {
					t.Errorf("the notes say %q:\n%s", not, text)
				}
			}
		})
	}
}

// Before the first release the chart's own values name an image that nobody can pull. The packed chart of a release names it by digest.
func TestTheNotesSayWhetherThereIsAnImage(t *testing.T) {
	newest, err := pages.Read(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for values, missing := range map[string]bool{
		"{}": newest.Version == "",
		"image: {registry: registry.example.com}":                   false,
		"image: {digest: 'sha256:" + strings.Repeat("0", 64) + "'}": false,
	} {
		text := notes(t, release{name: chart, namespace: system, values: values})
		if said := strings.Contains(text, "There is no release yet"); said != missing {
			t.Errorf("with %s the notes say that there is no image: %v, want %v", values, said, missing)
		}
	}
}

// notes are what Helm says after an install.
func notes(t *testing.T, r release) string {
	t.Helper()
	out, err := helm(t, append(r.args(t, "install"), "--dry-run=client")...)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(out, "\nNOTES:\n")
	if !found {
		t.Fatal("there are no notes")
	}
	return text
}
