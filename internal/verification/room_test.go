// SPDX-License-Identifier: Apache-2.0

package verification_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

func environmentOf(cloud string) verification.Environment {
	return verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: cloud}
}

// keysIn are so many keys of a Secret in a namespace.
func keysIn(namespace string, n, bytes int) []verification.Key {
	var keys []verification.Key
	for i := range n {
		keys = append(keys, verification.Key{ID: fmt.Sprint(123456789012345 + i), Secret: namespace + strings.Repeat("s", bytes-len(namespace)), Sources: []string{namespace + "/cloudinary"}})
	}
	return keys
}

// put writes what there is room for of an environment's keys, and returns who is refused.
func put(t *testing.T, data map[string][]byte, cloud string, keys ...verification.Key) map[string]error {
	t.Helper()
	env := environmentOf(cloud)
	fits, refused := verification.Fit(data, env, keys)
	raw, err := verification.Keys{Environment: env, Keys: fits}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	data[verification.EntryName(env)] = raw
	return refused
}

const secretBytes = 27 // of Cloudinary's API secrets

// filled is a Secret into which one namespace has put as much as it could, beside others with one
// entry each.
func filled(t *testing.T, others int) map[string][]byte {
	t.Helper()
	data := map[string][]byte{}
	for i := range others {
		if refused := put(t, data, fmt.Sprintf("cloud-%d", i), keysIn(fmt.Sprintf("team-%d", i), 1, secretBytes)...); len(refused) > 0 {
			t.Fatal(refused)
		}
	}
	for i := range 1000 {
		if refused := put(t, data, fmt.Sprintf("greedy-%d", i), keysIn("greedy", 8, 1000)...); len(refused) > 0 {
			return data
		}
	}
	t.Fatal("one namespace is let have all it wants")
	return nil
}

func TestNobodyTakesTheRoomThatOthersNeed(t *testing.T) {
	t.Parallel()
	data := filled(t, 100)
	for i := range 100 { // all others rotate, so that they have two keys for a while
		if refused := put(t, data, fmt.Sprintf("cloud-%d", i), keysIn(fmt.Sprintf("team-%d", i), 2, secretBytes)...); len(refused) > 0 {
			t.Fatalf("team %d cannot rotate: %v", i, refused)
		}
	}
	if refused := put(t, data, "new", keysIn("newcomer", 1, secretBytes)...); len(refused) > 0 {
		t.Errorf("a newcomer cannot come in: %v", refused)
	}
	if refused := put(t, data, "greedy-0", keysIn("greedy", 7, 1000)...); len(refused) > 0 {
		t.Errorf("what gets smaller is refused: %v", refused)
	}
	if refused := put(t, data, "greedy-more", keysIn("greedy", 1, secretBytes)...); refused["greedy"] == nil || !strings.Contains(refused["greedy"].Error(), "is full") {
		t.Errorf("who has the most gets more (%v)", refused)
	}
	t.Log("in the entry of an environment that it shares with others as well")
	shared := slices.Concat(keysIn("team-1", 1, secretBytes), keysIn("greedy", 1, secretBytes), keysIn("team-2", 1, secretBytes))
	if refused := put(t, data, "shared", shared...); len(refused) != 1 || refused["greedy"] == nil {
		t.Errorf("refused are %v", refused)
	}
	entry, err := verification.Decode(data[verification.EntryName(environmentOf("shared"))])
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, k := range entry.Keys {
		have = append(have, k.Sources...)
	}
	if diff := cmp.Diff([]string{"team-1/cloudinary", "team-2/cloudinary"}, have); diff != "" {
		t.Errorf("the entry has keys of (-want +got):\n%s", diff)
	}
}

func TestANamespaceFillsNoOthersPartOfAnEntry(t *testing.T) {
	t.Parallel()
	data := map[string][]byte{}
	team := keysIn("team", 1, secretBytes)
	greedy := keysIn("greedy", 8, 2048)
	if refused := put(t, data, "shared", slices.Concat(team, greedy)...); len(refused) != 1 || refused["greedy"] == nil || !strings.Contains(refused["greedy"].Error(), "16384 bytes") {
		t.Errorf("refused are %v", refused)
	}
	t.Log("and keeps nobody from rotating")
	if refused := put(t, data, "shared", slices.Concat(keysIn("team", 3, secretBytes), greedy)...); refused["team"] != nil {
		t.Errorf("refused are %v", refused)
	}
	entry, err := verification.Decode(data[verification.EntryName(environmentOf("shared"))])
	if err != nil || len(entry.Keys) != 3 {
		t.Errorf("the entry has %v (%v)", show(entry.Keys), err)
	}
	if refused := put(t, map[string][]byte{}, "cloud", keysIn("team", 8, 768)...); len(refused) > 0 {
		t.Errorf("eight of the longest keys are refused: %v", refused)
	}
}

func TestWhatGoesNeedsNoRoom(t *testing.T) {
	t.Parallel()
	data := filled(t, 10)
	env := environmentOf("greedy-0")
	entry, err := verification.Decode(data[verification.EntryName(env)])
	if err != nil {
		t.Fatal(err)
	}
	u := verification.Update{Now: now, Grace: time.Hour}
	next := u.Apply(entry.Keys)
	if fits, refused := verification.Fit(data, env, next); len(refused) > 0 || cmp.Diff(show(next), show(fits)) != "" {
		t.Errorf("keys that are taken out do not get an end: %v", refused)
	}
	t.Log("also where something else is refused at the same time")
	next = append(next, keysIn("greedy", 9, 1000)[8])
	fits, refused := verification.Fit(data, env, next)
	if refused["greedy"] == nil || cmp.Diff(show(next[:8]), show(fits)) != "" {
		t.Errorf("refused are %v, and there are %v", refused, len(fits))
	}
}

// docs/sizing.md says how many product environments the Secret holds.
func TestTheSecretHoldsManyProductEnvironments(t *testing.T) {
	t.Parallel()
	data := map[string][]byte{}
	for i := range 2600 {
		if refused := put(t, data, fmt.Sprintf("cloud-%d", i), keysIn("team", 1, secretBytes)...); len(refused) > 0 {
			t.Fatalf("the Secret is full with %d: %v", i, refused)
		}
	}
}
