// SPDX-License-Identifier: Apache-2.0

package sample_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

func TestSamples(t *testing.T) {
	at := time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))
	for _, eventType := range notification.EventTypes() {
		if eventType == "all" {
			continue // nothing is notified as that
		}
		var body struct {
			Type    string `json:"notification_type"`
			Key     string `json:"signature_key"`
			Context struct {
				At string `json:"triggered_at"`
			} `json:"notification_context"`
		}
		if err := json.Unmarshal(sample.Notification(eventType, "my-cloud", "4711", at), &body); err != nil {
			t.Fatalf("%s: %v", eventType, err)
		}
		if diff := cmp.Diff([]string{eventType, "4711", "2026-03-01T12:00:00.000000Z"}, []string{body.Type, body.Key, body.Context.At}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", eventType, diff)
		}
	}
}

func TestASampleWithAMemberReplaced(t *testing.T) {
	var body struct {
		Resources []string `json:"resources"`
	}
	made := sample.Notification("resource_tags_changed", "c", "k", time.Unix(0, 0), eventbody.Field{Name: "resources", Value: []string{"mine"}})
	if err := json.Unmarshal(made, &body); err != nil || len(body.Resources) != 1 || body.Resources[0] != "mine" {
		t.Errorf("got %s (%v)", made, err)
	}
}

// The vector is one that was published.
func TestSignature(t *testing.T) {
	body, at := []byte(`{"public_id":"117e5550-7bfa-11e4-80d7-f962166bd3be","version":1417727468}`), time.Unix(1417727468, 0)
	got := sample.Sign(sample.SHA1, body, at, "shhh")
	want := map[string][]string{"X-Cld-Timestamp": {"1417727468"}, "X-Cld-Signature": {"bac927006d3ce039ef7632e2c03189348d02924a"}}
	if diff := cmp.Diff(want, map[string][]string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is signed here is accepted there, though the two share no code.
func TestTheReceiverTakesWhatIsSigned(t *testing.T) {
	at := time.Unix(1772366400, 0)
	policy, err := notification.NewPolicy(notification.PolicyOptions{Keys: []notification.Key{{ID: "k", Secret: []byte("s3cret")}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, algorithm := range []sample.Algorithm{sample.SHA1, sample.SHA256} {
		body := sample.Notification("upload", "c", "k", at)
		header := sample.Sign(algorithm, body, at, "s3cret")
		signed := notification.Signed{Body: body, Timestamp: header.Get(sample.HeaderTimestamp), Signature: header.Get(sample.HeaderSignature)}
		if _, rejection := policy.Verify(signed, at); rejection != "" {
			t.Errorf("%s is refused as %s", algorithm, rejection)
		}
	}
}
