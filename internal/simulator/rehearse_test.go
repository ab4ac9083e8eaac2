// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

func TestRehearsals(t *testing.T) {
	const image = `{"notification_type":"upload","resource_type":"image","public_id":"a & b"}`
	cases := map[string]struct {
		rehearsal Rehearsal
		want      Rehearsed
		body      string
	}{
		"nothing is set": {
			Rehearsal{EventType: "upload", Notification: []byte(image)}, Rehearsed{Passes: true, BodyFrom: "default"}, image,
		},
		"{} and null are not set either": {
			Rehearsal{Notification: []byte(image), Filter: json.RawMessage(`{}`), PayloadTemplate: json.RawMessage(`null`)},
			Rehearsed{Passes: true, BodyFrom: "default"},
			image,
		},
		"the filter holds": {
			Rehearsal{Notification: []byte(image), Filter: json.RawMessage(`{"==":[{"var":"resource_type"},"image"]}`)},
			Rehearsed{Passes: true, BodyFrom: "default"},
			image,
		},
		"the filter does not hold": {
			Rehearsal{Notification: []byte(image), Filter: json.RawMessage(`{"startsWith":[{"var":"public_id"},"b"]}`)},
			Rehearsed{BodyFrom: "default"},
			image,
		},
		"the template is filled in": {
			Rehearsal{EventType: "upload", Notification: []byte(image), PayloadTemplate: json.RawMessage(`{"t":"{{event.type}}: {{asset.public_id}}"}`)},
			Rehearsed{Passes: true, BodyFrom: "template"},
			`{"t":"upload: a &amp; b"}`,
		},
		"without escaping": {
			Rehearsal{Notification: []byte(image), PayloadTemplate: json.RawMessage(`{"t":"{{asset.public_id}}"}`), Escaping: EscapeNone},
			Rehearsed{Passes: true, BodyFrom: "template"},
			`{"t":"a & b"}`,
		},
		"the template cannot be rendered": {
			Rehearsal{Notification: []byte(image), PayloadTemplate: json.RawMessage(`{"t":"{{>other}}"}`)},
			Rehearsed{Passes: true, BodyFrom: "fallback", FallbackReason: `invalid payload template: there is no partial "other"`},
			image,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Rehearse(test.rehearsal)
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
		rehearsal Rehearsal
		want      string
	}{
		"two values":           {Rehearsal{Notification: []byte(`{} {}`)}, "notification: "},
		"an unknown operator":  {Rehearsal{Notification: []byte(`{}`), Filter: json.RawMessage(`{"bogus":1}`)}, "filter: "},
		"a filter that is 1":   {Rehearsal{Notification: []byte(`{}`), Filter: json.RawMessage(`1`)}, "filter: must be a JSON object"},
		"no JSON for a filter": {Rehearsal{Notification: []byte(`{}`), Filter: json.RawMessage(`{`)}, "filter: is not one JSON value"},
		"an open tag":          {Rehearsal{Notification: []byte(`{}`), PayloadTemplate: json.RawMessage(`{"a":"{{b"}`)}, "payload_template: "},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Rehearse(test.rehearsal); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want one that begins with %q", err, test.want)
			}
		})
	}
}

func TestSamplesForOthers(t *testing.T) {
	at := time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))
	for _, eventType := range notification.EventTypes() {
		if eventType == eventTypeAll {
			continue // nothing is notified as that
		}
		var sample struct {
			Type    string `json:"notification_type"`
			Key     string `json:"signature_key"`
			Context struct {
				At string `json:"triggered_at"`
			} `json:"notification_context"`
		}
		if err := json.Unmarshal(SampleNotification(eventType, "my-cloud", "4711", at), &sample); err != nil {
			t.Fatalf("%s: %v", eventType, err)
		}
		if diff := cmp.Diff([]string{eventType, "4711", "2026-03-01T12:00:00.000000Z"}, []string{sample.Type, sample.Key, sample.Context.At}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", eventType, diff)
		}
	}
}

// The vector is one that was published.
func TestSignatureHeadersForOthers(t *testing.T) {
	body, at := []byte(`{"public_id":"117e5550-7bfa-11e4-80d7-f962166bd3be","version":1417727468}`), time.Unix(1417727468, 0)
	got := SignatureHeaders(SignatureSHA1, body, at, "shhh")
	want := map[string][]string{"X-Cld-Timestamp": {"1417727468"}, "X-Cld-Signature": {"bac927006d3ce039ef7632e2c03189348d02924a"}}
	if diff := cmp.Diff(want, map[string][]string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
