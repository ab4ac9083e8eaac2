// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDeduplicationKey(t *testing.T) {
	const later = "1710929734" // signed anew after three minutes
	type delivery struct{ endpoint, body, timestamp string }
	for name, tc := range map[string]struct {
		a, b delivery
		same bool
		why  string
	}{
		"a retry as it was":                    {delivery{"e", templated, aTimestamp}, delivery{"e", templated, aTimestamp}, true, ""},
		"signed anew, with an instant":         {delivery{"e", deleteBody, aTimestamp}, delivery{"e", deleteBody, later}, true, "triggered_at is in the body"},
		"signed anew, with a request id":       {delivery{"e", eagerFailed, aTimestamp}, delivery{"e", eagerFailed, later}, true, ""},
		"signed anew, with neither":            {delivery{"e", templated, aTimestamp}, delivery{"e", templated, later}, false, "two uploads may have equal templated bodies"},
		"signed anew, of 2013":                 {delivery{"e", upload2013, aTimestamp}, delivery{"e", upload2013, later}, false, ""},
		"signed anew, with no such id":         {delivery{"e", `{"request_id":"1234567"}`, aTimestamp}, delivery{"e", `{"request_id":"1234567"}`, later}, false, "too short for an id"},
		"signed anew, with the shortest id":    {delivery{"e", `{"request_id":"12345678"}`, aTimestamp}, delivery{"e", `{"request_id":"12345678"}`, later}, true, ""},
		"signed anew, with a number for an id": {delivery{"e", `{"request_id":12345678}`, aTimestamp}, delivery{"e", `{"request_id":12345678}`, later}, false, ""},
		"signed anew, with no such instant":    {delivery{"e", `{"notification_context":{"triggered_at":"now"}}`, aTimestamp}, delivery{"e", `{"notification_context":{"triggered_at":"now"}}`, later}, false, ""},
		"an upload and its eager":              {delivery{"e", uploadBody, aTimestamp}, delivery{"e", eagerFailed, aTimestamp}, false, "they share a request id, never a body"},
		"another endpoint":                     {delivery{"e", uploadBody, aTimestamp}, delivery{"f", uploadBody, aTimestamp}, false, ""},
		"space moved to the body":              {delivery{"e", "{}", " 17"}, delivery{"e", "{} ", "17"}, false, ""},
		"space moved to the endpoint":          {delivery{"e", " {}", "17"}, delivery{"e ", "{}", "17"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keyOf(t, tc.a.endpoint, tc.a.body, tc.a.timestamp) == keyOf(t, tc.b.endpoint, tc.b.body, tc.b.timestamp); got != tc.same {
				t.Errorf("the same key: %t, want %t: %s", got, tc.same, tc.why)
			}
		})
	}
}

func keyOf(t *testing.T, endpoint, body, timestamp string) [32]byte {
	t.Helper()
	n, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return DeduplicationKey(endpoint, []byte(body), timestamp, n)
}

func TestDeduplicationKeysDifferWhereTheirInputsDo(t *testing.T) {
	// Few letters, so that inputs often make the same text one after the other.
	text := rapid.StringMatching(`[01]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		type input struct {
			endpoint, timestamp, body string
		}
		draw := func(name string) input {
			return input{text.Draw(t, name+" endpoint"), text.Draw(t, name+" timestamp"), text.Draw(t, name+" body")}
		}
		a, b := draw("a"), draw("b")
		same := DeduplicationKey(a.endpoint, []byte(a.body), a.timestamp, Notification{}) == DeduplicationKey(b.endpoint, []byte(b.body), b.timestamp, Notification{})
		if same != (a == b) {
			t.Fatalf("%v and %v: the same key: %t", a, b, same)
		}
	})
}

// Keys are stored: were they made in another way, what was delivered before an upgrade would be delivered again after it.
func TestKeysStayAsTheyAre(t *testing.T) {
	n := Notification{Assets: 1, Asset: Asset{ResourceType: "image", DeliveryType: "upload", PublicID: "a"}}
	named, _ := OrderKey(n)
	n.AssetID = "b8f0"
	byID, _ := OrderKey(n)
	anew := Notification{TriggeredAt: time.Unix(1, 0)}
	got := map[string]string{
		"with timestamp":    fmt.Sprintf("%x", DeduplicationKey("e", []byte("{}"), aTimestamp, Notification{})),
		"without timestamp": fmt.Sprintf("%x", DeduplicationKey("e", []byte("{}"), aTimestamp, anew)),
		"by name":           fmt.Sprintf("%x", named),
		"by id":             fmt.Sprintf("%x", byID),
	}
	want := map[string]string{
		"with timestamp":    "aaba077d9bca37a2cb5a1b3cd24556035db5db6dfb7f3f7d286306ca899ab5fe",
		"without timestamp": "32171d91dd9a6029074d6ba40d941e414f9434f82567aa03165b68fcd84bab11",
		"by name":           "5082e4634aea304da86688d2f2ccf81b",
		"by id":             "355826fd86c85f0b277324aa4b04a6db",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOrderKey(t *testing.T) {
	byID := Notification{Assets: 1, Asset: Asset{AssetID: "x", ResourceType: "image", DeliveryType: "upload", PublicID: "a"}}
	byName := Notification{Assets: 1, Asset: Asset{ResourceType: "image", DeliveryType: "upload", PublicID: "a"}}
	edit := func(n Notification, change func(n *Notification)) Notification { change(&n); return n }
	for name, tc := range map[string]struct {
		a, b Notification
		same bool
	}{
		"one asset":                       {byID, byID, true},
		"after a rename":                  {byID, edit(byID, func(n *Notification) { n.PublicID, n.PreviousID = "b", "a" }), true},
		"of another type":                 {byID, edit(byID, func(n *Notification) { n.Type = "delete" }), true},
		"another asset":                   {byID, edit(byID, func(n *Notification) { n.AssetID = "y" }), false},
		"the same name":                   {byName, byName, true},
		"another resource type":           {byName, edit(byName, func(n *Notification) { n.ResourceType = "video" }), false},
		"another delivery type":           {byName, edit(byName, func(n *Notification) { n.DeliveryType = "private" }), false},
		"a slash on the other side":       {edit(byName, func(n *Notification) { n.DeliveryType = "upload/a"; n.PublicID = "b" }), edit(byName, func(n *Notification) { n.PublicID = "a/b" }), false},
		"a name that is the other's id":   {edit(byName, func(n *Notification) { n.PublicID = "x" }), edit(byID, func(n *Notification) { n.PublicID = "x" }), false},
		"nothing but an id, or that name": {Notification{Assets: 1, Asset: Asset{AssetID: "x"}}, Notification{Assets: 1, Asset: Asset{PublicID: "x"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, orderedA := OrderKey(tc.a)
			b, orderedB := OrderKey(tc.b)
			if !orderedA || !orderedB || (a == b) != tc.same {
				t.Errorf("the same key: %t, want %t; ordered: %t and %t", a == b, tc.same, orderedA, orderedB)
			}
		})
	}
	for name, n := range map[string]Notification{
		"no asset":             {},
		"several":              {Assets: 2},
		"one without any name": {Assets: 1, Asset: Asset{ResourceType: "image", DeliveryType: "upload"}},
	} {
		if key, ordered := OrderKey(n); ordered || key != [16]byte{} {
			t.Errorf("%s has the key %x", name, key)
		}
	}
}
