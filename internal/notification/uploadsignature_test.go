// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"
)

// Cloudinary signs uploads as it signs notifications: a digest of a text with the API secret behind it. Web applications often have a route that signs
// whatever parameters a browser sends, for an upload widget. Such a route signs a notification, too, for anybody: a parameter's name and its
// value make a JSON object with a timestamp behind it. Nothing in the body tells such a notification from Cloudinary's, so what keeps it out
// is a key of its own. The signatures are by Cloudinary's SDK for Node: see hack/cloudinarysdk.
func TestARouteThatSignsUploadsSignsNotifications(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/upload_signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Secret string
		Cases  []struct {
			Name, Body, Timestamp, Signature string
			Notification                     bool
		}
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cases) == 0 {
		t.Fatal("there are no cases")
	}
	application := Key{ID: "111111111111111", Secret: []byte(vectors.Secret)}
	operator := Key{ID: "222222222222222", Secret: []byte("1zyxwvutsrqponmlkjihgfedcba")}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			seconds, err := strconv.ParseInt(c.Timestamp, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			at, s := time.Unix(seconds, 0), Signed{Body: []byte(c.Body), Timestamp: c.Timestamp, Signature: c.Signature}
			if _, rejection := mustPolicy(t, PolicyOptions{Keys: []Key{operator}}).Verify(s, at); rejection != RejectedBadSignature {
				t.Errorf("with a key of the operator's own it is %q, want %q", rejection, RejectedBadSignature)
			}
			if _, rejection := mustPolicy(t, PolicyOptions{Keys: []Key{operator, application}}).Verify(s, at); rejection != "" {
				t.Errorf("with the application's key it is refused as %q: it does not show what it is to show", rejection)
			}
			n, err := Decode([]byte(c.Body))
			if c.Notification && (err != nil || n.Type != "delete" || n.PublicID != "catalog/hero") {
				t.Errorf("it is no notification about deleting catalog/hero, but %+v (%v)", n, err)
			}
			if !c.Notification && !errors.Is(err, ErrNotJSON) {
				t.Errorf("what is signed for uploads alone is taken for a notification (%v)", err)
			}
		})
	}
}
