// SPDX-License-Identifier: Apache-2.0

package excerpt

import "testing"

func TestExcerpts(t *testing.T) {
	for _, c := range []struct {
		text          string
		limit         int
		head, shorter string
	}{
		{"", 3, "", ""},
		{"abcd", 4, "abcd", "abcd"},
		{"abcde", 4, "abcd", "a…"},
		{"aéb", 3, "aé", "…"},
		{"aéb", 4, "aéb", "aéb"},
		{"ééé", 5, "éé", "é…"},
		{"ééé", 3, "é", "…"},
		{"\x80\x80\x80\x80\x80", 4, "", "…"}, // not UTF-8
	} {
		if got := Head(c.text, c.limit); got != c.head {
			t.Errorf("Head(%q, %d) = %q, want %q", c.text, c.limit, got, c.head)
		}
		if got := Shorten(c.text, c.limit); got != c.shorter {
			t.Errorf("Shorten(%q, %d) = %q, want %q", c.text, c.limit, got, c.shorter)
		}
	}
}
