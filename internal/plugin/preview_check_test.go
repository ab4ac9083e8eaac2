// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// eventTypesOfSize are so many different ones.
func eventTypesOfSize(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("e%d", i)
	}
	return strings.Join(all, ", ")
}

// What preview refuses, the API server refuses, and the other way around.
func TestPreviewRefusesWhatTheAPIServerRefuses(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	const ref, types = "endpointRef: {name: media}", "eventTypes: [upload]"
	long := strings.Repeat("a", 63)
	for name, test := range map[string]struct{ spec, problem string }{
		"a good one":                   {ref + ", " + types, ""},
		"one with everything":          {"endpointRef: {name: media.v2, namespace: n-1}, eventTypes: [upload, all, x_9], additive: true, authScheme: eddsa_v2, adoptionPolicy: Refuse, deletionPolicy: Retain, managementPolicy: Observe", ""},
		"with an event type to come":   {ref + ", eventTypes: [not_known_yet]", ""},
		"no event types":               {ref, "spec.eventTypes: names no event type"},
		"an empty list of event types": {ref + ", eventTypes: []", "spec.eventTypes: names no event type"},
		"a wrong event type":           {ref + ", eventTypes: [upload, Uplo-ad]", `spec.eventTypes[1]: "Uplo-ad" is not an event type`},
		"an empty event type":          {ref + `, eventTypes: [""]`, "spec.eventTypes[0]"},
		"an event type of 64":          {ref + ", eventTypes: [a" + long + "]", ""},
		"an event type of 65":          {ref + ", eventTypes: [aa" + long + "]", "spec.eventTypes[0]"},
		"an event type with a line":    {ref + `, eventTypes: ["upload\n"]`, "spec.eventTypes[0]"},
		"an event type twice":          {ref + ", eventTypes: [upload, delete, upload]", `spec.eventTypes[2]: "upload" is there twice`},
		"64 event types":               {ref + ", eventTypes: [" + eventTypesOfSize(64) + "]", ""},
		"65 event types":               {ref + ", eventTypes: [" + eventTypesOfSize(65) + "]", "spec.eventTypes: has 65 event types"},
		"a scheme that is none":        {ref + ", " + types + ", authScheme: hmac", `spec.authScheme: is "hmac", and may be default, legacy_hmac, eddsa_v2`},
		"a wrong adoption policy":      {ref + ", " + types + ", adoptionPolicy: adopt", "spec.adoptionPolicy"},
		"a wrong deletion policy":      {ref + ", " + types + ", deletionPolicy: Orphan", "spec.deletionPolicy"},
		"a wrong management policy":    {ref + ", " + types + ", managementPolicy: Ignore", "spec.managementPolicy"},
		"no endpoint":                  {types, "spec.endpointRef.name: is needed"},
		"an endpoint without a name":   {"endpointRef: {namespace: shop}, " + types, "spec.endpointRef.name: is needed"},
		"a wrong endpoint":             {"endpointRef: {name: Media}, " + types, "spec.endpointRef.name"},
		"an endpoint of 253":           {"endpointRef: {name: " + strings.Repeat("a", 253) + "}, " + types, ""},
		"an endpoint of 254":           {"endpointRef: {name: " + strings.Repeat("a", 254) + "}, " + types, "spec.endpointRef.name"},
		"a namespace of 63":            {"endpointRef: {name: media, namespace: " + long + "}, " + types, ""},
		"a namespace of 64":            {"endpointRef: {name: media, namespace: a" + long + "}, " + types, "spec.endpointRef.namespace"},
		"a wrong namespace":            {"endpointRef: {name: media, namespace: a.b}, " + types, "spec.endpointRef.namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := manifestOf(kindTrigger, "tried", "{"+test.spec+"}")
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
				t.Fatal(err)
			}
			object.SetNamespace(f.namespace)
			refused := api.Client.Create(f.Context(), object, client.DryRunAll)
			if (refused != nil) != (test.problem != "") {
				t.Fatalf("the API server says %v", refused)
			}
			got, r := previewOf(t, f, manifest)
			if len(got) == 0 {
				t.Fatalf("nothing is said: %+v", r)
			}
			if test.problem == "" {
				if r.code != 0 || got[0].Problems != nil {
					t.Errorf("want no problem, got %+v", r)
				}
				return
			}
			if r.code != 1 || len(got[0].Problems) != 1 || !strings.Contains(got[0].Problems[0], test.problem) {
				t.Errorf("want the problem %q and code 1, got %+v", test.problem, r)
			}
			if got[0].Fires || got[0].Body != nil {
				t.Errorf("shows a body for a trigger that will not exist: %+v", got[0])
			}
			if printed := f.callWith(manifest, "preview", "-f", "-"); printed.code != 1 || !strings.Contains(printed.out, "Problem:  spec.") {
				t.Errorf("printed without what is wrong: %+v", printed)
			}
		})
	}
}

func TestPreviewOfAFilterBesideAnotherProblem(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	const image = `{"==": [{"var": "resource_type"}, "image"]}`
	for name, test := range map[string]struct{ scheme, filter, template, want string }{
		"the scheme":              {"hmac", image, "{}", filterUntried},
		"the template":            {"default", image, `{"a": "{{"}`, filterUntried},
		"the scheme, no filter":   {"hmac", "{}", "{}", filterNone},
		"the template and itself": {"default", `{"bogus": 1}`, `{"a": "{{"}`, filterInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, r := previewOf(t, f, previewManifest(test.scheme, test.filter, test.template))
			if r.code != 1 || len(got) != 1 || got[0].Filter != test.want {
				t.Errorf("want the filter %q and code 1, got %+v", test.want, r)
			}
		})
	}
}

// What the operator accepts is previewed, or it is said that it cannot be tried here; it is never
// called wrong.
func TestPreviewOfWhatTheOperatorAccepts(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	image := f.file("image.json", `{"notification_type":"upload","resource_type":"image","public_id":"cat","tags":["a","b"]}`)
	for name, test := range map[string]struct{ filter, template, want, untried string }{
		"a field that is not there":     {`{"!": {"var": "moderation"}}`, "{}", filterMatch, ""},
		"an and of null":                {`{"and": [{"var": "moderation"}, true]}`, "{}", filterNoMatch, ""},
		"log":                           {`{"log": {"==": [{"var": "resource_type"}, "image"]}}`, "{}", filterMatch, ""},
		"a literal object":              {`{"in": [{"var": "x"}, [{"a": 1, "b": 2}]]}`, "{}", filterNoMatch, ""},
		"loops in loops in loops":       {`{"some": [{"var": "tags"}, {"some": [["x"], {"some": [["y"], true]}]}]}`, "{}", filterMatch, ""},
		"a pattern of another language": {`{"matches": [{"var": "public_id"}, "(?=c)"]}`, "{}", filterUntriable, "matches: "},
		"a rule that throws":            {`{"*": []}`, "{}", filterUntriable, "* needs an operand"},
		"a template of small signs":     {"{}", `{"a": "` + strings.Repeat("<", 5000) + `"}`, filterNone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := previewManifest("default", test.filter, test.template)
			got, r := previewOf(t, f, manifest, "--notification", image)
			if r.code != 0 || len(got) != 1 || got[0].Problems != nil || got[0].Filter != test.want ||
				!strings.HasPrefix(got[0].Untried, test.untried) || (got[0].Untried != "") != (test.untried != "") {
				t.Fatalf("want the filter %q, untried %q and code 0, got %.500s", test.want, test.untried, fmt.Sprintf("%+v", r))
			}
			if got[0].Fires != (test.untried == "" && test.want != filterNoMatch) {
				t.Errorf("fires: %t", got[0].Fires)
			}
			printed := f.callWith(manifest, "preview", "-f", "-", "--notification", image)
			if unknown := strings.Contains(printed.out, "Fires:    unknown\n"); printed.code != 0 || unknown != (test.untried != "") {
				t.Errorf("printed %+v", printed)
			}
		})
	}
}

func TestPreviewOfWhatOnlyTheSimulatorRefuses(t *testing.T) {
	r := rehearsal{Listens: true, Filter: filterNone}
	// With so many zeros the operator sends a one; a manifest that was read has no such number.
	r.try(firing.Rehearsal{
		EventType: "upload", Notification: []byte("{}"), Filter: []byte(`{"!": {"var": "x"}}`),
		PayloadTemplate: []byte(`{"a": 1.` + strings.Repeat("0", 17000) + `}`),
	})
	if r.Filter != filterUntriable || !strings.HasPrefix(r.Untried, "payload_template: ") || r.Fires || r.Problems != nil || r.sent != nil {
		t.Errorf("got %+v", r)
	}
}
