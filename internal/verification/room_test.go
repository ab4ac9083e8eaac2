// SPDX-License-Identifier: Apache-2.0

package verification_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// entry is that of a product environment with so many keys of a Secret in a namespace.
func entry(t *testing.T, cloud, namespace string, keys, bytes int) (string, []byte) {
	t.Helper()
	env := verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: cloud}
	e := verification.Keys{Environment: env}
	for i := range keys {
		e.Keys = append(e.Keys, verification.Key{ID: fmt.Sprint(123456789012345 + i), Secret: strings.Repeat("s", bytes), Sources: []string{namespace + "/cloudinary"}})
	}
	raw, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return verification.EntryName(env), raw
}

const secretBytes = 27 // of Cloudinary's API secrets

// filled is a Secret into which one namespace has put as much as it could, beside others with one entry each.
func filled(t *testing.T, others int) map[string][]byte {
	t.Helper()
	data := map[string][]byte{}
	for i := range others {
		name, raw := entry(t, fmt.Sprintf("cloud-%d", i), fmt.Sprintf("team-%d", i), 1, secretBytes)
		if err := verification.CheckRoom(data, name, raw); err != nil {
			t.Fatal(err)
		}
		data[name] = raw
	}
	for i := range 1000 {
		name, raw := entry(t, fmt.Sprintf("greedy-%d", i), "greedy", 8, 1000)
		if err := verification.CheckRoom(data, name, raw); err != nil {
			return data
		}
		data[name] = raw
	}
	t.Fatal("one namespace is let have all it wants")
	return nil
}

func TestNobodyTakesTheRoomThatOthersNeed(t *testing.T) {
	t.Parallel()
	data := filled(t, 100)
	for i := range 100 { // all others rotate, so that they have two keys for a while
		name, raw := entry(t, fmt.Sprintf("cloud-%d", i), fmt.Sprintf("team-%d", i), 2, secretBytes)
		if err := verification.CheckRoom(data, name, raw); err != nil {
			t.Fatalf("team %d cannot rotate: %v", i, err)
		}
		data[name] = raw
	}
	name, raw := entry(t, "new", "newcomer", 1, secretBytes)
	if err := verification.CheckRoom(data, name, raw); err != nil {
		t.Errorf("a newcomer cannot come in: %v", err)
	}
	name, raw = entry(t, "greedy-0", "greedy", 7, 1000)
	if err := verification.CheckRoom(data, name, raw); err != nil {
		t.Errorf("what gets smaller is refused: %v", err)
	}
	name, raw = entry(t, "greedy-more", "greedy", 1, secretBytes)
	if err := verification.CheckRoom(data, name, raw); err == nil || !strings.Contains(err.Error(), "is full") {
		t.Errorf("who has the most gets more (%v)", err)
	}
}

func TestAnEntryHasABound(t *testing.T) {
	t.Parallel()
	name, raw := entry(t, "cloud", "team", 8, 2048)
	if err := verification.CheckRoom(nil, name, raw); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("an entry of %d bytes is taken (%v)", len(raw), err)
	}
	if name, raw = entry(t, "cloud", "team", 8, 768); verification.CheckRoom(nil, name, raw) != nil {
		t.Errorf("eight of the longest keys, %d bytes, are refused", len(raw))
	}
}

// docs/sizing.md says how many product environments the Secret holds.
func TestTheSecretHoldsManyProductEnvironments(t *testing.T) {
	t.Parallel()
	data := map[string][]byte{}
	for i := range 2800 {
		name, raw := entry(t, fmt.Sprintf("cloud-%d", i), "team", 1, secretBytes)
		if err := verification.CheckRoom(data, name, raw); err != nil {
			t.Fatalf("the Secret is full with %d: %v", i, err)
		}
		data[name] = raw
	}
}
