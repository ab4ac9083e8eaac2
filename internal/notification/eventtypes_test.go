// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEventTypesAreSortedAndFitTheAPI(t *testing.T) {
	types := EventTypes()
	if len(types) != 30 {
		t.Errorf("%d event types, want the 30 that are documented", len(types))
	}
	if !slices.IsSorted(types) || len(slices.Compact(slices.Clone(types))) != len(types) {
		t.Error("not sorted, or a name twice: KnownEventType searches by halves")
	}
	pattern := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, name := range types {
		if !pattern.MatchString(name) {
			t.Errorf("%q would be refused by the API", name)
		}
		if !KnownEventType(name) || ClosestEventType(name) != name {
			t.Errorf("%q is not found", name)
		}
	}
}

func TestUnknownEventTypes(t *testing.T) {
	for name, tc := range map[string]struct{ name, closest string }{
		"a letter missing":       {"uplod", "upload"},
		"a letter more":          {"uploads", "upload"},
		"two letters swapped":    {"dleete", "delete"},
		"another separator":      {"resource-tags-changed", "resource_tags_changed"},
		"upper case":             {"Upload", "upload"},
		"another word":           {"purchase", ""},
		"nothing":                {"", ""},
		"a short word of no kin": {"x", ""},
		"two off from a short":   {"foo", ""},
		"one off from a short":   {"al", "all"},
		"a huge name":            {strings.Repeat("upload", 10000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if KnownEventType(tc.name) {
				t.Errorf("%.40q is known", tc.name)
			}
			if got := ClosestEventType(tc.name); got != tc.closest {
				t.Errorf("closest to %.40q is %q, want %q", tc.name, got, tc.closest)
			}
		})
	}
}
