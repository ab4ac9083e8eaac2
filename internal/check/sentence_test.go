// SPDX-License-Identifier: Apache-2.0

package check

import (
	"testing"
)

func TestSentence(t *testing.T) {
	for clause, want := range map[string]string{
		"":                                  "",
		"accepted and synced":               "Accepted and synced.",
		"event type upload: sent":           "Event type upload: sent.",
		"spec.filter: not a rule":           "spec.filter: not a rule.",
		"Cloudinary has what the spec says": "Cloudinary has what the spec says.",
		"It is one.":                        "It is one.",
		"waiting":                           "Waiting.",
	} {
		if got := Sentence(clause); got != want {
			t.Errorf("Sentence(%q) is %q, want %q", clause, got, want)
		}
	}
}
