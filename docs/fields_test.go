// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// The receiver's parts of an endpoint have a page of their own.
func TestEachFieldIsOnThePageOfItsKind(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"cloudinarytriggers":    "cloudinarytrigger.md",
		"notificationendpoints": "notificationendpoint.md",
	}
	for plural, page := range pages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			code := strings.Join(regexp.MustCompile("(?s)```yaml.*?```|`[^`\n]+`").FindAllString(string(text), -1), "\n")
			fields := fieldsOf(t, plural)
			if len(fields) < 20 {
				t.Fatalf("the CRD has %d fields", len(fields))
			}
			for _, field := range fields {
				if !regexp.MustCompile(`\b` + field + `\b`).MatchString(code) {
					t.Errorf("%s does not speak of %s", page, field)
				}
			}
		})
	}
}

// fieldsOf are the names of all fields of spec and status, but for those of Kubernetes' own types, and of what only the manager reads.
func fieldsOf(t *testing.T, plural string) []string {
	t.Helper()
	raw, err := os.ReadFile("../config/crd/bases/notifications.cloudinary.dev_" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, part := range []string{"spec", "status"} {
		collect(schema.Properties[part], names)
	}
	return slices.Sorted(maps.Keys(names))
}

func collect(schema apiextensionsv1.JSONSchemaProps, names map[string]bool) {
	if schema.Items != nil {
		collect(*schema.Items.Schema, names)
	}
	for name, property := range schema.Properties {
		names[name] = true
		if !slices.Contains([]string{"conditions", "selector"}, name) {
			collect(property, names)
		}
	}
}
