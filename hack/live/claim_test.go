// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// claimable starts a simulator that keeps what it answered to those who ask for an environment.
func claimable(t *testing.T, options simulator.Options) (sim *simulator.Simulator, base string, answered *bytes.Buffer) {
	t.Helper()
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	answered = &bytes.Buffer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/provisioning/clouds") {
			sim.ServeHTTP(w, r)
			return
		}
		recorded := httptest.NewRecorder()
		sim.ServeHTTP(recorded, r)
		answered.Write(recorded.Body.Bytes())
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	return sim, server.URL, answered
}

func TestItChecksAnEnvironmentThatAnybodyIsGiven(t *testing.T) {
	sim, base, answered := claimable(t, simulator.Options{URLLimit: 7, UpdateSemantics: simulator.UpdateReplace})
	for _, cloudinaryURL := range []string{"", "cloudinary://123456789012345:another-secret@demo?upload_prefix=" + base} {
		answered.Reset()
		var out, progress bytes.Buffer
		if err := run(t.Context(), []string{"--claim", "--claim-from=" + base, "--fill-limit", "-o=json"}, cloudinaryURL, &out, &progress); err != nil {
			t.Fatal(err)
		}
		if ignored := strings.Contains(progress.String(), "CLOUDINARY_URL is set, and is not used because of --claim"); ignored != (cloudinaryURL != "") {
			t.Errorf("with %q it says:\n%s", cloudinaryURL, &progress)
		}
		var made struct {
			CloudName string `json:"cloud_name"`
			APIKey    string `json:"api_key"`
			APISecret string `json:"api_secret"`
			ClaimURL  string `json:"claim_url"`
		}
		if err := json.Unmarshal(answered.Bytes(), &made); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{base + "/" + made.CloudName, made.ClaimURL, "it is there until", ", which is in 24h0m"} {
			if !strings.Contains(progress.String(), want) {
				t.Errorf("%q is not in what it says:\n%s", want, &progress)
			}
		}
		if said := out.String() + progress.String(); strings.Contains(said, made.APIKey) || strings.Contains(said, made.APISecret) {
			t.Errorf("a credential is in what it says:\n%s", said)
		}
		if strings.Contains(out.String(), made.ClaimURL) {
			t.Error("the report, which people hand on, holds the link by which anybody can claim the environment")
		}
		var report livecheck.Report
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		for question, want := range map[string]string{"update-semantics": "replace", "url-limit": "7", "rate-limit": "2000"} {
			if got := report.Verdict(question); got != want {
				t.Errorf("%s is %q, want %q", question, got, want)
			}
		}
		for _, a := range report.Answers {
			if a.Verdict == livecheck.NotReached {
				t.Errorf("%s was not asked", a.Question)
			}
		}
	}
	clouds := sim.Clouds()
	if len(clouds) != 2 {
		t.Errorf("%d environments were made, want one for each check", len(clouds))
	}
	for _, cloud := range clouds {
		if len(cloud.Triggers) > 0 {
			t.Errorf("left behind in %s: %+v", cloud.Name, cloud.Triggers)
		}
	}
	for _, c := range sim.Calls().Calls {
		if c.Status == http.StatusUnauthorized {
			t.Errorf("refused: %+v", c)
		}
	}
}

func TestNothingIsCheckedWithoutTheEnvironmentThatWasAskedFor(t *testing.T) {
	sim, base, _ := claimable(t, simulator.Options{ClaimLimit: 1})
	args := []string{"--claim", "--claim-from=" + base}
	var out, progress bytes.Buffer
	if err := run(t.Context(), args, "", &out, &progress); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	err := run(t.Context(), args, urlFor(base), &out, &progress)
	if err == nil || !strings.Contains(err.Error(), "--claim: too many environments were asked for (status 429, ip_rate_limit_exceeded") {
		t.Errorf("error is %v, want that there were too many", err)
	}
	if out.Len() > 0 {
		t.Errorf("it printed a report: %s", &out)
	}
	if left := sim.Triggers(); len(left) > 0 {
		t.Errorf("triggers in the environment of CLOUDINARY_URL: %+v", left)
	}
}
