// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pasted removes the text that people copy along with a value: space, invisible characters, an
// assignment to one of the names, and quotes at both ends. No value of Cloudinary's begins or ends
// with any of it.
func pasted(raw []byte, names ...string) string {
	text := string(raw)
	for {
		before := text
		text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
		text = unquoted(unassigned(text, names))
		if text == before {
			return text
		}
	}
}

// assignment matches the assignments of shells, .env files and YAML.
var assignment = regexp.MustCompile(`^(?:(?:export|set|setx)\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*`)

func unassigned(text string, names []string) string {
	found := assignment.FindStringSubmatchIndex(text)
	if found == nil {
		return text
	}
	if slices.Contains(names, text[found[2]:found[3]]) {
		return text[found[1]:]
	}
	return text
}

// quotes are pairs in which people, editors and documentation put a value.
func quotes() map[rune]rune {
	return map[rune]rune{'"': '"', '\'': '\'', '`': '`', '“': '”', '„': '“', '‘': '’', '‚': '‘', '«': '»', '´': '´'}
}

func unquoted(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	last, m := utf8.DecodeLastRuneInString(text)
	if closing, ok := quotes()[first]; !ok || closing != last || len(text) < n+m {
		return text
	}
	return text[n : len(text)-m]
}

// invisible reports whether a character cannot be seen: it is in Unicode's category for formatting,
// such as the zero-width ones and the byte order mark.
func invisible(r rune) bool { return unicode.Is(unicode.Cf, r) || r == '\u180e' || r == '\u3164' }

// leftover says which remains of pasting a value still has, if removing them would be a guess. It
// shows nothing else of the value.
func leftover(value string) string {
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	for _, r := range value {
		if invisible(r) {
			return fmt.Sprintf("holds an invisible character (%U), left over from pasting perhaps: remove it", r)
		}
	}
	for _, r := range []rune{first, last} {
		if r != utf8.RuneError && strings.ContainsRune("\"'`“”„‘’‚«»´,;", r) {
			return fmt.Sprintf("begins or ends with %c, left over from pasting perhaps: remove it", r)
		}
	}
	return ""
}
