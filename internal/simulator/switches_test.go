// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestSwitches(t *testing.T) {
	full := `{"uri":"https://a.example/x","event_type":"upload","additive":true,"filter":` + imageFilter + `,"payload_template":{"a":"b"},"auth_scheme":"legacy_hmac"}`
	fullShown := `,"additive":true,"filter":` + imageFilter + `,"payload_template":{"a":"b"},"auth_scheme":"legacy_hmac"`
	same := `{"new_uri":"https://a.example/x"`
	malformed := message("invalid_or_malformed_attribute")
	withLanguage := func(language string) string {
		return `{"uri":"https://a.example/x","event_type":"upload","filter":` + imageFilter + `,"filter_language":"` + language + `"}`
	}
	imagesShown := `,"additive":false,"filter":` + imageFilter + `,"payload_template":{},"auth_scheme":"default"`
	cases := map[string]struct {
		options simulator.Options
		steps   []step
	}{
		"update-semantics merge keeps what is left out": {
			simulator.Options{UpdateSemantics: simulator.UpdateMerge},
			[]step{
				{do: "POST /triggers", body: full, status: 201},
				{do: "PUT /triggers/{1}", body: same + `}`, status: 200},
				{do: "GET /triggers", status: 200, want: listed(shown(fullShown))},
			},
		},
		"update-semantics replace resets what is left out": {
			simulator.Options{UpdateSemantics: simulator.UpdateReplace},
			[]step{
				{do: "POST /triggers", body: full, status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"additive":true}`, status: 200},
				{do: "GET /triggers", status: 200, want: listed(shown(`,"additive":true,"filter":{},"payload_template":{},"auth_scheme":"default"`))},
			},
		},
		"create-status 200 and create-body wrapped": {
			simulator.Options{CreateStatus: 200, CreateBody: simulator.CreateWrapped},
			[]step{{do: "POST /triggers", body: upload, status: 200, want: `{"triggers":` + shown(defaults) + `}`}},
		},
		"duplicate-key with the filter tells filters apart": {
			simulator.Options{DuplicateKey: simulator.DuplicateURIEventTypeFilter},
			[]step{
				{do: "POST /triggers", body: full, status: 201},
				{do: "POST /triggers", body: upload, status: 201},
				{do: "POST /triggers", body: upload, status: 409},
				{do: "PUT /triggers/{2}", body: same + `,"filter":` + imageFilter + `}`, status: 409},
				{do: "PUT /triggers/{2}", body: same + `,"filter":{"var":"x"}}`, status: 200},
			},
		},
		"echo openapi shows four fields to nobody": {
			simulator.Options{Echo: simulator.EchoOpenAPI},
			[]step{
				{do: "POST /triggers", body: full, status: 201, want: shown("")},
				{do: "GET /triggers", status: 200, want: listed(shown(""))},
				{do: "GET /_sim/triggers", status: 200, want: listed(shown(fullShown))},
				{do: "POST /triggers/{1}/test", body: `{"sample_data":{}}`, status: 200, want: `{"trigger_id":"{1}","filter_present":true,"filter_result":false}`},
			},
		},
		"unset-fields absent leaves filter and template out": {
			simulator.Options{UnsetFields: simulator.UnsetAbsent},
			[]step{{do: "POST /triggers", body: upload, status: 201, want: shown(`,"additive":false,"auth_scheme":"default"`)}},
		},
		"unset-auth-scheme is what nobody set": {
			simulator.Options{UnsetAuthScheme: simulator.UnsetLegacy, UnsetFields: simulator.UnsetAbsent, UpdateSemantics: simulator.UpdateReplace},
			[]step{
				{do: "POST /triggers", body: upload, status: 201, want: shown(`,"additive":false,"auth_scheme":"legacy_hmac"`)},
				{do: "PUT /triggers/{1}", body: same + `,"auth_scheme":"default"}`, status: 200},
				{do: "GET /triggers", status: 200, want: listed(shown(`,"additive":false,"auth_scheme":"default"`))},
				{do: "PUT /triggers/{1}", body: same + `}`, status: 200},
				{do: "GET /triggers", status: 200, want: listed(shown(`,"additive":false,"auth_scheme":"legacy_hmac"`))},
			},
		},
		"put-url either takes both names, and none": {
			simulator.Options{PutURL: simulator.PutEitherURI},
			[]step{
				{do: "POST /triggers", body: upload, status: 201},
				{do: "PUT /triggers/{1}", body: `{"uri":"https://b.example/x","event_type":"upload"}`, status: 200},
				{do: "PUT /triggers/{1}", body: `{"additive":true}`, status: 200},
				{do: "PUT /triggers/{1}", body: `{"new_uri":"https://a.example/x"}`, status: 200},
				{do: "PUT /triggers/{1}", body: `{"uri":{}}`, status: 400, want: malformed},
			},
		},
		"put-answer trigger answers what it has become": {
			simulator.Options{PutAnswer: simulator.PutTrigger},
			[]step{
				{do: "POST /triggers", body: upload, status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"additive":true}`, status: 200, want: shown(strings.Replace(defaults, "false", "true", 1))},
			},
		},
		"filter-language accept takes it, and only jsonlogic": {
			simulator.Options{},
			[]step{
				{do: "POST /triggers", body: withLanguage("jsonlogic"), status: 201, want: shown(imagesShown)},
				{do: "POST /triggers", body: withLanguage("cel"), status: 400, want: malformed},
			},
		},
		"filter-language echo shows it": {
			simulator.Options{FilterLanguage: simulator.FilterLanguageEcho},
			[]step{{do: "POST /triggers", body: withLanguage("jsonlogic"), status: 201, want: shown(imagesShown + `,"filter_language":"jsonlogic"`)}},
		},
		"filter-language require refuses a filter without": {
			simulator.Options{FilterLanguage: simulator.FilterLanguageRequire},
			[]step{
				{do: "POST /triggers", body: full, status: 400, want: malformed},
				{do: "POST /triggers", body: withLanguage("jsonlogic"), status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"filter":{}}`, status: 200},
			},
		},
		"filter-language refuse knows no such attribute": {
			simulator.Options{FilterLanguage: simulator.FilterLanguageRefuse},
			[]step{
				{do: "POST /triggers", body: withLanguage("jsonlogic"), status: 400, want: malformed},
				{do: "POST /triggers", body: full, status: 201},
			},
		},
		"list-lag shows creates, updates and deletes late": {
			simulator.Options{ListLag: 10 * time.Second},
			[]step{
				{do: "POST /triggers", body: upload, status: 201, want: shown(defaults)},
				{do: "GET /triggers", status: 200, want: listed()},
				{do: "GET /triggers", status: 200, want: listed(), advance: 9 * time.Second},
				{do: "GET /triggers", status: 200, want: listed(shown(defaults)), advance: time.Second},
				{do: "PUT /triggers/{1}", body: same + `,"additive":true}`, status: 200},
				{do: "DELETE /triggers/{1}", status: 200, advance: 5 * time.Second},
				{do: "GET /triggers", status: 200, want: listed(shown(defaults))},
				{
					do: "GET /triggers", status: 200, advance: 5 * time.Second,
					want: listed(strings.Replace(shown(strings.Replace(defaults, "false", "true", 1)), `"updated_at":"2024-10-04T13:30:00Z"`, `"updated_at":"2024-10-04T13:30:10Z"`, 1)),
				},
				{do: "GET /triggers", status: 200, want: listed(), advance: 5 * time.Second},
			},
		},
		"normalize equivalent spells URL and filter differently, and compares so": {
			simulator.Options{Normalize: simulator.NormalizeEquivalent},
			[]step{
				{
					do: "POST /triggers", status: 201, body: `{"uri":"https://A.Example:443","event_type":"upload","filter":{"==":[{"var":"x"},1]}}`,
					want: strings.Replace(shown(`,"additive":false,"filter":{"==":[{"var":["x"]},1]},"payload_template":{},"auth_scheme":"default"`), "https://a.example/x", "https://a.example/", 1),
				},
				{do: "POST /triggers", body: `{"uri":"https://a.example/","event_type":"upload"}`, status: 409},
			},
		},
		"normalize lossy gives back another filter and template": {
			simulator.Options{Normalize: simulator.NormalizeLossy},
			[]step{
				{do: "POST /triggers", body: full, status: 201, want: shown(`,"additive":true,"filter":{"and":[` + imageFilter + `]},"payload_template":{"a":"b "},"auth_scheme":"legacy_hmac"`)},
				{do: "GET /_sim/triggers", status: 200, want: listed(shown(fullShown))},
			},
		},
		"put-limit-check off lets an update exceed the limit": {
			simulator.Options{URLLimit: 1},
			[]step{
				{do: "POST /triggers", body: upload, status: 201},
				{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"delete"}`, status: 201},
				{do: "POST /triggers", body: `{"uri":"https://b.example/x","event_type":"upload"}`, status: 400, want: message("limit_reached")},
				{do: "POST /triggers", body: `{"uri":"poll://channel","event_type":"upload","uri_type":"poll"}`, status: 201},
				{do: "PUT /triggers/{1}", body: `{"new_uri":"https://b.example/x"}`, status: 200},
			},
		},
		"put-limit-check refuses an update that adds a URL, not one that moves the only user of one": {
			simulator.Options{URLLimit: 1, PutLimitCheck: true},
			[]step{
				{do: "POST /triggers", body: upload, status: 201},
				{do: "PUT /triggers/{1}", body: `{"new_uri":"https://b.example/x"}`, status: 200},
				{do: "POST /triggers", body: `{"uri":"https://b.example/x","event_type":"delete"}`, status: 201},
				{do: "PUT /triggers/{1}", body: `{"new_uri":"https://c.example/x"}`, status: 400, want: message("limit_reached")},
			},
		},
		"put-fields ignore changes the URI alone": {
			simulator.Options{PutFields: simulator.PutIgnore, UpdateSemantics: simulator.UpdateReplace},
			[]step{
				{do: "POST /triggers", body: full, status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"additive":false,"filter":{},"auth_scheme":"default"}`, status: 200},
				{do: "GET /triggers", status: 200, want: listed(shown(fullShown))},
			},
		},
		"clear-template and clear-filter by default": {
			simulator.Options{},
			[]step{
				{do: "POST /triggers", body: full, status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"filter":""}`, status: 400, want: malformed},
				{do: "PUT /triggers/{1}", body: same + `,"filter":{},"payload_template":""}`, status: 200},
				{do: "PUT /triggers/{1}", body: same + `,"payload_template":{}}`, status: 200},
				{do: "GET /triggers", status: 200, want: listed(shown(`,"additive":true,"filter":{},"payload_template":{},"auth_scheme":"legacy_hmac"`))},
			},
		},
		"clear-template and clear-filter by an empty text": {
			simulator.Options{ClearTemplate: simulator.ClearEmptyString, ClearFilter: simulator.ClearEmptyString},
			[]step{
				{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"upload","filter":{},"payload_template":{}}`, status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"filter":{}}`, status: 400, want: malformed},
				{do: "PUT /triggers/{1}", body: same + `,"payload_template":{}}`, status: 400, want: malformed},
				{do: "PUT /triggers/{1}", body: same + `,"filter":"","payload_template":""}`, status: 200},
			},
		},
		"clear-template by an empty object": {
			simulator.Options{ClearTemplate: simulator.ClearEmptyObject},
			[]step{
				{do: "POST /triggers", body: full, status: 201},
				{do: "PUT /triggers/{1}", body: same + `,"payload_template":""}`, status: 400, want: malformed},
				{do: "PUT /triggers/{1}", body: same + `,"payload_template":{}}`, status: 200},
			},
		},
		"timestamps offset": {
			simulator.Options{Timestamps: simulator.TimestampsOffset},
			[]step{{do: "POST /triggers", body: upload, status: 201, want: strings.ReplaceAll(shown(defaults), "00Z", "00+00:00")}},
		},
		"extra-event-types are known": {
			simulator.Options{ExtraEventTypes: []string{"brand_new"}},
			[]step{
				{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"brand_new"}`, status: 201},
				{do: "GET /triggers?event_type=brand_new", status: 200},
			},
		},
		"latency passes before the call takes effect": {
			simulator.Options{Latency: time.Minute},
			[]step{{do: "POST /triggers", body: upload, status: 201, want: strings.ReplaceAll(shown(defaults), "13:30", "13:31")}},
		},
		"the budget is used up and starts anew on the hour": {
			simulator.Options{RateLimit: 2},
			[]step{
				{do: "GET /triggers", status: 200},
				{do: "GET /v1_1/other/triggers", status: 401},
				{do: "GET /triggers/1", status: 405},
				{do: "POST /triggers", body: upload, status: 420, want: message("Rate Limit Exceeded. Limit of 2 api operations reached. Try again on 2024-10-04 14:00:00 UTC")},
				{do: "GET /_sim/triggers", status: 200, want: listed()},
				{do: "GET /triggers", status: 200, advance: 30 * time.Minute},
			},
		},
		"rate-limit-status 429 and a short window": {
			simulator.Options{RateLimit: 1, RateLimitStatus: http.StatusTooManyRequests, RateLimitWindow: time.Minute},
			[]step{
				{do: "GET /triggers", status: 200},
				{do: "GET /triggers", status: 429, want: message("Rate Limit Exceeded. Limit of 1 api operations reached. Try again on 2024-10-04 13:31:00 UTC")},
				{do: "GET /triggers", status: 200, advance: time.Minute},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			start(t, tc.options).play(t, tc.steps)
		})
	}
}
