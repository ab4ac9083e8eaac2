// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestKubectlFindsTheKindsAndShowsWhatMatters(t *testing.T) {
	type shown struct{ ShortNames, Categories, Columns, WideColumns []string }
	for plural, want := range map[string]shown{
		"cloudinarytriggers": {
			ShortNames: []string{"cldt"}, Categories: []string{"cloudinary"},
			Columns: []string{
				"Endpoint string .spec.endpointRef.name",
				"Event Types string .status.eventTypes",
				`Ready string .status.conditions[?(@.type=="Ready")].status`,
				`Reason string .status.conditions[?(@.type=="Ready")].reason`,
				"Last Fired date .status.lastNotification.receivedAt",
				"Age date .metadata.creationTimestamp",
			},
			WideColumns: []string{`Message string .status.conditions[?(@.type=="Ready")].message`},
		},
		"notificationendpoints": {
			ShortNames: []string{"nep"}, Categories: []string{"cloudinary"},
			Columns: []string{
				"Cloud string .status.environment.cloudName",
				"URL string .status.url",
				`Ready string .status.conditions[?(@.type=="Ready")].status`,
				`Reason string .status.conditions[?(@.type=="Ready")].reason`,
				"URLs string .status.environment.urls",
				"Last Received date .status.receiver.lastNotification.receivedAt",
				"Age date .metadata.creationTimestamp",
			},
			WideColumns: []string{
				`Verifying string .status.conditions[?(@.type=="Verifying")].reason`,
				`Delivering string .status.conditions[?(@.type=="Delivering")].reason`,
				`Message string .status.conditions[?(@.type=="Ready")].message`,
			},
		},
	} {
		t.Run(plural, func(t *testing.T) {
			definition := getDefinition(t, plural)
			got := shown{ShortNames: definition.Status.AcceptedNames.ShortNames, Categories: definition.Status.AcceptedNames.Categories}
			for _, column := range definition.Spec.Versions[0].AdditionalPrinterColumns {
				text := fmt.Sprintf("%s %s %s", column.Name, column.Type, column.JSONPath)
				if column.Priority == 0 {
					got.Columns = append(got.Columns, text)
				} else {
					got.WideColumns = append(got.WideColumns, text)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A default inside a list makes tools that compare a manifest with the live object see a difference
// endlessly. A default in the spec hides what absence means.
func TestOnlyStatusHasDefaults(t *testing.T) {
	want := map[string]string{".status": "{}", ".status.observedGeneration": "-1"}
	for _, plural := range []string{"cloudinarytriggers", "notificationendpoints"} {
		t.Run(plural, func(t *testing.T) {
			schema := getDefinition(t, plural).Spec.Versions[0].Schema.OpenAPIV3Schema
			if diff := cmp.Diff(want, defaults(schema, "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// defaults finds the defaults of a schema by their paths, in which [] stands for the items of a
// list.
func defaults(schema *apiextensionsv1.JSONSchemaProps, path string) map[string]string {
	found := map[string]string{}
	if schema == nil {
		return found
	}
	if schema.Default != nil {
		found[path] = string(schema.Default.Raw)
	}
	below := map[string]*apiextensionsv1.JSONSchemaProps{}
	for name, property := range schema.Properties {
		below[path+"."+name] = &property
	}
	if schema.Items != nil {
		below[path+"[]"] = schema.Items.Schema
	}
	if schema.AdditionalProperties != nil {
		below[path+"{}"] = schema.AdditionalProperties.Schema
	}
	for path, schema := range below {
		maps.Copy(found, defaults(schema, path))
	}
	return found
}

// kstatus takes an object without an observed generation for one that is finished.
func TestAFreshObjectIsNotTakenForFinished(t *testing.T) {
	namespace := env.NewNamespace(t)
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "fresh"}
	newTrigger := &v1alpha1.CloudinaryTrigger{ObjectMeta: meta, Spec: v1alpha1.CloudinaryTriggerSpec{
		EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"},
	}}
	newEndpoint := &v1alpha1.NotificationEndpoint{ObjectMeta: meta, Spec: v1alpha1.NotificationEndpointSpec{
		CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, URL: "https://hooks.example.com",
	}}
	for name, object := range map[string]client.Object{"trigger": newTrigger, "endpoint": newEndpoint} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("create the %s: %v", name, err)
		}
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatalf("read the %s: %v", name, err)
		}
	}
	for name, got := range map[string]*int64{
		"trigger": newTrigger.Status.ObservedGeneration, "endpoint": newEndpoint.Status.ObservedGeneration,
	} {
		if got == nil || *got != -1 {
			t.Errorf("status.observedGeneration of a fresh %s is %v, want -1", name, got)
		}
	}
}

func TestFreeFormFieldsComeBackAsTheSameJSONValue(t *testing.T) {
	namespace := env.NewNamespace(t)
	cases := map[string]string{
		"fields that no schema names":  `{"and":[{"==":[{"var":"resource_type"},"image"]},{"in":["hero",{"var":"tags"}]}]}`,
		"an integer as a fraction":     `{">":[{"var":"width"},1.0]}`,
		"a fraction":                   `{">":[{"var":"ratio"},1.25]}`,
		"a number with an exponent":    `{">":[{"var":"bytes"},1e6]}`,
		"an integer beyond 53 bits":    `{"==":[{"var":"version"},9007199254740993]}`,
		"the largest 64-bit integer":   `{"==":[{"var":"version"},9223372036854775807]}`,
		"a negative integer":           `{">":[{"var":"x"},-42]}`,
		"null, true and false":         `{"or":[null,true,false]}`,
		"an empty object":              `{}`,
		"empty values deep inside":     `{"or":[{},[],""]}`,
		"names of Kubernetes itself":   `{"metadata":{"name":"x"},"apiVersion":"y","kind":"z","status":{}}`,
		"letters outside of ASCII":     `{"==":[{"var":"folder"},"Müller – 写真 😀"]}`,
		"characters that HTML escapes": `{"id":"{{{asset.public_id}}} & <b> \u2028"}`,
		"thirty-two levels":            strings.Repeat(`{"!":`, 32) + "true" + strings.Repeat("}", 32),
	}
	number := 0
	for name, text := range cases {
		number++
		object := &v1alpha1.CloudinaryTrigger{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("free-form-%d", number)},
			Spec: v1alpha1.CloudinaryTriggerSpec{
				EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"},
				Filter:          &runtime.RawExtension{Raw: []byte(text)},
				PayloadTemplate: &runtime.RawExtension{Raw: []byte(text)},
			},
		}
		t.Run(name, func(t *testing.T) {
			if err := env.Client.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				t.Fatal(err)
			}
			for field, got := range map[string]*runtime.RawExtension{"filter": object.Spec.Filter, "payloadTemplate": object.Spec.PayloadTemplate} {
				if got == nil {
					t.Fatalf("%s is gone", field)
				}
				if want, got := jsonValue(t, text), jsonValue(t, string(got.Raw)); !reflect.DeepEqual(want, got) {
					t.Errorf("%s: sent %v, got %v", field, want, got)
				}
			}
		})
	}
}

// jsonValue decodes integers exactly: as float64 two large ones would be equal that are not.
func jsonValue(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return numbers(t, value)
}

func numbers(t *testing.T, value any) any {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			value[key] = numbers(t, member)
		}
	case []any:
		for i, member := range value {
			value[i] = numbers(t, member)
		}
	case json.Number:
		if integer, err := value.Int64(); err == nil {
			return integer
		}
		fraction, err := value.Float64()
		if err != nil {
			t.Fatal(err)
		}
		if fraction == float64(int64(fraction)) {
			return int64(fraction)
		}
		return fraction
	}
	return value
}

func getDefinition(t *testing.T, plural string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	definition := &apiextensionsv1.CustomResourceDefinition{}
	key := client.ObjectKey{Name: plural + "." + v1alpha1.GroupVersion.Group}
	if err := env.Client.Get(t.Context(), key, definition); err != nil {
		t.Fatal(err)
	}
	return definition
}
