// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloudinary/cloudinary-go/v2/api"
	"github.com/cloudinary/cloudinary-go/v2/api/admin"
	"github.com/cloudinary/cloudinary-go/v2/api/uploader"
	"github.com/cloudinary/cloudinary-go/v2/config"
	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const (
	assetPayload = `{"asset_id":"a1","public_id":"shop/shoe","resource_type":"image","type":"upload","tags":["old","old"],"version":12,` +
		`"created_at":"2024-10-04T13:30:00Z","secure_url":"https://x","api_key":"k","notification_context":{"triggered_by":{"id":"person"}}}`
	assetPath  = "/v1_1/demo/resources/image/upload/shop/shoe"
	shownAsset = `{"asset_id":"a1","public_id":"shop/shoe","resource_type":"image","type":"upload","version":12,` +
		`"created_at":"2024-10-04T13:30:00Z","secure_url":"https://x","tags":`
)

func TestAssets(t *testing.T) {
	notified := step{do: "POST /_sim/notify", body: `{"event_type":"upload","payload":` + assetPayload + `}`, status: 200}
	notFound := message("Resource not found - shop/shoe")
	cases := map[string][]step{
		"an uploaded asset can be read": {
			{do: "GET " + assetPath, status: 404, want: notFound},
			{do: "POST " + assetPath, body: `{"tags":"a"}`, status: 404, want: notFound},
			notified,
			{do: "GET " + assetPath, status: 200, want: shownAsset + `["old"]}`},
			{do: "GET " + strings.Replace(assetPath, "/image/", "/video/", 1), status: 404, want: notFound},
			{do: "GET " + strings.Replace(assetPath, "/upload/", "/private/", 1), status: 404, want: notFound},
			{do: "GET " + strings.Replace(assetPath, "demo", "other", 1), status: 401},
		},
		"tags are replaced, each once, and nothing else changes": {
			notified,
			{do: "POST " + assetPath, body: `{"tags":"b, a,b","display_name":"x"}`, status: 200, want: shownAsset + `["b","a"]}`},
			{do: "POST " + assetPath, body: `{"tags":["c","c"]}`, status: 200, want: shownAsset + `["c"]}`},
			{do: "POST " + assetPath, body: `{"display_name":"x"}`, status: 200, want: shownAsset + `["c"]}`},
			{do: "POST " + assetPath, body: `{"tags":""}`, status: 200, want: shownAsset + `[]}`},
			{do: "GET " + assetPath, status: 200, want: shownAsset + `[]}`},
		},
		"a bad update changes nothing": {
			notified,
			{do: "POST " + assetPath, body: `{"tags":1}`, status: 400, want: message("invalid_or_malformed_attribute")},
			{do: "POST " + assetPath, body: `{"tags":[1]}`, status: 400},
			{do: "POST " + assetPath, body: `{"tags":"a","notification_url":"ftp://x"}`, status: 400},
			{do: "POST " + assetPath, body: `]`, status: 400},
			{do: "PUT " + assetPath, status: 405},
			{do: "GET " + assetPath, status: 200, want: shownAsset + `["old"]}`},
		},
		"another upload of it replaces it": {
			notified,
			{do: "POST /_sim/notify", body: `{"event_type":"upload","payload":` + strings.ReplaceAll(assetPayload, "old", "new") + `}`, status: 200},
			{do: "GET " + assetPath, status: 200, want: shownAsset + `["new"]}`},
		},
		"only uploads make assets": {
			{do: "POST /_sim/notify", body: `{"event_type":"eager","payload":` + assetPayload + `}`, status: 200},
			{do: "GET " + assetPath, status: 404},
			{do: "POST /_sim/notify", body: `{"event_type":"upload","payload":{"public_id":1}}`, status: 200},
			{do: "POST /_sim/notify", body: `{"event_type":"upload","payload":{"public_id":"bare","tags":null}}`, status: 200},
			{do: "GET /v1_1/demo/resources/image/upload/bare", status: 200, want: `{"public_id":"bare","resource_type":"image","type":"upload","tags":[]}`},
		},
		"a reset forgets them": {
			notified,
			{do: "POST /_sim/reset", status: 200},
			{do: "GET " + assetPath, status: 404},
			{do: "GET /_sim/calls", status: 200, want: `{"total":1,"calls":[{"method":"GET","path":"/v1_1/{cloud}/resources/{resource_type}/{type}/{public_id}","status":404,"count":1}]}`},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			start(t, simulator.Options{}).play(t, steps)
		})
	}
}

func TestCloudinarysOwnClientUpdatesAnAsset(t *testing.T) {
	to := startTarget(t, nil)
	w := startNow(t, simulator.Options{})
	w.notify(t, `{"event_type":"upload","payload":`+assetPayload+`}`)
	w.trigger(t, `"uri":"`+to.url+`","event_type":"resource_tags_changed"`)
	client := sdk(t, w)
	params := admin.UpdateAssetParams{AssetType: api.Image, DeliveryType: api.Upload, PublicID: "shop/shoe", Tags: []string{"old", "seen"}}
	for range 2 { // The second time nothing changes, so nothing is notified.
		got, err := client.UpdateAsset(t.Context(), params)
		if err != nil || got.Error.Message != "" || cmp.Diff([]string{"old", "seen"}, got.Tags) != "" {
			t.Fatalf("update: %v, %+v", err, got)
		}
	}
	read, err := client.Asset(t.Context(), admin.AssetParams{AssetType: api.Image, DeliveryType: api.Upload, PublicID: "shop/shoe"})
	if err != nil || read.AssetID != "a1" || cmp.Diff([]string{"old", "seen"}, read.Tags) != "" {
		t.Errorf("read: %v, %+v", err, read)
	}
	w.awaitStates(t, "delivered")
	got := to.received()[0]
	if !verified(t, got, "sha1", simulator.DefaultAPISecret) {
		t.Error("does not verify")
	}
	body := parse(t, got.body).(map[string]any)
	want := parse(t, `[{"asset_id":"a1","public_id":"shop/shoe","resource_type":"image","type":"upload","added":["seen"],"removed":[]}]`)
	if diff := cmp.Diff(want, body["resources"]); diff != "" || body["source"] != "api" || body["notification_type"] != "resource_tags_changed" {
		t.Errorf("%s (-want +got):\n%s", got.body, diff)
	}
}

func TestAnUpdatesOwnNotificationURL(t *testing.T) {
	to := startTarget(t, nil)
	w := start(t, simulator.Options{})
	w.trigger(t, `"uri":"`+to.url+`/t","event_type":"resource_tags_changed"`)
	w.notify(t, `{"event_type":"upload","payload":`+assetPayload+`}`)
	w.play(t, []step{{do: "POST " + assetPath, body: `{"tags":"a","notification_url":"` + to.url + `/own"}`, status: 200}})
	w.awaitStates(t, "delivered")
	if got := to.received()[0]; got.path != "/own" || !strings.Contains(got.body, `"added":["a"],"removed":["old"]`) {
		t.Errorf("%+v", got)
	}
}

// uploadSDK is Cloudinary's own client of the Upload API, pointed at the simulator.
func uploadSDK(t *testing.T, w *world, algorithm string) *uploader.API {
	t.Helper()
	c, err := config.NewFromURL("cloudinary://" + simulator.DefaultAPIKey + ":" + simulator.DefaultAPISecret + "@demo?upload_prefix=" + w.url)
	if err != nil {
		t.Fatal(err)
	}
	c.Cloud.SignatureAlgorithm = algorithm
	client, err := uploader.NewWithConfiguration(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestCloudinarysOwnClientTagsAssets(t *testing.T) {
	for _, algorithm := range []string{"sha1", "sha256"} {
		t.Run(algorithm, func(t *testing.T) {
			w := startNow(t, simulator.Options{})
			w.notify(t, `{"event_type":"upload","payload":`+assetPayload+`}`)
			w.notify(t, `{"event_type":"upload","payload":`+strings.ReplaceAll(assetPayload, "shop/shoe", "b")+`}`)
			client := uploadSDK(t, w, algorithm)
			ids := []string{"shop/shoe", "b", "b", "unknown"}
			tagged := func(got uploader.TagResult, err error, want ...string) {
				t.Helper()
				if err != nil || got.Error.Message != "" || cmp.Diff([]string{"shop/shoe", "b"}, got.PublicIDs) != "" {
					t.Fatalf("%v, %+v", err, got)
				}
				read, err := sdk(t, w).Asset(t.Context(), admin.AssetParams{AssetType: api.Image, DeliveryType: api.Upload, PublicID: "b"})
				if err != nil || cmp.Diff(want, read.Tags) != "" {
					t.Errorf("tags %q, want %q: %v", read.Tags, want, err)
				}
			}
			added, err := client.AddTag(t.Context(), uploader.AddTagParams{Tag: "r&d,new", PublicIDs: ids})
			tagged(added.TagResult, err, "old", "r&d", "new")
			removed, err := client.RemoveTag(t.Context(), uploader.RemoveTagParams{Tag: "old", PublicIDs: ids})
			tagged(removed.TagResult, err, "r&d", "new")
			replaced, err := client.ReplaceTag(t.Context(), uploader.ReplaceTagParams{Tag: "one", PublicIDs: ids})
			tagged(replaced.TagResult, err, "one")
			none, err := client.RemoveAllTags(t.Context(), uploader.RemoveAllTagsParams{PublicIDs: ids})
			tagged(none.TagResult, err, []string{}...)
		})
	}
}

// Cloudinary's libraries for Node and Python send it so.
func TestTagCallAsAMultipartForm(t *testing.T) {
	w := startNow(t, simulator.Options{})
	w.notify(t, `{"event_type":"upload","payload":`+assetPayload+`}`)
	form := url.Values{"command": {"replace"}, "tag": {"x"}, "public_ids": {"shop/shoe"}}
	signature, err := api.SignParameters(form, simulator.DefaultAPISecret)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"command": "replace", "tag": "x", "public_ids[]": "shop/shoe", "timestamp": form.Get("timestamp"), "signature": signature,
		"api_key": simulator.DefaultAPIKey,
	}
	var body strings.Builder
	parts := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := parts.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	req := w.request(t, http.MethodPost, "/v1_1/demo/image/tags", body.String())
	req.Header.Set("Content-Type", parts.FormDataContentType())
	req.Header.Del("Authorization")
	if got := w.send(t, req); got.status != http.StatusOK || !strings.Contains(got.body, "shop/shoe") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.play(t, []step{{do: "GET " + assetPath, status: 200, want: shownAsset + `["x"]}`}})
}

func TestRefusedTagCalls(t *testing.T) {
	w := startNow(t, simulator.Options{OAuthTokens: []string{"tok"}})
	send := func(form url.Values, token string) reply {
		req := w.request(t, http.MethodPost, "/v1_1/demo/image/tags", form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Del("Authorization")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return w.send(t, req)
	}
	signed := func(form url.Values, secret string) url.Values {
		signature, err := api.SignParameters(form, secret)
		if err != nil {
			t.Fatal(err)
		}
		form.Set("signature", signature)
		form.Set("api_key", simulator.DefaultAPIKey)
		return form
	}
	secret := simulator.DefaultAPISecret
	add := func() url.Values { return url.Values{"command": {"add"}, "tag": {"a"}, "public_ids": {"b"}} }
	cases := map[string]struct {
		form   url.Values
		token  string
		status int
		want   string
	}{
		"a signed call":        {signed(add(), secret), "", 200, `"public_ids":[]`},
		"a token":              {add(), "tok", 200, `"public_ids":[]`},
		"another token":        {add(), "no", 401, "Invalid credentials"},
		"no signature":         {url.Values{"api_key": {simulator.DefaultAPIKey}, "tag": {"a"}}, "", 401, "String to sign - 'tag=a'."},
		"another secret":       {signed(add(), "another"), "", 401, "Invalid Signature"},
		"an old timestamp":     {signed(url.Values{"timestamp": {"1728048600"}}, secret), "", 400, "Stale request"},
		"an unknown command":   {signed(url.Values{"command": {"set"}}, secret), "", 400, "Invalid command"},
		"nothing to be tagged": {signed(url.Values{"command": {"add"}, "tag": {"a"}}, secret), "", 400, "public_ids"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := send(tc.form, tc.token)
			if got.status != tc.status || !strings.Contains(got.body, tc.want) {
				t.Errorf("%d %s, want %d and %q", got.status, got.body, tc.status, tc.want)
			}
			if got.header.Get("X-FeatureRateLimit-Limit") != "" {
				t.Error("the Upload API has no budget")
			}
		})
	}
	w.play(t, []step{
		{do: "GET /v1_1/demo/image/tags", status: 405},
		{do: "POST /v1_1/other/image/tags", status: 401},
		{do: "POST /v1_1/demo/image/tags", body: `{}`, status: 400},
		{do: "POST /v1_1/demo/audio/tags", status: 404},
	})
}
