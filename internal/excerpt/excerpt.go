// SPDX-License-Identifier: Apache-2.0

// Package excerpt shortens texts of others to what there is room for.
package excerpt

import "unicode/utf8"

const ellipsis = "…"

// Head is the beginning of a text, at most limit bytes of it, and no part of a character.
func Head(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(limit, 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// Shorten is the text itself if it has at most limit bytes, else its beginning and an ellipsis, together at most limit bytes. limit is at
// least the three bytes of the ellipsis.
func Shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return Head(text, limit-len(ellipsis)) + ellipsis
}
