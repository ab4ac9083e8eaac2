// SPDX-License-Identifier: Apache-2.0

package route

import (
	"reflect"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// typeOf is the event type of a body that comes to an endpoint.
func typeOf(t *testing.T, e *Endpoint, body string) string {
	t.Helper()
	n, err := notification.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return notification.EventType([]byte(body), n, e.TypePaths, e.SoleTemplatedType)
}

func TestTemplatesOfOneEndpointDoNotReadEachOthersBodies(t *testing.T) {
	const kind = `{"type":"{{event.type}}","id":"{{asset.public_id}}"}`
	for name, tc := range map[string]struct {
		triggers []*v1alpha1.CloudinaryTrigger
		types    map[string]string // of bodies
		why      string
	}{
		"two that differ in where the type is": {
			triggers: []*v1alpha1.CloudinaryTrigger{
				trigger("shop", "a", "media", kind, "delete"),
				trigger("shop", "b", "media", `{"event":"{{event.type}}","type":"{{asset.resource_type}}"}`, "upload"),
			},
			types: map[string]string{`{"event":"upload","type":"image"}`: "upload", `{"type":"delete","id":"x"}`: "delete"},
		},
		"beside one for all": {
			triggers: []*v1alpha1.CloudinaryTrigger{
				trigger("shop", "a", "media", kind, "all"),
				trigger("shop", "b", "media", `{"event":"{{event.type}}","type":"{{asset.type}}"}`, "eager"),
			},
			types: map[string]string{`{"event":"eager","type":"upload"}`: "eager", `{"type":"move","id":"x"}`: "move", `{"type":"brand_new"}`: "brand_new"},
		},
		"equal ones, for one type each": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", kind, "upload"), trigger("shop", "b", "media", kind, "delete", "upload")},
			types:    map[string]string{`{"type":"upload"}`: "upload", `{"type":"delete"}`: "delete", `{"type":"eager"}`: "unknown"},
		},
		"that of another namespace, and the endpoint's own": {
			triggers: []*v1alpha1.CloudinaryTrigger{
				trigger("a-team", "a", "shop/media", `{"their":"{{event.type}}"}`, "eager"),
				trigger("shop", "b", "media", `{"our":"{{event.type}}","their":"{{asset.tags}}"}`, "upload"),
			},
			types: map[string]string{`{"our":"upload","their":"eager"}`: "upload", `{"their":"eager"}`: "eager"},
			why:   "whoever has the endpoint comes first",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := compiledFor(t, v1alpha1.NamespacesFromAll, tc.triggers...)
			for body, want := range tc.types {
				if got := typeOf(t, e, body); got != want {
					t.Errorf("%s is of type %s, want %s: %s", body, got, want, tc.why)
				}
			}
		})
	}
}

func TestAPathThatTriggersShareIsLookedAtOnce(t *testing.T) {
	e := compiledTriggers(t,
		trigger("shop", "a", "media", `{"kind":"{{event.type}}"}`, "upload", "delete"),
		trigger("shop", "b", "media", `{"a":{"b":"{{event.type}}"},"kind":"{{event.type}}"}`, "eager", "upload"))
	want := &notification.TypePaths{}
	want.Add([]string{"kind"}, []string{"delete", "eager", "upload"})
	want.Add([]string{"a", "b"}, []string{"eager", "upload"})
	if !reflect.DeepEqual(want, e.TypePaths) {
		t.Errorf("paths %v, want %v", e.TypePaths, want)
	}
}
