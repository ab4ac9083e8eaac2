// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestTriggers(t *testing.T) {
	cases := map[string][]step{
		"an empty environment lists nothing": {
			{do: "GET /triggers", status: 200, want: listed()},
		},
		"a created trigger is answered, listed and deleted": {
			{do: "POST /triggers", body: upload, status: 201, want: shown(defaults)},
			{do: "GET /triggers", status: 200, want: listed(shown(defaults))},
			{do: "DELETE /triggers/{1}", status: 200, want: ok},
			{do: "GET /triggers", status: 200, want: listed()},
		},
		"every field is kept, and a template given as text is shown parsed": {
			{
				do: "POST /triggers", status: 201,
				body: `{"uri":"https://a.example/x","event_type":"upload","uri_type":"webhook","additive":true,"filter":` + imageFilter +
					`,"payload_template":"{\"id\":\"{{asset.public_id}}\"}","auth_scheme":"legacy_hmac"}`,
				want: shown(`,"additive":true,"filter":` + imageFilter + `,"payload_template":{"id":"{{asset.public_id}}"},"auth_scheme":"legacy_hmac"`),
			},
		},
		"the list can be narrowed to an event type": {
			{do: "POST /triggers", body: upload, status: 201},
			{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"all"}`, status: 201},
			{do: "GET /triggers?event_type=upload", status: 200, want: listed(shown(defaults))},
			{do: "GET /triggers?event_type=delete", status: 200, want: listed()},
			{do: "GET /triggers?event_type=a", status: 400, want: message("Invalid value a for parameter event_type")},
		},
		"an update changes what it names and nothing else": {
			{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"upload","filter":` + imageFilter + `}`, status: 201},
			{
				do: "PUT /triggers/{1}", status: 200, want: ok,
				body: `{"new_uri":"https://a.example/x","additive":true,"payload_template":{"a":"b"},"auth_scheme":"eddsa_v2"}`,
			},
			{do: "GET /triggers", status: 200, want: listed(shown(`,"additive":true,"filter":` + imageFilter + `,"payload_template":{"a":"b"},"auth_scheme":"eddsa_v2"`))},
		},
		"an update needs new_uri": {
			{do: "POST /triggers", body: upload, status: 201},
			{do: "PUT /triggers/{1}", body: `{"uri":"https://b.example/x"}`, status: 400, want: message("missing_attributes")},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"ftp://b.example/x"}`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"https://b.example/x","additive":1}`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "PUT /triggers/{1}", body: `]`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "GET /triggers", status: 200, want: listed(shown(defaults))},
		},
		"an update cannot change the event type or the kind of URI": {
			{do: "POST /triggers", body: upload, status: 201},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"https://a.example/x","event_type":"delete"}`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"https://a.example/x","uri_type":"flow"}`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"https://a.example/x","event_type":"upload","uri_type":"webhook"}`, status: 200, want: ok},
		},
		"an unknown id is not found": {
			{do: "PUT /triggers/0123", body: `{"new_uri":"https://a.example/x"}`, status: 404, want: message("record_not_found")},
			{do: "DELETE /triggers/0123", status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "DELETE /triggers/0123456789abcdef0123456789abcdef", status: 404, want: message("record_not_found")},
			{do: "POST /triggers/0123/test", body: `{"sample_data":{}}`, status: 404, want: message("record_not_found")},
		},
		"an unknown path is not found": {
			{do: "GET /v1_1/demo/usage", status: 404, want: message("Resource not found")},
			{do: "GET /v1_1/demo/triggers/", status: 404, want: message("Resource not found")},
			{do: "POST /v1_1/demo/triggers/a/b", status: 404, want: message("Resource not found")},
			{do: "GET /", status: 404, want: message("Resource not found")},
		},
		"there is no reading by id, nor any other method": {
			{do: "GET /triggers/0123", status: 405, want: message("Method not allowed")},
			{do: "PATCH /triggers/0123", status: 405},
			{do: "DELETE /triggers", status: 405},
			{do: "GET /triggers/0123/test", status: 405},
		},
		"a duplicate is refused on create and on update": {
			{do: "POST /triggers", body: upload, status: 201},
			{do: "POST /triggers", body: upload, status: 409, want: message("record_already_exists")},
			{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"upload","filter":` + imageFilter + `}`, status: 409},
			{do: "POST /triggers", body: `{"uri":"https://b.example/x","event_type":"upload"}`, status: 201},
			{do: "PUT /triggers/{2}", body: `{"new_uri":"https://a.example/x"}`, status: 409, want: message("record_already_exists")},
			{do: "PUT /triggers/{2}", body: `{"new_uri":"https://b.example/x"}`, status: 200, want: ok},
		},
		"flow and poll triggers live beside webhooks": {
			{do: "POST /triggers", body: `{"uri":"poll://channel","event_type":"upload","uri_type":"poll"}`, status: 201},
			{do: "POST /triggers", body: `{"uri":"flow-42","event_type":"upload","uri_type":"flow"}`, status: 201},
			{do: "POST /triggers", body: `{"uri":"https://a.example","event_type":"upload","uri_type":"poll"}`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"https://a.example"}`, status: 400, want: message("invalid_or_malformed_attribute")},
		},
		"a filter is evaluated": {
			{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"upload","filter":` + imageFilter + `}`, status: 201},
			{
				do: "POST /triggers/{1}/test", body: `{"sample_data":{"resource_type":"image"}}`, status: 200,
				want: `{"trigger_id":"{1}","filter_present":true,"filter_result":true}`,
			},
			{
				do: "POST /triggers/{1}/test", body: `{"sample_data":"{\"resource_type\":\"video\"}"}`, status: 200,
				want: `{"trigger_id":"{1}","filter_present":true,"filter_result":false}`,
			},
			{do: "POST /triggers/{1}/test", body: `{"sample_data":"{"}`, status: 400, want: message("invalid_sample_data_json")},
			{do: "POST /triggers/{1}/test", body: `{"sample_data":[]}`, status: 400, want: message("invalid_sample_data_json")},
			{do: "POST /triggers/{1}/test", body: `{`, status: 400, want: message("invalid_sample_data_json")},
			{do: "POST /triggers/{1}/test", body: `{}`, status: 200, want: `{"trigger_id":"{1}","filter_present":true,"filter_result":false}`},
			{do: "POST /triggers/{1}/test", body: `{"sample_data":null}`, status: 200, want: `{"trigger_id":"{1}","filter_present":true,"filter_result":false}`},
			{do: "POST /triggers/{1}/test", status: 200, want: `{"trigger_id":"{1}","filter_present":true,"filter_result":false}`},
		},
		"a filter that cannot be evaluated lets nothing through": {
			{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"upload","filter":{"matches":[{"var":"public_id"},"("]}}`, status: 201},
			{
				do: "POST /triggers/{1}/test", body: `{"sample_data":{"public_id":"a"}}`, status: 200,
				want: `{"trigger_id":"{1}","filter_present":true,"filter_result":false}`,
			},
		},
		"without a filter everything passes": {
			{do: "POST /triggers", body: upload, status: 201},
			{
				do: "POST /triggers/{1}/test", body: `{"sample_data":{}}`, status: 200,
				want: `{"trigger_id":"{1}","filter_present":false,"filter_result":true}`,
			},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			start(t, simulator.Options{}).play(t, steps)
		})
	}
}

func TestRefusedCreates(t *testing.T) {
	with := func(fields string) string {
		return `{"uri":"https://a.example/x","event_type":"upload",` + fields + `}`
	}
	const malformed = "invalid_or_malformed_attribute"
	cases := map[string]struct{ body, want string }{
		"no body at all":                     {"", "missing_attributes"},
		"no uri":                             {`{"event_type":"upload"}`, "missing_attributes"},
		"no event type":                      {`{"uri":"https://a.example/x"}`, "missing_attributes"},
		"a null counts as left out":          {`{"uri":null,"event_type":"upload"}`, "missing_attributes"},
		"an empty uri":                       {`{"uri":"","event_type":"upload"}`, "missing_attributes"},
		"an unknown event type":              {`{"uri":"https://a.example/x","event_type":"a"}`, "Invalid value a for parameter event_type"},
		"an event type that is a number":     {`{"uri":"https://a.example/x","event_type":1}`, malformed},
		"a uri that is a list":               {`{"uri":[],"event_type":"upload"}`, malformed},
		"a uri of another scheme":            {`{"uri":"ftp://a.example/x","event_type":"upload"}`, malformed},
		"a uri without a host":               {`{"uri":"https:///x","event_type":"upload"}`, malformed},
		"a uri that does not parse":          {`{"uri":"https://a b/x","event_type":"upload"}`, malformed},
		"a body that is no object":           {`[]`, malformed},
		"a body that is cut short":           {`{"uri":"https://a.example/x"`, malformed},
		"something after the body":           {upload + `{}`, malformed},
		"an unknown uri_type":                {with(`"uri_type":"queue"`), malformed},
		"a uri_type that is a number":        {with(`"uri_type":1`), malformed},
		"additive as a text":                 {with(`"additive":"true"`), malformed},
		"an unknown auth_scheme":             {with(`"auth_scheme":"hmac"`), malformed},
		"an auth_scheme that is a list":      {with(`"auth_scheme":[]`), malformed},
		"a filter that is a text":            {with(`"filter":"{}"`), malformed},
		"a filter that is a list":            {with(`"filter":[]`), malformed},
		"a filter with an unknown operator":  {with(`"filter":{"equals":[1,1]}`), malformed},
		"a filter with two operators":        {with(`"filter":{"==":[1,1],"!=":[1,2]}`), malformed},
		"an unknown operator further in":     {with(`"filter":{"and":[{"==":[1,1]},{"nope":1}]}`), malformed},
		"a filter nested too deeply":         {with(`"filter":` + strings.Repeat(`{"!":[`, 60) + `1` + strings.Repeat(`]}`, 60)), malformed},
		"a template that is a list":          {with(`"payload_template":[]`), malformed},
		"a template whose text is no object": {with(`"payload_template":"[]"`), malformed},
		"a template whose text is no JSON":   {with(`"payload_template":"{"`), malformed},
		"Mustache that is not closed":        {with(`"payload_template":{"a":"{{asset.id"}`), malformed},
		"a section that is not closed":       {with(`"payload_template":{"a":{"b":["{{#asset}}"]}}`), malformed},
		"an empty tag":                       {with(`"payload_template":{"a":"{{}}"}`), malformed},
		"a template of more than 16 KB":      {with(`"payload_template":{"a":"` + strings.Repeat("x", 16<<10) + `"}`), malformed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := start(t, simulator.Options{})
			w.play(t, []step{
				{do: "POST /triggers", body: tc.body, status: 400, want: message(tc.want)},
				{do: "GET /triggers", status: 200, want: listed()},
			})
		})
	}
}

func TestAuthentication(t *testing.T) {
	options := simulator.Options{
		AdditionalCredentials: []simulator.Credentials{{APIKey: "k2", APISecret: "s2"}},
		OAuthTokens:           []string{"token-1"},
	}
	basic := func(key, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(key, secret) }
	}
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	cases := map[string]struct {
		cloud  string
		as     func(*http.Request)
		status int
	}{
		"the first credentials":           {"demo", basic(simulator.DefaultAPIKey, simulator.DefaultAPISecret), 200},
		"additional credentials":          {"demo", basic("k2", "s2"), 200},
		"a token":                         {"demo", header("Bearer token-1"), 200},
		"a key with another key's secret": {"demo", basic("k2", simulator.DefaultAPISecret), 401},
		"no secret":                       {"demo", basic("k2", ""), 401},
		"no credentials":                  {"demo", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		"an unknown token":                {"demo", header("Bearer token-2"), 401},
		"an unknown scheme":               {"demo", header("Digest token-1"), 401},
		"another cloud":                   {"other", basic("k2", "s2"), 401},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := start(t, options)
			req := w.request(t, http.MethodGet, "/v1_1/"+tc.cloud+"/triggers", "")
			tc.as(req)
			got := w.send(t, req)
			want := listed()
			if tc.status == 401 {
				want = message("Invalid credentials")
			}
			if got.status != tc.status {
				t.Errorf("status %d, want %d", got.status, tc.status)
			}
			if diff := cmp.Diff(parse(t, want), parse(t, got.body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestForms(t *testing.T) {
	w := start(t, simulator.Options{})
	form := "uri=https%3A%2F%2Fa.example%2Fx&event_type=upload&additive=true&filter=%7B%22var%22%3A%22tags%22%7D&payload_template=%7B%22a%22%3A%22b%22%7D"
	req := w.request(t, http.MethodPost, "/v1_1/demo/triggers", form)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if got := w.send(t, req); got.status != 201 {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	w.play(t, []step{{
		do: "GET /_sim/triggers", status: 200,
		want: strings.ReplaceAll(listed(shown(`,"additive":true,"filter":{"var":"tags"},"payload_template":{"a":"b"},"auth_scheme":"default"`)), "{1}", w.sim.Triggers()[0].ID),
	}})
}

func TestBodiesAreBounded(t *testing.T) {
	w := start(t, simulator.Options{})
	w.play(t, []step{{
		do: "POST /triggers", body: `{"uri":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, want: message("Request body too large"),
	}})
}

func TestHeaders(t *testing.T) {
	w := start(t, simulator.Options{RateLimit: 500})
	got := w.send(t, w.request(t, http.MethodDelete, "/v1_1/demo/triggers", ""))
	want := map[string]string{
		"Content-Type":                 "application/json; charset=utf-8",
		"Date":                         "Fri, 04 Oct 2024 13:30:00 GMT",
		"X-FeatureRateLimit-Limit":     "500",
		"X-FeatureRateLimit-Remaining": "499",
		"X-FeatureRateLimit-Reset":     "Fri, 04 Oct 2024 14:00:00 GMT",
		"Allow":                        "GET, POST",
	}
	for name, value := range want {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
		}
	}
}

func TestCallsAtTheSameTime(t *testing.T) {
	w := start(t, simulator.Options{URLLimit: 20})
	const callers = 30
	statuses := make(chan int, callers)
	for i := range callers {
		go func() {
			body := fmt.Sprintf(`{"uri":"https://a.example/%d","event_type":"upload"}`, i)
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1_1/demo/triggers", strings.NewReader(body))
			req.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
			got := httptest.NewRecorder()
			w.sim.ServeHTTP(got, req)
			statuses <- got.Code
		}()
	}
	got := map[int]int{}
	for range callers {
		got[<-statuses]++
	}
	if diff := cmp.Diff(map[int]int{201: 20, 400: 10}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if calls := w.sim.Calls().Total; calls != callers {
		t.Errorf("%d calls counted, want %d", calls, callers)
	}
}
