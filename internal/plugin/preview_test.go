// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const previewed = `apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: images, namespace: shop}
spec:
  endpointRef: {name: media}
  eventTypes: [upload]
  authScheme: SCHEME
  filter: FILTER
  payloadTemplate: TEMPLATE
`

func previewManifest(scheme, filter, template string) string {
	return strings.NewReplacer("SCHEME", scheme, "FILTER", filter, "TEMPLATE", template).Replace(previewed)
}

// preview needs no cluster: the kubeconfig is none.
func previewOf(t *testing.T, f *fixture, manifest string, args ...string) ([]rehearsal, result) {
	t.Helper()
	r := f.callWith(manifest, append([]string{"preview", "-f", "-", "-o", "json"}, args...)...)
	var got []rehearsal
	if err := json.Unmarshal([]byte(r.out), &got); err != nil && r.out != "" {
		t.Fatalf("%v: %s", err, r.out)
	}
	return got, r
}

func TestPreviewOfFilterAndTemplate(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.kubeconfig = "" // none is needed
	image := f.file("image.json", `{"notification_type":"upload","resource_type":"image","public_id":"cat & dog","request_id":"r1"}`)
	bare := f.file("bare.json", `{"resource_type":"image"}`)
	const isImage = `{"==": [{"var": "resource_type"}, "image"]}`
	cases := map[string]struct {
		filter, template string
		args             []string
		want             rehearsal
		body             string
	}{
		"it matches, and nothing replaces the body": {
			filter: isImage, template: "{}", args: []string{"--notification", bare, "--event-type", "upload"},
			want: rehearsal{EventType: "upload", Listens: true, Filter: filterMatch, Fires: true, BodyFrom: "default"}, body: `{"resource_type":"image"}`,
		},
		"it does not match": {
			filter: `{"==": [{"var": "resource_type"}, "video"]}`, template: "{}", args: []string{"--notification", image},
			want: rehearsal{EventType: "upload", Listens: true, Filter: filterNoMatch, BodyFrom: "default"},
			body: `{"notification_type":"upload","resource_type":"image","public_id":"cat & dog","request_id":"r1"}`,
		},
		"the template is filled in": {
			filter: "{}", template: `{"t": "{{event.type}} {{{asset.public_id}}}", "none": "{{asset.folder}}", "n": 1}`, args: []string{"--notification", image},
			want: rehearsal{EventType: "upload", Listens: true, Filter: filterNone, Fires: true, BodyFrom: "template"},
			body: `{"n":1,"none":"","t":"upload cat & dog"}`,
		},
		"the event type is another one": {
			filter: "{}", template: "{}", args: []string{"--notification", bare, "--event-type", "delete"},
			want: rehearsal{EventType: "delete", Filter: filterNone, BodyFrom: "default"}, body: `{"resource_type":"image"}`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got, r := previewOf(t, f, previewManifest("default", test.filter, test.template), test.args...)
			if r.code != 0 || len(got) != 1 {
				t.Fatalf("%+v", r)
			}
			var compact strings.Builder
			if err := json.NewEncoder(&compact).Encode(got[0].Body); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jsonOf(t, test.body), jsonOf(t, string(got[0].Body))); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			test.want.Trigger = "shop/images"
			got[0].Body, got[0].Headers = nil, nil
			if diff := cmp.Diff(test.want, got[0], cmp.AllowUnexported(rehearsal{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func jsonOf(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

func TestPreviewFallsBack(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	got, r := previewOf(t, f, previewManifest("default", "{}", `{"a": "{{> partial}}"}`))
	if r.code != 0 || len(got) != 1 || !strings.HasPrefix(got[0].BodyFrom, "fallback (the template cannot be rendered: ") {
		t.Fatalf("%+v", r)
	}
	var body struct {
		Type string `json:"notification_type"`
	}
	if err := json.Unmarshal(got[0].Body, &body); err != nil || body.Type != "upload" {
		t.Errorf("want the sample as it is, got %s", got[0].Body)
	}
}

func TestPreviewOfWhatTheOperatorRefuses(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	cases := map[string]struct{ filter, template, want string }{
		"an unknown operator":    {`{"bogus": 1}`, "{}", "spec.filter: \"bogus\" is not a JSONLogic operator"},
		"an open Mustache tag":   {"{}", `{"a": "{{event.type"}`, "spec.payloadTemplate.a: is not a Mustache template"},
		"two operators in a row": {`{"==": [1, 1], "!=": [1, 1]}`, "{}", "spec.filter: must have exactly one member"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got, r := previewOf(t, f, previewManifest("default", test.filter, test.template))
			if r.code != 1 || len(got) != 1 || len(got[0].Problems) != 1 || !strings.Contains(got[0].Problems[0], test.want) {
				t.Errorf("want the problem %q and code 1, got %+v", test.want, r)
			}
			if len(got) == 1 && (got[0].Fires || got[0].Body != nil) {
				t.Errorf("shows a body for a trigger that will not exist: %+v", got[0])
			}
		})
	}
}

func TestPreviewNotes(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	const image = `{"==": [{"var": "resource_type"}, "image"]}`
	tagged := f.file("tagged.json", `{"notification_type":"delete","resource_type":"image","resources":[]}`)
	deletion := f.file("deletion.json", `{"notification_type":"delete","resources":[]}`)
	doubt := `spec.filter is never true for delete: such notifications are not known to have resource_type (each of resources has it: {"some": [{"var": "resources"}, ...]})`
	cases := map[string]struct {
		eventTypes string
		args       []string
		want       []rehearsal
	}{
		"the filter fits one of two": {"[upload, delete]", nil, []rehearsal{
			{EventType: "upload", SampleFrom: "captured", Filter: filterMatch, Fires: true},
			{EventType: "delete", SampleFrom: "captured", Filter: filterNoMatch, Notes: []string{doubt}},
		}},
		"a notification that was received has it not": {"[delete]", []string{"--notification", deletion}, []rehearsal{
			{EventType: "delete", Filter: filterNoMatch, Notes: []string{doubt}},
		}},
		"a notification that was received has it": {"[delete]", []string{"--notification", tagged}, []rehearsal{
			{EventType: "delete", Filter: filterMatch, Fires: true},
		}},
		"nobody knows what is in it": {"[publish]", nil, []rehearsal{
			{EventType: "publish", SampleFrom: "assumed", Filter: filterUntriable, Untried: "nobody has published a notification of publish, so it is not known whether it has resource_type; try one that was received, with --notification"},
		}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			manifest := strings.Replace(previewManifest("default", image, "{}"), "[upload]", test.eventTypes, 1)
			got, r := previewOf(t, f, manifest, test.args...)
			for i := range test.want {
				test.want[i].Trigger, test.want[i].Listens, test.want[i].Sample = "shop/images", true, test.args == nil
			}
			for i := range got {
				got[i].Body, got[i].Headers, got[i].BodyFrom = nil, nil, ""
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(rehearsal{})); r.code != 0 || diff != "" {
				t.Errorf("code %d (-want +got):\n%s", r.code, diff)
			}
		})
	}
}

func TestPreviewOfUnknownEventTypes(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	manifest := strings.Replace(previewManifest("default", "{}", "{}"), "[upload]", "[uplod]", 1)
	got, r := previewOf(t, f, manifest)
	const want = `event type "uplod" is not one this operator knows (did you mean "upload"?)`
	if r.code != 1 || len(got) != 1 || got[0].Fires || len(got[0].Problems) != 1 || !strings.HasPrefix(got[0].Problems[0], "spec.eventTypes: "+want) {
		t.Errorf("want the problem %q and code 1, got %+v", want, r)
	}
	received := f.file("received.json", `{"notification_type":"uplod"}`)
	got, r = previewOf(t, f, manifest, "--notification", received)
	if diff := cmp.Diff([]string{want}, got[0].Notes); r.code != 0 || diff != "" || !got[0].Fires {
		t.Errorf("Cloudinary has sent one: code %d, %+v", r.code, got)
	}
	got, r = previewOf(t, f, strings.Replace(manifest, "uplod", "brand_new", 1))
	if r.code != 0 || got[0].Fires || got[0].Untried != `event type "brand_new" is not one this operator knows` {
		t.Errorf("Cloudinary may have one that is like none: code %d, %+v", r.code, got)
	}
	if _, r = previewOf(t, f, manifest, "--event-type", "uplod"); r.code != 1 || !strings.Contains(r.err, `did you mean "upload"?`) {
		t.Errorf("%+v", r)
	}
}

func TestPreviewOfHeaders(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	f.create(f.secret())
	cases := map[string]struct {
		scheme string
		want   []string
	}{
		"default":     {"default", []string{"Content-Type", "User-Agent", "X-Cld-Signature", "X-Cld-Signature_v2", "X-Cld-Timestamp"}},
		"legacy_hmac": {"legacy_hmac", []string{"Content-Type", "User-Agent", "X-Cld-Signature", "X-Cld-Timestamp"}},
		"eddsa_v2":    {"eddsa_v2", []string{"Content-Type", "User-Agent", "X-Cld-Signature_v2", "X-Cld-Timestamp"}},
	}
	for name, test := range cases {
		t.Run("of "+name, func(t *testing.T) {
			got, r := previewOf(t, f, previewManifest(test.scheme, "{}", "{}"), "--secret", "cloudinary")
			if r.code != 0 || len(got) != 1 {
				t.Fatalf("%+v", r)
			}
			names := []string{}
			for _, name := range test.want {
				if got[0].Headers[name] != "" {
					names = append(names, name)
				}
			}
			if diff := cmp.Diff(test.want, names); diff != "" || len(got[0].Headers) != len(test.want) {
				t.Errorf("headers %v (-want +got):\n%s", got[0].Headers, diff)
			}
			if signature := got[0].Headers["X-Cld-Signature"]; signature != "" {
				// As the signature is over the body byte for byte, and JSON output is indented, the
				// body is compacted again.
				sum := sha1.Sum([]byte(compacted(t, got[0].Body) + "1772366400" + simulator.DefaultAPISecret))
				if diff := cmp.Diff(hex.EncodeToString(sum[:]), signature); diff != "" {
					t.Errorf("signature (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func compacted(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPreviewPrints(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	notification := f.file("n.json", `{"notification_type":"upload","resource_type":"image","public_id":"cat"}`)
	manifests := previewManifest("legacy_hmac", `{"==": [{"var": "resource_type"}, "image"]}`, `{"id": "{{asset.public_id}}"}`) +
		"---\n" + strings.Replace(previewManifest("default", `{"bogus": 1}`, "{}"), "images", "broken", 1)
	r := f.callWith(manifests, "preview", "-f", "-", "--notification", notification)
	golden(t, "preview.txt", r.out)
	if want := "error: 1 of 2 previews show a trigger that would not be accepted\n"; r.code != 1 || r.err != want {
		t.Errorf("code %d, errors %q; want 1 and %q", r.code, r.err, want)
	}
}

func TestPreviewRefuses(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	manifest := f.file("t.yaml", previewManifest("default", "{}", "{}"))
	f.fails([]string{"preview"}, "--filename is needed")
	f.fails([]string{"preview", "-f", f.file("none.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")}, "no CloudinaryTrigger")
	f.fails([]string{"preview", "-f", manifest, "--notification", f.file("list.json", "[1]")}, "one JSON object")
	f.fails([]string{"preview", "-f", manifest, "--notification", "/nonexistent"}, "--notification")
	f.fails([]string{"preview", "-f", manifest, "--secret", "nosuch"}, "there is no Secret nosuch")
	f.fails([]string{"preview", "-f", manifest, "--event-type", "all"}, "all is for triggers")
	f.fails([]string{"preview", "-f", "-", "--notification", "-"}, "standard input")
}
