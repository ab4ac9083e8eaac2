// SPDX-License-Identifier: Apache-2.0

package livecheck_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const (
	claimKey    = "111222333444555"
	claimSecret = "a-secret-that-stays-one"
)

func claimFrom(t *testing.T, handler http.Handler) (livecheck.Claimed, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return livecheck.Claim(t.Context(), livecheck.ClaimOptions{Base: server.URL, UserAgent: "test", Timeout: 30 * time.Second})
}

// answering sends the same status and body to everybody.
func answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func TestAClaimedEnvironmentCanBeCheckedInEveryForm(t *testing.T) {
	for _, form := range []simulator.ClaimAnswer{simulator.ClaimFlat, simulator.ClaimNested} {
		t.Run(string(form), func(t *testing.T) {
			sim, err := simulator.New(simulator.Options{ClaimAnswer: form})
			if err != nil {
				t.Fatal(err)
			}
			var base string
			claimed, err := claimFrom(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				base = "http://" + r.Host
				if r.Header.Get("Authorization") != "" {
					t.Error("it authenticates")
				}
				sim.ServeHTTP(w, r)
			}))
			if err != nil {
				t.Fatal(err)
			}
			if claimed.Credentials.APIBase != base {
				t.Errorf("it would be called at %s, want where it was asked for, %s", claimed.Credentials.APIBase, base)
			}
			clouds := sim.Clouds()
			if len(clouds) != 1 || claimed.Credentials.CloudName != clouds[0].Name || !claimed.Expires.Equal(clouds[0].ExpiresAt) || claimed.ClaimURL == "" {
				t.Errorf("claimed %+v, want one of %+v", claimed, clouds)
			}
		})
	}
}

func TestWhatIsSaidOfAClaimedEnvironment(t *testing.T) {
	const flat = `{"cloud_name":"c1","api_key":"` + claimKey + `","api_secret":"` + claimSecret + `"`
	const link = `"claim_url":"https://console.cloudinary.com/claim?token=t"`
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct{ body, want string }{
		"all":                     {flat + `,"expires_at":"2026-01-02T12:00:00Z",` + link + `}`, "until 2026-01-02 12:00:00 UTC, which is in 24h0m;"},
		"the link":                {flat + `,` + link + `}`, "\n  https://console.cloudinary.com/claim?token=t\n"},
		"no time":                 {flat + `,` + link + `}`, "does not say until when"},
		"a time that is none":     {flat + `,"expires_at":1767268800,` + link + `}`, "does not say until when"},
		"a time that is past":     {flat + `,"expires_at":"2026-01-01T00:00:00Z",` + link + `}`, "until 2026-01-01 00:00:00 UTC; then"},
		"no link":                 {flat + `}`, "cannot be claimed"},
		"a link of another type":  {flat + `,"claim_url":["https://example.com"]}`, "cannot be claimed"},
		"a link that is no https": {flat + `,"claim_url":"javascript:alert(1)"}`, "cannot be claimed"},
		"a link for the terminal": {flat + `,"claim_url":"https://example.com/\u001b[2J"}`, "cannot be claimed"},
		"a link with the secret":  {flat + `,"claim_url":"https://example.com/?s=` + claimSecret + `"}`, "cannot be claimed"},
		"the variable alone": {
			`{"api_environment_variable":"CLOUDINARY_URL=cloudinary://` + claimKey + `:` + claimSecret + `@c1"}`, "/c1, an environment",
		},
		"another API of Cloudinary's": {
			`{"api_environment_variable":"cloudinary://` + claimKey + `:` + claimSecret + `@c1?upload_prefix=https://api-eu.cloudinary.com"}`,
			"made https://api-eu.cloudinary.com/c1,",
		},
		"the first key that is enabled": {
			`{"product_environments":[{"cloud_name":"c1","api_access_keys":[{"key":"9","secret":"9","enabled":false},` +
				`{"key":"` + claimKey + `","secret":"` + claimSecret + `"}]}]}`, "/c1, an environment",
		},
		"no environments in the list": {flat + `,"product_environments":[]}`, "/c1, an environment"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			claimed, err := claimFrom(t, answering(http.StatusCreated, c.body))
			if err != nil {
				t.Fatal(err)
			}
			if claimed.Credentials.APIKey != claimKey || claimed.Credentials.APISecret != claimSecret {
				t.Error("it has other credentials")
			}
			said := claimed.Describe(now)
			if !strings.Contains(said, c.want) {
				t.Errorf("said %q, want %q in it", said, c.want)
			}
			if all := said + fmt.Sprintf("%v %+v %#v", claimed, claimed, claimed); strings.Contains(all, claimSecret) || strings.Contains(all, claimKey) {
				t.Errorf("a credential is in %q", all)
			}
		})
	}
}

func TestAnswersWithoutAnEnvironment(t *testing.T) {
	const secret = `"api_secret":"` + claimSecret + `"`
	const mayBe = "an environment may have been made"
	cases := map[string]struct {
		status int
		body   string
		want   []string
	}{
		"too many of this address": {
			429, `{"error":{"category":"rate_limited","code":"ip_rate_limit_exceeded","message":"At capacity."}}`,
			[]string{"too many environments", "status 429, ip_rate_limit_exceeded: At capacity.", "ask again later, or set CLOUDINARY_URL"},
		},
		"too many in Cloudinary's own way": {420, `{"error":{"message":"Rate Limit Exceeded"}}`, []string{"too many environments", "Rate Limit Exceeded"}},
		"too many, not in JSON":            {429, "<html>", []string{"too many environments", "in no form that is known"}},
		"refused":                          {403, `{"error":{"code":"geo_location_not_permitted"}}`, []string{"no environment was given", "geo_location_not_permitted"}},
		"an error that is a text":          {404, `{"error":"nothing here"}`, []string{"status 404, in no form that is known"}},
		"words that steer the terminal":    {403, `{"error":{"message":"a\u001b[2Jb\nc"}}`, []string{"a?[2Jb?c"}},
		"long words":                       {403, `{"error":{"message":"` + strings.Repeat("x", 10<<10) + `"}}`, []string{"no environment was given"}},
		"a redirect":                       {302, "", []string{"status 302"}},
		"broken":                           {502, "<html>bad gateway</html>", []string{"status 502", "ask again later", mayBe}},
		"no JSON":                          {200, "<html>" + claimSecret, []string{"is no JSON object", mayBe}},
		"half of it":                       {200, `{"cloud_name":"c1",` + secret, []string{"is no JSON object", mayBe}},
		"empty":                            {200, "", []string{"is no JSON object", mayBe}},
		"null":                             {200, "null", []string{"is no JSON object"}},
		"a list":                           {200, `[{"cloud_name":"c1",` + secret + `}]`, []string{"is no JSON object"}},
		"too long":                         {200, `{"cloud_name":"` + strings.Repeat("x", 64<<10) + `"}`, []string{"is longer than 65536 bytes", mayBe}},
		"nothing in it":                    {200, "{}", []string{"lacks cloud_name, api_key, api_secret", mayBe}},
		"no key":                           {200, `{"cloud_name":"c1",` + secret + `}`, []string{"lacks api_key,"}},
		"no name":                          {200, `{"api_key":"` + claimKey + `",` + secret + `}`, []string{"lacks cloud_name,"}},
		"a key of another type":            {200, `{"cloud_name":"c1","api_key":` + claimKey + `,` + secret + `}`, []string{"member api_key that is of another type"}},
		"a name that cannot be":            {200, `{"cloud_name":"../x","api_key":"` + claimKey + `",` + secret + `}`, []string{"credentials that cannot be used: cloud_name"}},
		"two names": {
			200, `{"cloud_name":"c2","api_environment_variable":"cloudinary://` + claimKey + `:` + claimSecret + `@c1"}`,
			[]string{"credentials that cannot be used", "contradicts"},
		},
		"somebody else's host": {
			200, `{"api_environment_variable":"cloudinary://` + claimKey + `:` + claimSecret + `@c1?upload_prefix=https://example.com"}`,
			[]string{"neither one of Cloudinary's by https nor the one that was asked"},
		},
		"Cloudinary's host in the clear": {
			200, `{"api_environment_variable":"cloudinary://` + claimKey + `:` + claimSecret + `@c1?upload_prefix=http://api.cloudinary.com"}`,
			[]string{"neither one of Cloudinary's by https"},
		},
		"only keys that are disabled": {
			200, `{"product_environments":[{"cloud_name":"c1","api_access_keys":[{"key":"` + claimKey + `","secret":"` + claimSecret + `","enabled":false}]}]}`,
			[]string{"lacks api_key, api_secret"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			claimed, err := claimFrom(t, answering(c.status, c.body))
			if err == nil {
				t.Fatalf("claimed %v", claimed)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), claimSecret) || strings.Contains(err.Error(), claimKey) || len(err.Error()) > 1000 {
				t.Errorf("error holds a credential or is too long: %q", err)
			}
		})
	}
}

func TestAClaimIsNotRepeatedAndNotFollowed(t *testing.T) {
	var calls atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it followed a redirect") }))
	defer elsewhere.Close()
	_, err := claimFrom(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	if err == nil || !strings.Contains(err.Error(), "Retry-After: 60") || calls.Load() != 1 {
		t.Errorf("%d calls, error %v", calls.Load(), err)
	}
	_, err = claimFrom(t, http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	if err == nil || !strings.Contains(err.Error(), "status 307") {
		t.Errorf("error %v", err)
	}
}

func TestAClaimWithoutAnAnswer(t *testing.T) {
	sim, err := simulator.New(simulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.AddFault(simulator.Fault{Path: "/provisioning/clouds", Cut: simulator.CutAfter}); err != nil {
		t.Fatal(err)
	}
	_, err = claimFrom(t, sim)
	if err == nil || !strings.Contains(err.Error(), "an environment may have been made") {
		t.Errorf("error %v", err)
	}
	if made := len(sim.Clouds()); made != 1 {
		t.Errorf("%d environments were made, want 1: it must not ask again", made)
	}
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	_, err = livecheck.Claim(t.Context(), livecheck.ClaimOptions{Base: server.URL, Timeout: 50 * time.Millisecond})
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); !ok || !timeout.Timeout() {
		t.Errorf("error %v, want that the time is over", err)
	}
}
