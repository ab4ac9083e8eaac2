// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

const secret = "very-secret-secret"

// clientFor is a client of an environment that handler plays over real HTTP.
func clientFor(t *testing.T, handler http.HandlerFunc, options cloudinary.ClientOptions) *cloudinary.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	options.Bases = cloudinary.OneAPIBase(server.URL)
	return cloudinary.NewClient(cloudinary.Credentials{
		APIBase: server.URL, CloudName: "my-cloud", APIKey: "123", APISecret: secret,
	}, options)
}

func answering(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// calls are the client's methods as functions of one shape.
func calls(client *cloudinary.Client) map[string]func(context.Context) (cloudinary.Meta, error) {
	spec := cloudinary.TriggerSpec{URI: "https://hooks.example.com/a", EventType: "upload"}
	return map[string]func(context.Context) (cloudinary.Meta, error){
		cloudinary.OpList: func(ctx context.Context) (cloudinary.Meta, error) {
			_, meta, err := client.ListTriggers(ctx)
			return meta, err
		},
		cloudinary.OpCreate: func(ctx context.Context) (cloudinary.Meta, error) {
			_, meta, err := client.CreateTrigger(ctx, spec)
			return meta, err
		},
		cloudinary.OpUpdate: func(ctx context.Context) (cloudinary.Meta, error) {
			return client.UpdateTrigger(ctx, "a1", spec, cloudinary.UpdateOptions{})
		},
		cloudinary.OpDelete: func(ctx context.Context) (cloudinary.Meta, error) { return client.DeleteTrigger(ctx, "a1") },
		cloudinary.OpTest: func(ctx context.Context) (cloudinary.Meta, error) {
			_, meta, err := client.TestTrigger(ctx, "a1", nil)
			return meta, err
		},
	}
}

func isWrite(operation string) bool {
	return operation == cloudinary.OpCreate || operation == cloudinary.OpUpdate || operation == cloudinary.OpDelete
}

// classes are the names of the predicates that hold, exactly one of which must.
func classes(err error) string {
	var names []string
	for name, holds := range map[string]bool{
		"Unauthorized": cloudinary.IsUnauthorized(err), "NotFound": cloudinary.IsNotFound(err),
		"AlreadyExists": cloudinary.IsAlreadyExists(err), "LimitReached": cloudinary.IsLimitReached(err),
		"Invalid": cloudinary.IsInvalid(err), "RateLimited": cloudinary.IsRateLimited(err),
		"Unavailable": cloudinary.IsUnavailable(err),
	} {
		if holds {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

func TestAnswersAreClassified(t *testing.T) {
	t.Parallel()
	const said = `{"error":{"message":"record_not_found"}}`
	tests := map[string]struct {
		status    int
		body      string
		want      string
		byID      string // what it is for update, delete and test, where that differs
		ambiguous bool   // for writes
	}{
		"401":                              {401, `{"error":{"message":"Invalid credentials"}}`, "Unauthorized", "", false},
		"401 with a page":                  {401, `<html>`, "Unauthorized", "", false},
		"403":                              {403, said, "Unauthorized", "", false},
		"404":                              {404, said, "Unavailable", "NotFound", false},
		"404 with a page":                  {404, `<html>`, "Unavailable", "", true},
		"409":                              {409, `{"error":{"message":"record_already_exists"}}`, "AlreadyExists", "", false},
		"400 limit_reached":                {400, `{"error":{"message":"limit_reached"}}`, "LimitReached", "", false},
		"400 that quotes limit_reached":    {400, `{"error":{"message":"Invalid value limit_reached"}}`, "Invalid", "", false},
		"400":                              {400, `{"error":{"message":"missing_attributes"}}`, "Invalid", "", false},
		"400 with a page":                  {400, `<html>`, "Unavailable", "", true},
		"422":                              {422, `{"error":"unprocessable"}`, "Invalid", "", false},
		"420":                              {420, `{"error":{"message":"Rate Limit Exceeded"}}`, "RateLimited", "", false},
		"429 with nothing":                 {429, ``, "RateLimited", "", false},
		"405":                              {405, said, "Unavailable", "", false},
		"408":                              {408, said, "Unavailable", "", true},
		"500":                              {500, said, "Unavailable", "", true},
		"503 with a page":                  {503, `<html>`, "Unavailable", "", true},
		"a redirect":                       {302, ``, "Unavailable", "", true},
		"a permanent redirect of the body": {308, ``, "Unavailable", "", true},
		"a page that says 200":             {200, `<html>sign in</html>`, "Unavailable", "", true},
		"an error that says 200":           {200, said, "Unavailable", "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := clientFor(t, answering(test.status, test.body, "Location", "/elsewhere"), cloudinary.ClientOptions{})
			for operation, call := range calls(client) {
				_, err := call(t.Context())
				want := test.want
				if test.byID != "" && operation != cloudinary.OpList && operation != cloudinary.OpCreate {
					want = test.byID
				}
				if got := classes(err); got != want {
					t.Errorf("%s: %v is %q, want %q", operation, err, got, want)
				}
				if got, want := cloudinary.IsAmbiguous(err), test.ambiguous && isWrite(operation); got != want {
					t.Errorf("%s: IsAmbiguous(%v) = %v, want %v", operation, err, got, want)
				}
				if e, ok := errors.AsType[*cloudinary.Error](err); !ok || e.Operation != operation || e.StatusCode != test.status {
					t.Errorf("%s: got %#v", operation, err)
				}
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := clientFor(t, answering(status, "", "Location", other.URL), cloudinary.ClientOptions{})
		for _, call := range calls(client) {
			if _, err := call(t.Context()); !cloudinary.IsUnavailable(err) {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("a request went where a redirect pointed")
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	type sent struct{ Method, Path, Auth, Agent, Type, Body string }
	full := cloudinary.TriggerSpec{
		URI: "https://h/?a=b&c", EventType: "upload", Additive: true, Filter: json.RawMessage(`{"<": [1.50, 2e3]}`),
		PayloadTemplate: json.RawMessage(`{"a":"<{{b}}>"}`), AuthScheme: "legacy_hmac",
	}
	bare := cloudinary.TriggerSpec{URI: "https://h/", EventType: "all", Filter: json.RawMessage(` { } `), PayloadTemplate: json.RawMessage(`null`)}
	told := cloudinary.TriggerSpec{URI: "https://h/", EventType: "all", Filter: json.RawMessage(`{"!":[1]}`), FilterLanguage: cloudinary.JSONLogic}
	toldNothing := cloudinary.TriggerSpec{URI: "https://h/", EventType: "all", FilterLanguage: cloudinary.JSONLogic}
	basic, bearer := "Basic MTIzOnZlcnktc2VjcmV0LXNlY3JldA==", "Bearer tok"
	const path, agent, kind = "/v1_1/my-cloud/triggers", "cloudinary-operator/dev", "application/json"
	tests := map[string]struct {
		token string
		call  func(context.Context, *cloudinary.Client)
		want  sent
	}{
		"a list": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.ListTriggers(ctx) },
			sent{"GET", path, basic, agent, "", ""},
		},
		"a list with a token": {
			"tok", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.ListTriggers(ctx) },
			sent{"GET", path, bearer, agent, "", ""},
		},
		"a create with everything": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.CreateTrigger(ctx, full) },
			sent{"POST", path, basic, agent, kind, `{"uri":"https://h/?a=b&c","event_type":"upload","additive":true,` +
				`"filter":{"<":[1.50,2e3]},"payload_template":{"a":"<{{b}}>"},"auth_scheme":"legacy_hmac"}`},
		},
		"a create with the language of its filter": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.CreateTrigger(ctx, told) },
			sent{"POST", path, basic, agent, kind, `{"uri":"https://h/","event_type":"all","filter":{"!":[1]},"filter_language":"jsonlogic"}`},
		},
		"an update with the language of its filter": {
			"", func(ctx context.Context, c *cloudinary.Client) {
				_, _ = c.UpdateTrigger(ctx, "a1", told, cloudinary.UpdateOptions{})
			},
			sent{"PUT", path + "/a1", basic, agent, kind, `{"new_uri":"https://h/","additive":false,"filter":{"!":[1]},"payload_template":{},"auth_scheme":"default","filter_language":"jsonlogic"}`},
		},
		"a create with the language of no filter": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.CreateTrigger(ctx, toldNothing) },
			sent{"POST", path, basic, agent, kind, `{"uri":"https://h/","event_type":"all"}`},
		},
		"a test without a sample": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.TestTrigger(ctx, "a1", nil) },
			sent{"POST", path + "/a1/test", basic, agent, kind, `{}`},
		},
		"a create with nothing optional": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _, _ = c.CreateTrigger(ctx, bare) },
			sent{"POST", path, basic, agent, kind, `{"uri":"https://h/","event_type":"all"}`},
		},
		"an update with everything": {"", func(ctx context.Context, c *cloudinary.Client) {
			_, _ = c.UpdateTrigger(ctx, "a/1", full, cloudinary.UpdateOptions{})
		}, sent{"PUT", path + "/a%2F1", basic, agent, kind, `{"new_uri":"https://h/?a=b&c","additive":true,` +
			`"filter":{"<":[1.50,2e3]},"payload_template":{"a":"<{{b}}>"},"auth_scheme":"legacy_hmac"}`}},
		"an update to the defaults": {"", func(ctx context.Context, c *cloudinary.Client) {
			_, _ = c.UpdateTrigger(ctx, "a1", bare, cloudinary.UpdateOptions{})
		}, sent{
			"PUT", path + "/a1", basic, agent, kind,
			`{"new_uri":"https://h/","additive":false,"filter":{},"payload_template":{},"auth_scheme":"default"}`,
		}},
		"an update to the defaults in the other form": {"", func(ctx context.Context, c *cloudinary.Client) {
			_, _ = c.UpdateTrigger(ctx, "a1", bare, cloudinary.UpdateOptions{
				ClearTemplate: cloudinary.EmptyString, ClearFilter: cloudinary.EmptyString,
			})
		}, sent{
			"PUT", path + "/a1", basic, agent, kind,
			`{"new_uri":"https://h/","additive":false,"filter":"","payload_template":"","auth_scheme":"default"}`,
		}},
		"a delete": {
			"", func(ctx context.Context, c *cloudinary.Client) { _, _ = c.DeleteTrigger(ctx, "a1") },
			sent{"DELETE", path + "/a1", basic, agent, "", ""},
		},
		"a test": {"", func(ctx context.Context, c *cloudinary.Client) {
			_, _, _ = c.TestTrigger(ctx, "a1", json.RawMessage(`{"bytes":1.0}`))
		}, sent{"POST", path + "/a1/test", basic, agent, kind, `{"sample_data":{"bytes":1.0}}`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got sent
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				header := r.Header.Get
				got = sent{r.Method, r.URL.EscapedPath(), header("Authorization"), header("User-Agent"), header("Content-Type"), string(body)}
			}))
			client := cloudinary.NewClient(cloudinary.Credentials{
				APIBase: server.URL, CloudName: "my-cloud", APIKey: "123", APISecret: secret, OAuthToken: test.token,
			}, cloudinary.ClientOptions{Bases: cloudinary.OneAPIBase(server.URL)})
			test.call(t.Context(), client)
			server.Close()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatCannotBeSentIsNot(t *testing.T) {
	t.Parallel()
	client := clientFor(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }, cloudinary.ClientOptions{})
	broken := cloudinary.TriggerSpec{URI: "https://h/", EventType: "all", Filter: json.RawMessage(`{"secret`)}
	var failures []error
	for _, id := range []string{"", ".", "..", strings.Repeat("a", 257)} {
		_, deleted := client.DeleteTrigger(t.Context(), id)
		_, updated := client.UpdateTrigger(t.Context(), id, cloudinary.TriggerSpec{}, cloudinary.UpdateOptions{})
		_, _, tested := client.TestTrigger(t.Context(), id, nil)
		failures = append(failures, deleted, updated, tested)
	}
	_, _, created := client.CreateTrigger(t.Context(), broken)
	_, updated := client.UpdateTrigger(t.Context(), "a1", broken, cloudinary.UpdateOptions{})
	_, _, tested := client.TestTrigger(t.Context(), "a1", json.RawMessage(`{"secret`))
	for _, err := range append(failures, created, updated, tested) {
		if !cloudinary.IsInvalid(err) || cloudinary.IsAmbiguous(err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want an error that says the request is invalid", err)
		}
	}
}

func TestMetaComesBesideErrors(t *testing.T) {
	t.Parallel()
	reset := time.Date(2024, 10, 4, 14, 0, 0, 0, time.UTC)
	want := cloudinary.Meta{
		Date: reset.Add(-time.Minute), RateLimit: &cloudinary.RateLimit{Limit: 500, Remaining: 17, Reset: reset},
	}
	for _, status := range []int{200, 401, 420, 500} {
		client := clientFor(t, answering(status, `{}`, "Date", "Fri, 04 Oct 2024 13:59:00 GMT", "X-FeatureRateLimit-Limit", "500",
			"X-FeatureRateLimit-Remaining", "17", "X-FeatureRateLimit-Reset", "Fri, 04 Oct 2024 14:00:00 GMT"), cloudinary.ClientOptions{})
		for operation, call := range calls(client) {
			meta, _ := call(t.Context())
			if diff := cmp.Diff(want, meta); diff != "" {
				t.Errorf("%s, %d (-want +got):\n%s", operation, status, diff)
			}
		}
	}
}

func TestMetaWithoutHeaders(t *testing.T) {
	t.Parallel()
	client := clientFor(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		w.Header().Set("X-FeatureRateLimit-Remaining", "lots")
	}, cloudinary.ClientOptions{})
	meta, _ := client.DeleteTrigger(t.Context(), "a1")
	if diff := cmp.Diff(cloudinary.Meta{}, meta); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRetryAt(t *testing.T) {
	t.Parallel()
	const date, message = "Fri, 04 Oct 2024 13:20:00 GMT", `{"error":{"message":"Rate Limit Exceeded. Try again on 2024-10-04 14:00:00 UTC"}}`
	answered := time.Date(2024, 10, 4, 13, 20, 0, 0, time.UTC)
	tests := map[string]struct {
		status  int
		body    string
		headers []string
		want    time.Time
	}{
		"420 with Reset and more": {
			420, message, []string{"X-FeatureRateLimit-Reset", "Fri, 04 Oct 2024 13:30:00 GMT", "Retry-After", "1"}, answered.Add(10 * time.Minute),
		},
		"429 with Retry-After":                 {429, message, []string{"Retry-After", "90"}, answered.Add(90 * time.Second)},
		"420 with a message":                   {420, message, nil, answered.Add(40 * time.Minute)},
		"420 with nothing":                     {420, "", nil, time.Time{}},
		"420 until next century":               {420, "", []string{"X-FeatureRateLimit-Reset", "Wed, 04 Oct 2124 14:00:00 GMT"}, answered.Add(24 * time.Hour)},
		"503 with Retry-After":                 {503, "", []string{"Retry-After", "Fri, 04 Oct 2024 13:21:00 GMT"}, answered.Add(time.Minute)},
		"500 with Reset":                       {500, message, []string{"X-FeatureRateLimit-Reset", "Fri, 04 Oct 2024 13:30:00 GMT"}, time.Time{}},
		"401 with Retry-After":                 {401, "", []string{"Retry-After", "1"}, time.Time{}},
		"420 without a Date":                   {420, "", []string{"Date", "", "Retry-After", "60"}, answered.Add(time.Hour + time.Minute)},
		"420 without a Date or a usable clock": {420, message, []string{"Date", "", "Retry-After", "60", "No-Clock", "1"}, time.Time{}},
		"420 with a broken Reset":              {420, message, []string{"X-FeatureRateLimit-Reset", "soon"}, answered.Add(40 * time.Minute)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := func() time.Time { return answered.Add(time.Hour) }
			if slices.Contains(test.headers, "No-Clock") {
				clock = nil
			}
			headers := append([]string{"Date", date}, test.headers...)
			client := clientFor(t, answering(test.status, test.body, headers...), cloudinary.ClientOptions{Now: clock})
			_, _, err := client.ListTriggers(t.Context())
			if got := cloudinary.RetryAt(err); !got.Equal(test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if strings.Contains(err.Error(), "14:00") {
				t.Errorf("there is a time in the text: %v", err)
			}
		})
	}
}

func TestErrorsKeepSecretsAndTokens(t *testing.T) {
	t.Parallel()
	body := `{"error":{"message":"bad ` + secret + `\nat https://u:p@h.example/T0KEN?x=T0KEN and https://h.example/T0KEN"},"more":"T0KEN"}`
	for _, status := range []int{400, 401, 404, 409, 420, 500, 200} {
		client := clientFor(t, answering(status, body), cloudinary.ClientOptions{})
		for operation, call := range calls(client) {
			_, err := call(t.Context())
			if err == nil {
				t.Errorf("%s, %d: no error", operation, status)
				continue
			}
			if strings.Contains(err.Error(), "T0KEN") || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %d: %v", operation, status, err)
			}
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	body := `{"triggers":[],"id":"a1","trigger_id":"a1","filter_result":true}`
	options := func(limit int) cloudinary.ClientOptions { return cloudinary.ClientOptions{MaxBody: int64(limit)} }
	fits := clientFor(t, answering(200, body), options(len(body)))
	exceeds := clientFor(t, answering(200, body), options(len(body)-1))
	for operation, call := range calls(fits) {
		if _, err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", operation, err)
		}
	}
	for operation, call := range calls(exceeds) {
		_, err := call(t.Context())
		if !cloudinary.IsUnavailable(err) || cloudinary.IsAmbiguous(err) != isWrite(operation) || !strings.Contains(err.Error(), "larger") {
			t.Errorf("%s: %v", operation, err)
		}
	}
}
