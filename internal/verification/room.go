// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// All product environments share one Secret, of which the API server takes no more than 1 MiB.
const (
	// MaxEntryBytes is what an entry may have: eight keys of the longest that are taken have less, with a few Secrets for each.
	MaxEntryBytes = 16 << 10
	// nearlyFull is from when on it matters whose an entry is. What is left above it is for those that have little.
	nearlyFull = 900_000
	full       = 1_000_000
	// besides is what the API server's store has of an entry beside its value: its name, there and among the managed fields.
	besides = 128
)

// CheckRoom says why an entry cannot be written in the place of the one that data has under the name; nil: it can. Nobody can take the room
// that others' changes need: from when on the Secret is nearly full an entry may only grow where one of its namespaces has no more than
// its share, which is the same for all namespaces. What does not grow can always be written.
func CheckRoom(data map[string][]byte, name string, entry []byte) error {
	if len(entry) <= len(data[name]) {
		return nil
	}
	if len(entry) > MaxEntryBytes {
		return fmt.Errorf("those of the product environment have %d bytes, and may have %d at most: let fewer Secrets have them, or remove keys that Cloudinary does not sign with any more",
			len(entry), MaxEntryBytes)
	}
	total := len(entry) + besides
	for other, raw := range data {
		if other != name {
			total += len(raw) + besides
		}
	}
	if total <= nearlyFull {
		return nil
	}
	if total <= full && withinShare(data, name, entry) {
		return nil
	}
	return errors.New("the Secret with those of all product environments is full, and of it no namespace may have more than its share: " +
		"remove keys that Cloudinary does not sign with any more, and endpoints with a receiver that nobody needs")
}

func withinShare(data map[string][]byte, name string, entry []byte) bool {
	used := map[string]int{}
	count := func(raw []byte) []string {
		owners := namespaces(raw)
		for _, owner := range owners {
			used[owner] += (len(raw) + besides) / len(owners)
		}
		return owners
	}
	for other, raw := range data {
		if other != name {
			count(raw)
		}
	}
	owners := count(entry)
	return len(owners) == 0 || slices.ContainsFunc(owners, func(owner string) bool { return used[owner] <= nearlyFull/len(used) })
}

// namespaces are those of the Secrets that an entry's keys are from.
func namespaces(raw []byte) []string {
	entry, err := Decode(raw)
	if err != nil {
		return nil
	}
	var all []string
	for _, key := range entry.Keys {
		for _, source := range key.Sources {
			namespace, _, _ := strings.Cut(source, "/")
			all = append(all, namespace)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
