// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// forged is a token that looks like one, and that nobody has signed.
func forged(t *testing.T, claims map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return part(`{"alg":"RS256","kid":"a"}`) + "." + part(string(raw)) + "." + part("signature")
}

func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestWhatTheAPIServerIsAskedAbout(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	header, signature := part(`{"alg":"RS256"}`), part("signature")
	for name, tc := range map[string]struct {
		token string
		want  bool
		why   string
	}{
		"a token without an end":     {token: forged(t, map[string]any{"sub": "a"}), want: true, why: "tokens from Secrets have none"},
		"one that is in force":       {token: forged(t, map[string]any{"exp": now.Unix() + 1}), want: true},
		"one that has just ended":    {token: forged(t, map[string]any{"exp": now.Unix() - 59}), want: true, why: "clocks differ"},
		"one that has ended":         {token: forged(t, map[string]any{"exp": now.Unix() - 61})},
		"one for several audiences":  {token: forged(t, map[string]any{"aud": []string{"a", "b"}}), want: true},
		"the longest one":            {token: header + "." + part(`{}`) + "." + strings.Repeat("a", maxTokenBytes-len(header)-len(part(`{}`))-2), want: true},
		"one that is longer":         {token: header + "." + part(`{}`) + "." + strings.Repeat("a", maxTokenBytes)},
		"nothing":                    {token: ""},
		"a word":                     {token: "guessed"},
		"two parts":                  {token: header + "." + part(`{}`)},
		"four parts":                 {token: header + "." + part(`{}`) + "." + signature + "." + signature},
		"no signature":               {token: header + "." + part(`{}`) + "."},
		"no algorithm":               {token: part(`{}`) + "." + part(`{}`) + "." + signature},
		"the algorithm none":         {token: part(`{"alg":"None"}`) + "." + part(`{}`) + "." + signature},
		"claims that are no JSON":    {token: header + "." + part(`sub`) + "." + signature},
		"claims that are no object":  {token: header + "." + part(`[]`) + "." + signature},
		"an end that is no number":   {token: header + "." + part(`{"exp":"never"}`) + "." + signature},
		"an audience that is none":   {token: header + "." + part(`{"aud":7}`) + "." + signature},
		"parts that are no base64":   {token: "!." + part(`{}`) + "." + signature},
		"a signature that is none":   {token: header + "." + part(`{}`) + ".!"},
		"a space behind a good one":  {token: forged(t, nil) + " "},
		"base64 with its padding on": {token: header + "." + base64.URLEncoding.EncodeToString([]byte(`{"a":1}`)) + "." + signature},
	} {
		if _, got := read(tc.token, now); got != tc.want {
			t.Errorf("%s: %v, want %v: %s", name, got, tc.want, tc.why)
		}
	}
}

func TestATokenIsReviewedForTheAudienceThatItIsFor(t *testing.T) {
	for name, tc := range map[string]struct {
		claims map[string]any
		want   []string
	}{
		"the API server":      {claims: map[string]any{"aud": []string{"https://kubernetes.default.svc"}}},
		"nobody in so many":   {claims: map[string]any{"sub": "a"}},
		"these metrics":       {claims: map[string]any{"aud": []string{Audience}}, want: []string{Audience}},
		"these metrics alone": {claims: map[string]any{"aud": Audience}, want: []string{Audience}},
		"both":                {claims: map[string]any{"aud": []string{"https://kubernetes.default.svc", Audience}}, want: []string{Audience}},
	} {
		c, ok := read(forged(t, tc.claims), time.Unix(1_700_000_000, 0))
		if !ok {
			t.Errorf("%s: it is no token", name)
		}
		if diff := cmp.Diff(tc.want, c.reviewedFor()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
