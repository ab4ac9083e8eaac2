// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const claimPath = "/v1_1/provisioning/clouds"

// claimed is what both forms of the answer can hold.
type claimed struct {
	CloudName    string    `json:"cloud_name"`
	APIKey       string    `json:"api_key"`
	APISecret    string    `json:"api_secret"`
	Variable     string    `json:"api_environment_variable"`
	ClaimURL     string    `json:"claim_url"`
	ExpiresAt    time.Time `json:"expires_at"`
	Environments []struct {
		CloudName  string `json:"cloud_name"`
		AccessKeys []struct {
			Key     string `json:"key"`
			Secret  string `json:"secret"`
			Enabled bool   `json:"enabled"`
		} `json:"api_access_keys"`
	} `json:"product_environments"`
}

// claim asks for an environment without authentication.
func (w *world) claim(t *testing.T) claimed {
	t.Helper()
	req := w.request(t, http.MethodPost, claimPath, "{}")
	req.Header.Del("Authorization")
	got := w.send(t, req)
	if got.status != http.StatusOK {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if got.header.Get("X-FeatureRateLimit-Limit") != "" {
		t.Error("the answer has the rate limit of an environment")
	}
	var made claimed
	if err := json.Unmarshal([]byte(got.body), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// list asks for the triggers of an environment, and gives the status and the calls that are left.
func (w *world) list(t *testing.T, cloud, key, secret string) (status int, left string) {
	t.Helper()
	req := w.request(t, http.MethodGet, "/v1_1/"+cloud+"/triggers", "")
	req.SetBasicAuth(key, secret)
	got := w.send(t, req)
	return got.status, got.header.Get("X-FeatureRateLimit-Remaining")
}

func TestAClaimableEnvironmentIsOneOfItsOwn(t *testing.T) {
	w := start(t, simulator.Options{RateLimit: 5})
	made, other := w.claim(t), w.claim(t)
	if made.Variable != "CLOUDINARY_URL=cloudinary://"+made.APIKey+":"+made.APISecret+"@"+made.CloudName {
		t.Errorf("api_environment_variable is %q", made.Variable)
	}
	if made.CloudName == other.CloudName || made.APISecret == other.APISecret || !strings.HasPrefix(made.ClaimURL, "https://") {
		t.Errorf("made %+v and %+v", made, other)
	}
	if lifetime := made.ExpiresAt.Sub(w.clock.Now()); lifetime != 24*time.Hour {
		t.Errorf("it exists for %s, want a day", lifetime)
	}
	create := w.request(t, http.MethodPost, "/v1_1/"+made.CloudName+"/triggers", upload)
	create.SetBasicAuth(made.APIKey, made.APISecret)
	if got := w.send(t, create); got.status != http.StatusCreated {
		t.Fatalf("create: %d %s", got.status, got.body)
	}
	if status, left := w.list(t, made.CloudName, made.APIKey, made.APISecret); status != 200 || left != "3" {
		t.Errorf("list: status %d, %s calls left, want 200 and 3", status, left)
	}
	if status, left := w.list(t, "demo", simulator.DefaultAPIKey, simulator.DefaultAPISecret); status != 200 || left != "4" {
		t.Errorf("list of the simulator's own: status %d, %s calls left, want 200 and 4", status, left)
	}
	for name, cloud := range map[string]string{"another's": other.CloudName, "the simulator's own": "demo"} {
		if status, _ := w.list(t, cloud, made.APIKey, made.APISecret); status != http.StatusUnauthorized {
			t.Errorf("%s environment with its credentials: status %d", name, status)
		}
	}
	if status, _ := w.list(t, made.CloudName, simulator.DefaultAPIKey, simulator.DefaultAPISecret); status != http.StatusUnauthorized {
		t.Errorf("it with the simulator's own credentials: status %d", status)
	}
	for _, cloud := range w.sim.Clouds() {
		if want := map[string]int{made.CloudName: 1, other.CloudName: 0}[cloud.Name]; len(cloud.Triggers) != want {
			t.Errorf("%s holds %d triggers, want %d", cloud.Name, len(cloud.Triggers), want)
		}
	}
	if left := w.sim.Triggers(); len(left) > 0 {
		t.Errorf("the simulator's own holds %+v", left)
	}
}

func TestAClaimableEnvironmentInTheOlderForm(t *testing.T) {
	w := start(t, simulator.Options{ClaimAnswer: simulator.ClaimNested})
	made := w.claim(t)
	if made.CloudName+made.APIKey+made.APISecret+made.Variable != "" || len(made.Environments) != 1 || len(made.Environments[0].AccessKeys) != 1 {
		t.Fatalf("made %+v", made)
	}
	environment := made.Environments[0]
	if status, _ := w.list(t, environment.CloudName, environment.AccessKeys[0].Key, environment.AccessKeys[0].Secret); status != 200 {
		t.Errorf("list: status %d", status)
	}
}

func TestAClaimableEnvironmentExpires(t *testing.T) {
	w := start(t, simulator.Options{})
	made := w.claim(t)
	w.clock.advance(24*time.Hour - time.Second)
	if status, _ := w.list(t, made.CloudName, made.APIKey, made.APISecret); status != 200 {
		t.Errorf("a second before: status %d", status)
	}
	w.clock.advance(time.Second)
	if status, _ := w.list(t, made.CloudName, made.APIKey, made.APISecret); status != http.StatusUnauthorized {
		t.Errorf("then: status %d", status)
	}
	if left := w.sim.Clouds(); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestAskingForAClaimableEnvironment(t *testing.T) {
	w := start(t, simulator.Options{ClaimLimit: 1})
	tooMany := `{"error":{"category":"rate_limited","code":"ip_rate_limit_exceeded","message":"1 clouds were created from this address; try again later"}}`
	w.play(t, []step{
		{do: "GET " + claimPath, status: 405},
		{do: "POST " + claimPath, body: "[]", status: 400, want: `{"error":{"category":"user_error","message":"the body must be a JSON object"}}`},
		{do: "POST " + claimPath, body: strings.Repeat(" ", 129<<10), status: 413},
		{do: "GET /_sim/clouds", status: 200, want: `{"clouds":[]}`},
		{do: "POST " + claimPath, body: `{"delivery_ips":["requester_ip"]}`, status: 200},
		{do: "POST " + claimPath, status: 429, want: tooMany},
		{do: "POST /_sim/faults", body: `{"path":"/provisioning/clouds","status":503}`, status: 200},
		{do: "POST " + claimPath, status: 503},
		{do: "POST /_sim/reset", status: 200},
		{do: "POST " + claimPath, status: 200},
		{do: "POST " + claimPath, status: 429, advance: 24*time.Hour - time.Second},
		{do: "POST " + claimPath, status: 200, advance: time.Second},
		{do: "GET /_sim/calls", status: 200, want: `{"total":3,"calls":[
			{"method":"POST","path":"/v1_1/provisioning/clouds","status":200,"count":2},
			{"method":"POST","path":"/v1_1/provisioning/clouds","status":429,"count":1}]}`},
	})
}
