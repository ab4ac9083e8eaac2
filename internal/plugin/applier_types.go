// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/config/crd"
)

// definition is the part of a CustomResourceDefinition that server-side apply uses.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema spec.Schema `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// metadataSchema is the part of an object's metadata that is not merged member by member. The API
// server adds the whole of it to the schema of each CRD.
const metadataSchema = `{
	"type": "object", "x-kubernetes-preserve-unknown-fields": true,
	"properties": {
		"finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
		"ownerReferences": {
			"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]
		}
	}
}`

// newTypeConverter tells server-side apply which fields it merges, and which it sets as a whole.
// The API server uses the same CRDs.
func newTypeConverter() (managedfields.TypeConverter, error) {
	var metadata spec.Schema
	if err := json.Unmarshal([]byte(metadataSchema), &metadata); err != nil {
		return nil, fmt.Errorf("decode the schema of metadata: %w", err)
	}
	files, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("find the CRDs: %w", err)
	}
	schemas := map[string]*spec.Schema{}
	for _, file := range files {
		raw, err := crd.Bases.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a CRD: %w", err)
		}
		var d definition
		if err := yaml.Unmarshal(raw, &d); err != nil {
			return nil, fmt.Errorf("decode %s: %w", file, err)
		}
		for _, version := range d.Spec.Versions {
			schema := version.Schema.OpenAPIV3Schema
			schema.SetProperty("metadata", metadata)
			schema.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{
				"group": d.Spec.Group, "version": version.Name, "kind": d.Spec.Names.Kind,
			}})
			schemas[d.Spec.Names.Kind+"."+version.Name] = &schema
		}
	}
	types, err := managedfields.NewTypeConverter(schemas, false)
	if err != nil {
		return nil, fmt.Errorf("make types of the CRDs' schemas: %w", err)
	}
	return types, nil
}
