// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"testing"
)

func TestEventTypesInOneLine(t *testing.T) {
	for want, eventTypes := range map[string][]string{
		"upload":                      {"upload"},
		"upload,delete":               {"upload", "delete"},
		"upload,delete,move,eager":    {"upload", "delete", "move", "eager"},
		"upload,delete,move,eager +2": {"upload", "delete", "move", "eager", "rename", "moderation"},
	} {
		if got := inOneLine(eventTypes); got != want {
			t.Errorf("%v: %q, want %q", eventTypes, got, want)
		}
	}
}
