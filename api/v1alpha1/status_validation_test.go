// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Status is written by the manager and the receiver alone; what is tested is that its bounds hold
// and that what they rely on is kept.
func TestStatusValidation(t *testing.T) {
	namespace := env.NewNamespace(t)
	cases := map[string]validationCase{
		"observedGeneration may be 0":             {trigger, "status.observedGeneration", int64(0), ""},
		"observedGeneration is not below -1":      {trigger, "status.observedGeneration", int64(-2), "observedGeneration in body should be greater than or equal to -1"},
		"conditions may be 16":                    {trigger, "status.conditions", conditions(16), ""},
		"conditions are not 17":                   {trigger, "status.conditions", conditions(17), "status.conditions: Too many: 17: must have at most 16 items"},
		"conditions differ in their type":         {trigger, "status.conditions", append(conditions(1), conditions(1)...), "status.conditions[1]: Duplicate value"},
		"event types may be 512 bytes":            {trigger, "status.eventTypes", text(512), ""},
		"event types are not 513 bytes":           {trigger, "status.eventTypes", text(513), "status.eventTypes: Too long: may not be more than 512"},
		"registrations may be 32":                 {trigger, "status.registrations", repeat(32, registration()), ""},
		"registrations are not 33":                {trigger, "status.registrations", repeat(33, registration()), "status.registrations: Too many: 33: must have at most 32 items"},
		"a registration is kept whole":            {trigger, "status.registrations", []any{registration()}, ""},
		"a registration has triggers":             {trigger, "status.registrations", []any{registration("triggers", []any{})}, "registrations[0].triggers in body should have at least 1 items"},
		"a registration may have 256 triggers":    {trigger, "status.registrations", []any{registration("triggers", repeat(256, registered()))}, ""},
		"a registration does not have 257":        {trigger, "status.registrations", []any{registration("triggers", repeat(257, registered()))}, "status.registrations[0].triggers: Too many: 257"},
		"a registration's url may be 2500 bytes":  {trigger, "status.registrations", []any{registration("url", text(2500))}, ""},
		"a registration's url is not 2501 bytes":  {trigger, "status.registrations", []any{registration("url", text(2501))}, "status.registrations[0].url: Too long: may not be more than 2500"},
		"an origin is Created or Adopted":         {trigger, "status.registrations", []any{registration("triggers", []any{registered("origin", "Found")})}, `supported values: "Created", "Adopted"`},
		"an id may be absent, with an intent":     {trigger, "status.registrations", []any{registration("triggers", []any{registered("id", absent)})}, ""},
		"an id may be 128 bytes":                  {trigger, "status.registrations", []any{registration("triggers", []any{registered("id", text(128))})}, ""},
		"an id is not 129 bytes":                  {trigger, "status.registrations", []any{registration("triggers", []any{registered("id", text(129))})}, "id: Too long: may not be more than 128"},
		"what is remembered is not empty":         {trigger, "status.registrations", []any{registration("triggers", []any{registered("remembered", "")})}, "remembered in body should be at least 1 chars long"},
		"what is remembered may be 1024 bytes":    {trigger, "status.registrations", []any{registration("triggers", []any{registered("remembered", text(1024))})}, ""},
		"what is remembered is not 1025 bytes":    {trigger, "status.registrations", []any{registration("triggers", []any{registered("remembered", text(1025))})}, "remembered: Too long: may not be more than 1024"},
		"a differing value may be empty":          {trigger, "status.observed", []any{observed("want", "")}, ""},
		"a differing value may be 256 characters": {trigger, "status.observed", []any{observed("have", text(256))}, ""},
		"a differing value is not 257 characters": {trigger, "status.observed", []any{observed("have", text(257))}, "have: Too long: may not be more than 256"},
		"an endpoint's url may be 2500 bytes":     {endpoint, "status.url", text(2500), ""},
		"an endpoint's url is not 2501 bytes":     {endpoint, "status.url", text(2501), "status.url: Too long: may not be more than 2500"},
		"an environment is kept whole":            {endpoint, "status.environment", environment(), ""},
		"an environment may have no triggers yet": {endpoint, "status.environment", environment("urlsUsed", int64(0)), ""},
		"an environment names its cloud":          {endpoint, "status.environment", environment("cloudName", absent), "status.environment.cloudName: Required value"},
		"an environment does not use negative URLs": {
			endpoint, "status.environment", environment("urlsUsed", int64(-1)), "environment.urlsUsed in body should be greater than or equal to 0",
		},
	}
	maps.Copy(cases, receiverStatusCases())
	objects := map[string]*unstructured.Unstructured{}
	for _, kind := range []string{trigger, endpoint} {
		objects[kind] = base(kind)
		objects[kind].SetNamespace(namespace)
		if err := env.Client.Create(t.Context(), objects[kind]); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object := objects[tc.object].DeepCopy()
			set(t, object, tc.field, tc.value)
			err := env.Client.Status().Update(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			checkOutcome(t, object, tc, err)
		})
	}
}

func registration(changes ...any) map[string]any {
	return changed(map[string]any{
		"apiBase":   "https://api.cloudinary.com",
		"cloudName": "demo",
		"secretRef": map[string]any{"namespace": "shop", "name": "cloudinary"},
		"url":       "https://hooks.example.com/cloudinary",
		"triggers":  []any{registered()},
	}, changes)
}

func registered(changes ...any) map[string]any {
	return changed(map[string]any{
		"eventType":  "upload",
		"id":         strings.Repeat("0a", 16),
		"origin":     "Created",
		"intendedAt": "2026-01-02T03:04:05.000006Z",
		"remembered": text(200),
	}, changes)
}

func observed(changes ...any) map[string]any {
	difference := changed(map[string]any{"field": "additive", "want": "true", "have": "false"}, changes)
	return map[string]any{"eventType": "upload", "differences": []any{difference}}
}

func environment(changes ...any) map[string]any {
	return changed(map[string]any{
		"apiBase": "https://api.cloudinary.com", "cloudName": "demo", "urlsUsed": int64(3), "urlLimit": int64(30),
	}, changes)
}

func conditions(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]any{
			"type": fmt.Sprintf("Type%d", i), "status": "True", "reason": "Reason", "message": "message",
			"observedGeneration": int64(1), "lastTransitionTime": "2026-01-02T03:04:05Z",
		}
	}
	return list
}
