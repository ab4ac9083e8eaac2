// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// simulated is a client of a simulated environment with the default credentials.
func simulated(t *testing.T, options simulator.Options) (*simulator.Simulator, *cloudinary.Client) {
	t.Helper()
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, cloudinary.NewClient(cloudinary.Credentials{
		APIBase: server.URL, CloudName: simulator.DefaultCloud, APIKey: simulator.DefaultAPIKey, APISecret: simulator.DefaultAPISecret,
	}, cloudinary.ClientOptions{Bases: cloudinary.OneAPIBase(server.URL)})
}

func fullSpec() cloudinary.TriggerSpec {
	return cloudinary.TriggerSpec{
		URI: "https://hooks.example.com/a", EventType: "upload", Additive: true,
		Filter:          json.RawMessage(`{"==":[{"var":"resource_type"},"image"]}`),
		PayloadTemplate: json.RawMessage(`{"id":"{{asset.public_id}}"}`), AuthScheme: "legacy_hmac",
	}
}

// shapes are all combinations of the switches that change what answers look like.
func shapes() map[string]simulator.Options {
	found := map[string]simulator.Options{}
	for _, status := range []int{200, 201} {
		for _, body := range []simulator.CreateBody{simulator.CreateObject, simulator.CreateWrapped} {
			for _, echo := range []simulator.Echo{simulator.EchoFull, simulator.EchoOpenAPI} {
				for _, unset := range []simulator.UnsetFields{simulator.UnsetEmpty, simulator.UnsetAbsent} {
					for _, stamps := range []simulator.Timestamps{simulator.TimestampsZ, simulator.TimestampsOffset} {
						found[fmt.Sprint(status, " ", body, " ", echo, " ", unset, " ", stamps)] = simulator.Options{
							CreateStatus: status, CreateBody: body, Echo: echo, UnsetFields: unset, Timestamps: stamps,
						}
					}
				}
			}
		}
	}
	return found
}

// shown is what an environment with these switches shows of a spec.
func shown(spec cloudinary.TriggerSpec, options simulator.Options) cloudinary.Trigger {
	trigger := cloudinary.Trigger{URIType: "webhook", URI: spec.URI, EventType: spec.EventType}
	if options.Echo == simulator.EchoOpenAPI {
		return trigger
	}
	scheme := spec.AuthScheme
	if scheme == "" {
		scheme = "default"
	}
	trigger.Additive, trigger.AuthScheme = &spec.Additive, &scheme
	trigger.Filter, trigger.PayloadTemplate = spec.Filter, spec.PayloadTemplate
	if spec.Filter == nil && options.UnsetFields == simulator.UnsetEmpty {
		trigger.Filter, trigger.PayloadTemplate = json.RawMessage(`{}`), json.RawMessage(`{}`)
	}
	return trigger
}

func TestLifeOfATrigger(t *testing.T) {
	t.Parallel()
	bare := cloudinary.TriggerSpec{URI: "https://hooks.example.com/b", EventType: "upload"}
	for name, options := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2024, 3, 20, 10, 12, 34, 0, time.UTC)
			options.Clock = func() time.Time { return now }
			_, client := simulated(t, options)
			ignoreID := cmpopts.IgnoreFields(cloudinary.Trigger{}, "ID", "CreatedAt", "UpdatedAt")

			created, meta, err := client.CreateTrigger(t.Context(), fullSpec())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shown(fullSpec(), options), created, ignoreID); diff != "" {
				t.Errorf("created (-want +got):\n%s", diff)
			}
			if !created.CreatedAt.Equal(now) || !created.UpdatedAt.Equal(now) || !meta.Date.Equal(now) || meta.RateLimit == nil {
				t.Errorf("got %v and %v, want times of %s and a rate limit", created, meta, now)
			}
			expectList(t, client, created)

			if _, err := client.UpdateTrigger(t.Context(), created.ID, bare, cloudinary.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			updated := shown(bare, options)
			updated.ID, updated.CreatedAt, updated.UpdatedAt = created.ID, now, now
			expectList(t, client, updated)

			if _, err := client.DeleteTrigger(t.Context(), created.ID); err != nil {
				t.Fatal(err)
			}
			expectList(t, client)
		})
	}
}

func expectList(t *testing.T, client *cloudinary.Client, want ...cloudinary.Trigger) {
	t.Helper()
	got, _, err := client.ListTriggers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func TestFormsThatClear(t *testing.T) {
	t.Parallel()
	_, client := simulated(t, simulator.Options{ClearTemplate: simulator.ClearEmptyString, ClearFilter: simulator.ClearEmptyString})
	created, _, err := client.CreateTrigger(t.Context(), fullSpec())
	if err != nil {
		t.Fatal(err)
	}
	bare := cloudinary.TriggerSpec{URI: created.URI}
	if _, err := client.UpdateTrigger(t.Context(), created.ID, bare, cloudinary.UpdateOptions{}); !cloudinary.IsInvalid(err) {
		t.Errorf("got %v, want the server to refuse {}", err)
	}
	other := cloudinary.UpdateOptions{ClearTemplate: cloudinary.EmptyString, ClearFilter: cloudinary.EmptyString}
	if _, err := client.UpdateTrigger(t.Context(), created.ID, bare, other); err != nil {
		t.Errorf("the other form: %v", err)
	}
}

func TestRefusalsOfTheSimulator(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 10, 4, 13, 20, 0, 0, time.UTC)
	options := simulator.Options{URLLimit: 1, RateLimit: 7, Clock: func() time.Time { return now }}
	_, client := simulated(t, options)
	_, _, err := client.CreateTrigger(t.Context(), fullSpec())
	if err != nil {
		t.Fatal(err)
	}
	unknown, second := fullSpec(), fullSpec()
	unknown.EventType, second.URI = "a", "https://hooks.example.com/second"
	steps := []struct {
		name, want string
		call       func() error
	}{
		{"a duplicate", "AlreadyExists", func() error { _, _, err := client.CreateTrigger(t.Context(), fullSpec()); return err }},
		{"a second URL", "LimitReached", func() error { _, _, err := client.CreateTrigger(t.Context(), second); return err }},
		{"an unknown event type", "Invalid", func() error { _, _, err := client.CreateTrigger(t.Context(), unknown); return err }},
		{"an update of nothing", "NotFound", func() error {
			_, err := client.UpdateTrigger(t.Context(), "nothing", fullSpec(), cloudinary.UpdateOptions{})
			return err
		}},
		{"a delete of nothing", "NotFound", func() error { _, err := client.DeleteTrigger(t.Context(), "nothing"); return err }},
		{"a test of nothing", "NotFound", func() error { _, _, err := client.TestTrigger(t.Context(), "nothing", nil); return err }},
		{"one call too many", "RateLimited", func() error { _, _, err := client.ListTriggers(t.Context()); return err }},
	}
	for _, step := range steps {
		err = step.call()
		if classes(err) != step.want || cloudinary.IsAmbiguous(err) {
			t.Errorf("%s: %v is %q, want %q and definite", step.name, err, classes(err), step.want)
		}
	}
	if got, want := cloudinary.RetryAt(err), now.Truncate(time.Hour).Add(time.Hour); !got.Equal(want) {
		t.Errorf("RetryAt = %s, want the next full hour, %s", got, want)
	}
}

func TestCredentialsAtTheSimulator(t *testing.T) {
	t.Parallel()
	sim, err := simulator.New(simulator.Options{OAuthTokens: []string{"tok"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	right := cloudinary.Credentials{
		APIBase: server.URL, CloudName: simulator.DefaultCloud, APIKey: simulator.DefaultAPIKey, APISecret: simulator.DefaultAPISecret,
	}
	token, wrongToken, wrongSecret, wrongCloud := right, right, right, right
	token.APIKey, token.APISecret, token.OAuthToken = "", "", "tok"
	wrongToken.OAuthToken, wrongSecret.APISecret, wrongCloud.CloudName = "other", "other", "other"
	tests := map[string]struct {
		credentials cloudinary.Credentials
		want        string
	}{
		"key and secret":                   {right, ""},
		"a token":                          {token, ""},
		"a wrong token beside a right key": {wrongToken, "Unauthorized"},
		"a wrong secret":                   {wrongSecret, "Unauthorized"},
		"a wrong cloud":                    {wrongCloud, "Unauthorized"},
	}
	for name, test := range tests {
		_, _, err := cloudinary.NewClient(test.credentials, cloudinary.ClientOptions{Bases: cloudinary.OneAPIBase(test.credentials.APIBase)}).ListTriggers(t.Context())
		if classes(err) != test.want {
			t.Errorf("%s: %v is %q, want %q", name, err, classes(err), test.want)
		}
	}
}

func TestFaultsOfTheSimulator(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   simulator.Fault
		effects int // triggers there are after a create
	}{
		"cut before it took effect":   {simulator.Fault{Cut: simulator.CutBefore}, 0},
		"cut after it took effect":    {simulator.Fault{Cut: simulator.CutAfter}, 1},
		"500 instead of an effect":    {simulator.Fault{Status: http.StatusInternalServerError}, 0},
		"502 after it took effect":    {simulator.Fault{Status: http.StatusBadGateway, After: true}, 1},
		"200 and a page, no effect":   {simulator.Fault{Status: http.StatusOK, Body: json.RawMessage(`"<html>"`)}, 0},
		"201 without an id":           {simulator.Fault{Status: http.StatusCreated, Body: json.RawMessage(`{"message":"ok"}`), After: true}, 1},
		"a 404 that is not the API's": {simulator.Fault{Status: http.StatusNotFound, Body: json.RawMessage(`"not here"`)}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, client := simulated(t, simulator.Options{})
			if err := sim.AddFault(test.fault); err != nil {
				t.Fatal(err)
			}
			_, _, err := client.CreateTrigger(t.Context(), fullSpec())
			if !cloudinary.IsUnavailable(err) || !cloudinary.IsAmbiguous(err) {
				t.Errorf("got %v, want it unavailable and ambiguous", err)
			}
			if got := len(sim.Triggers()); got != test.effects {
				t.Errorf("there are %d triggers, want %d: the client sent the request again, or the fault is another", got, test.effects)
			}
			if got := sim.Calls().Total; got != 1 {
				t.Errorf("it took %d calls, want 1", got)
			}
		})
	}
}

func TestTestTrigger(t *testing.T) {
	t.Parallel()
	_, client := simulated(t, simulator.Options{})
	created, _, err := client.CreateTrigger(t.Context(), fullSpec())
	if err != nil {
		t.Fatal(err)
	}
	for sample, want := range map[string]bool{`{"resource_type":"image"}`: true, `{"resource_type":"video"}`: false} {
		got, _, err := client.TestTrigger(t.Context(), created.ID, json.RawMessage(sample))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cloudinary.TestResult{TriggerID: created.ID, FilterPresent: true, FilterResult: want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sample, diff)
		}
	}
}
