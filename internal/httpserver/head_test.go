// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

func headOf(lines int) string {
	return "POST / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", lines) + "\r\n"
}

// filled is a head of so many bytes.
func filled(bytes int) string {
	const frame = "POST / HTTP/1.1\r\na: \r\n\r\n"
	return "POST / HTTP/1.1\r\na: " + strings.Repeat("x", bytes-len(frame)) + "\r\n\r\n"
}

func TestWhereAHeadEnds(t *testing.T) {
	limits := Limits{MaxHeaderBytes: 1000, MaxHeaderLines: 64}
	for name, tc := range map[string]struct {
		text string
		used int // 0: all
		want outcome
	}{
		"one line":                          {text: "GET / HTTP/1.0\r\n\r\n", want: finished},
		"with a header":                     {text: headOf(2), want: finished},
		"with a body behind it":             {text: headOf(1) + "body\r\n\r\n", used: len(headOf(1)), want: finished},
		"lines that end in LF alone":        {text: "GET / HTTP/1.0\na: b\n\n", want: finished},
		"an empty line that is LF alone":    {text: "GET / HTTP/1.0\r\na: b\r\n\n", want: finished},
		"two CR are no empty line":          {text: "GET / HTTP/1.0\r\n\r\r\n", want: unfinished},
		"a space is no empty line":          {text: "GET / HTTP/1.0\r\n \r\n", want: unfinished},
		"empty lines before it are not it":  {text: "\r\n\r\nGET / HTTP/1.0\r\n", want: unfinished},
		"nothing but empty lines":           {text: strings.Repeat("\r\n", 66), want: tooLarge},
		"as many lines as may be":           {text: headOf(64), want: finished},
		"one line more":                     {text: headOf(65), used: len(headOf(65)) - 2, want: tooLarge},
		"one line more, without its end":    {text: strings.TrimSuffix(headOf(65), "\r\n\r\n"), want: unfinished},
		"folded lines count":                {text: "GET / HTTP/1.0\r\na: b\r\n" + strings.Repeat(" c\r\n", 64), want: tooLarge},
		"as many bytes as may be":           {text: filled(1000), want: finished},
		"one byte more":                     {text: filled(1001), want: tooLarge},
		"one line without an end":           {text: strings.Repeat("x", 1001), want: tooLarge},
		"as many bytes as may be, and more": {text: filled(1000) + "body", used: 1000, want: finished},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.used == 0 {
				tc.used = len(tc.text)
			}
			var whole head
			if n, got := whole.read([]byte(tc.text), &limits); n != tc.used || got != tc.want {
				t.Errorf("at once: %d bytes and %d, want %d and %d", n, got, tc.used, tc.want)
			}
			var h head
			got := unfinished
			for i := 0; i < tc.used && got == unfinished; i++ {
				_, got = h.read([]byte(tc.text[i:i+1]), &limits)
			}
			if got != tc.want {
				t.Errorf("byte by byte: %d, want %d", got, tc.want)
			}
		})
	}
}

// What is taken for the end before net/http takes it for that would not be counted.
func FuzzAHeadEndsWhereItEndsForNetHTTP(f *testing.F) {
	for _, seed := range []string{
		headOf(1), "GET / HTTP/1.0\n\n", "GET / HTTP/1.1\r\na: b\r\n\r\r\n\r\n", "GET / HTTP/1.1\r\na: b\r\n \r\n\r\nx", "GET / HTTP/1.1\r\na: b\n\rc: d\n\n",
		"\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\na: " + strings.Repeat("x", 5000) + "\r\n\r\nrest",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		from := bufio.NewReader(strings.NewReader(string(text)))
		if _, err := http.ReadRequest(from); err != nil {
			return // the connection is closed
		}
		rest, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		var h head
		n, got := h.read(text, &Limits{MaxHeaderBytes: len(text), MaxHeaderLines: len(text)})
		if want := len(text) - len(rest); got != finished || n != want {
			t.Errorf("%q ends at %d (%d), for net/http at %d", text, n, got, want)
		}
	})
}
