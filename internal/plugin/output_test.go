// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
)

// A notification comes from outside, and a person looks at it on a terminal.
func TestBodiesDoNotSteerTheTerminal(t *testing.T) {
	raw := "{\"public_id\":\"a\u009b31mRED\u202e\u2066gpj\u200f\u007f\",\"name\":\"é😀\u00a0א\"}"
	got := indented([]byte(raw))
	if want := `"a\u009b31mRED\u202e\u2066gpj\u200f\u007f"`; !strings.Contains(got, want) || !strings.Contains(got, "\"é😀\u00a0א\"") {
		t.Errorf("%q, want %q in it, and letters as they are", got, want)
	}
	var before, after any
	if err := json.Unmarshal([]byte(raw), &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("it means something else (-before +after):\n%s", diff)
	}
	if got := indented([]byte("no JSON \u009b31m\u202ex\x1b[0m")); got != "no JSON  31m x [0m" {
		t.Errorf("a body that is no JSON: %q", got)
	}
}

func TestWhatIsShownOfAURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h/hook?token=t0ken":                                  "https://h/…",
		"https://h/t0ken":                                             "https://h/…",
		"https://h/":                                                  "https://h/",
		"https://h/v1/notifications/shop/media":                       "https://h/v1/notifications/shop/media",
		"https://h/v1/notifications/shop/media" + pathToken:           "https://h/v1/notifications/shop/media/…",
		"https://h/v1/notifications/shop/media/t0ken/more":            "https://h/…",
		"https://h/v1/notifications/shop":                             "https://h/…",
		"https://h/v1/notifications/shop/media?token=t0ken":           "https://h/…",
		"https://h/t0ken/v1/notifications/shop/media" + pathToken:     "https://h/…",
		"https://h/v1/notifications/shop/media/" + forecast.PathToken: "https://h/v1/notifications/shop/media/" + forecast.PathToken,
		"https://%zz": "…",
	} {
		if got := redacted(raw); got != want {
			t.Errorf("of %s is shown %s, want %s", raw, got, want)
		}
	}
}
