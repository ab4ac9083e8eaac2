// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// overlay is a repository whose names kustomize changes. COMPONENTS is for what is under test.
const overlay = `namePrefix: dev-
nameSuffix: -eu
namespace: shop-dev
resources: [media.yaml]
secretGenerator:
- name: cloudinary
  literals: ["CLOUDINARY_URL=cloudinary://1:s@demo"]
COMPONENTS
`

// generated are objects that refer to each other, and to a Service that is not in the repository.
const generated = `apiVersion: notifications.cloudinary.dev/v1alpha1
kind: NotificationEndpoint
metadata: {name: media}
spec:
  credentialsSecretRef: {name: cloudinary}
  receiver:
    deliverTo:
    - {name: catalog, service: {name: catalog, port: 80}}
    - {name: search, service: {name: search, port: 80}}
    - {name: events, event: {}}
---
apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: images}
spec: {endpointRef: {name: media}, eventTypes: [upload]}
---
apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: elsewhere}
spec: {endpointRef: {name: shared}, eventTypes: [upload]}
---
apiVersion: v1
kind: Service
metadata: {name: catalog}
spec: {ports: [{port: 80}]}
`

func TestKustomizeFollowsNames(t *testing.T) {
	component, err := filepath.Abs("../../config/components/name-references")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	relative, err := filepath.Rel(folder, component)
	if err != nil {
		t.Fatal(err)
	}
	secret, got := references(t, folder, "components: ["+relative+"]")
	want := map[string]string{
		"credentialsSecretRef": secret, "images": "dev-media-eu", "elsewhere": "shared", // which is nothing that kustomize renames
		"catalog": "dev-catalog-eu", "search": "search",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if _, without := references(t, t.TempDir(), ""); without["credentialsSecretRef"] != "cloudinary" {
		t.Error("kustomize follows names without the component: it can go")
	}
}

// references builds the overlay, and returns the generated Secret's name and what objects refer to.
func references(t *testing.T, folder, components string) (secret string, found map[string]string) {
	t.Helper()
	for file, content := range map[string]string{
		"kustomization.yaml": strings.Replace(overlay, "COMPONENTS", components, 1), "media.yaml": generated,
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found = map[string]string{}
	for _, o := range decoded(t, kubectl(t, "kustomize", folder)) {
		switch o.GetKind() {
		case "Secret":
			secret = o.GetName()
		case "CloudinaryTrigger":
			name := strings.TrimSuffix(strings.TrimPrefix(o.GetName(), "dev-"), "-eu")
			found[name], _, _ = unstructured.NestedString(o.Object, "spec", "endpointRef", "name")
		case "NotificationEndpoint":
			found["credentialsSecretRef"], _, _ = unstructured.NestedString(o.Object, "spec", "credentialsSecretRef", "name")
			targets, _, _ := unstructured.NestedSlice(o.Object, "spec", "receiver", "deliverTo")
			for _, target := range targets {
				if name, isService, _ := unstructured.NestedString(target.(map[string]any), "service", "name"); isService {
					found[target.(map[string]any)["name"].(string)] = name
				}
			}
		}
	}
	return secret, found
}

func decoded(t *testing.T, stream []byte) []*unstructured.Unstructured {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096)
	var objects []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(o)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
}
