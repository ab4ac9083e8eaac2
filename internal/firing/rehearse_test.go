// SPDX-License-Identifier: Apache-2.0

package firing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
)

func TestRehearsals(t *testing.T) {
	const image = `{"notification_type":"upload","resource_type":"image","public_id":"a & b"}`
	cases := map[string]struct {
		rehearsal firing.Rehearsal
		want      firing.Rehearsed
		body      string
	}{
		"nothing is set": {
			firing.Rehearsal{EventType: "upload", Notification: []byte(image)}, firing.Rehearsed{Passes: true, BodyFrom: "default"}, image,
		},
		"{} and null are not set either": {
			firing.Rehearsal{Notification: []byte(image), Filter: json.RawMessage(`{}`), PayloadTemplate: json.RawMessage(`null`)},
			firing.Rehearsed{Passes: true, BodyFrom: "default"},
			image,
		},
		"the filter holds": {
			firing.Rehearsal{Notification: []byte(image), Filter: json.RawMessage(`{"==":[{"var":"resource_type"},"image"]}`)},
			firing.Rehearsed{Passes: true, BodyFrom: "default"},
			image,
		},
		"the filter does not hold": {
			firing.Rehearsal{Notification: []byte(image), Filter: json.RawMessage(`{"startsWith":[{"var":"public_id"},"b"]}`)},
			firing.Rehearsed{BodyFrom: "default"},
			image,
		},
		"the template is filled in": {
			firing.Rehearsal{EventType: "upload", Notification: []byte(image), PayloadTemplate: json.RawMessage(`{"t":"{{event.type}}: {{asset.public_id}}"}`)},
			firing.Rehearsed{Passes: true, BodyFrom: "template"},
			`{"t":"upload: a &amp; b"}`,
		},
		"without escaping": {
			firing.Rehearsal{Notification: []byte(image), PayloadTemplate: json.RawMessage(`{"t":"{{asset.public_id}}"}`), Escaping: firing.EscapeNone},
			firing.Rehearsed{Passes: true, BodyFrom: "template"},
			`{"t":"a & b"}`,
		},
		"the template cannot be rendered": {
			firing.Rehearsal{Notification: []byte(image), PayloadTemplate: json.RawMessage(`{"t":"{{>other}}"}`)},
			firing.Rehearsed{Passes: true, BodyFrom: "fallback", FallbackReason: `invalid payload template: there is no partial "other"`},
			image,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := firing.Rehearse(test.rehearsal)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Body = []byte(test.body)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedRehearsals(t *testing.T) {
	cases := map[string]struct {
		rehearsal firing.Rehearsal
		want      string
	}{
		"two values":           {firing.Rehearsal{Notification: []byte(`{} {}`)}, "notification: "},
		"an unknown operator":  {firing.Rehearsal{Notification: []byte(`{}`), Filter: json.RawMessage(`{"bogus":1}`)}, "filter: "},
		"a filter that is 1":   {firing.Rehearsal{Notification: []byte(`{}`), Filter: json.RawMessage(`1`)}, "filter: must be a JSON object"},
		"no JSON for a filter": {firing.Rehearsal{Notification: []byte(`{}`), Filter: json.RawMessage(`{`)}, "filter: is not one JSON value"},
		"an open tag":          {firing.Rehearsal{Notification: []byte(`{}`), PayloadTemplate: json.RawMessage(`{"a":"{{b"}`)}, "payload_template: "},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := firing.Rehearse(test.rehearsal); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want one that begins with %q", err, test.want)
			}
		})
	}
}
