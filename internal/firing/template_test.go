// SPDX-License-Identifier: Apache-2.0

package firing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
)

func TestTemplates(t *testing.T) {
	const payload = `{"timestamp":"2024-03-20T10:12:34+00:00","request_id":"r1","asset_id":"a1","public_id":"shop/sh\"o<e","resource_type":"image",` +
		`"type":"upload","asset_folder":"shop","format":"jpg","version":1710929554,"width":864,"height":576,"bytes":120253,` +
		`"url":"http://x/?a=1&b=2","secure_url":"https://x","tags":["a","b"],"context":{"custom":{"k":"v"}},"metadata":{"m":null},` +
		`"folder_path":"a/b","folder_name":"b","eager":[{"transformation":"w_1"},{"transformation":"w_2"}],"batch_id":"b1","status":"ok",` +
		`"error":{"message":"bad","code":400}}`
	all := map[string]string{
		"event.type": "upload", "event.timestamp": "2024-03-20T10:12:34+00:00", "event.request_id": "r1",
		"asset.id": "a1", "asset.public_id": `shop/sh"o<e`, "asset.resource_type": "image", "asset.delivery_type": "upload",
		"asset.folder": "shop", "asset.format": "jpg", "asset.version": "1710929554", "asset.width": "864", "asset.height": "576",
		"asset.bytes": "120253", "asset.url": "http://x/?a=1&b=2", "asset.secure_url": "https://x", "asset.tags": `["a","b"]`,
		"asset.context": `{"custom":{"k":"v"}}`, "asset.context.custom.k": "v", "asset.metadata": `{"m":null}`, "asset.metadata.m": "",
		"folder.path": "a/b", "folder.name": "b",
		"eager.transformations": `[{"transformation":"w_1"},{"transformation":"w_2"}]`, "eager.batch_id": "b1", "eager.status": "ok",
		"error.message": "bad", "error.code": "400", "raw.error.code": "400",
		"asset.nothing": "", "nothing": "", "raw.tags.nothing": "",
	}
	data, _ := firing.Decode([]byte(payload))
	fields, want := map[string]any{}, map[string]any{}
	for name, value := range all {
		fields[name], want[name] = "<{{{"+name+"}}}>", "<"+value+">"
	}
	cases := map[string]struct{ template, want, from string }{
		"every placeholder":         {encode(t, fields), encode(t, want), "template"},
		"the whole payload":         {`{"r":"{{{raw}}}"}`, encode(t, map[string]any{"r": encode(t, data)}), "template"},
		"HTML is escaped":           {`{"u":"{{asset.url}}"}`, `{"u":"http://x/?a=1&amp;b=2"}`, "template"},
		"what is no text stays":     {`{"n":1.50,"b":true,"z":null,"l":["{{event.type}}",{"d":"{{asset.id}}"}],"{{k}}":""}`, `{"b":true,"l":["upload",{"d":"a1"}],"n":1.50,"z":null,"{{k}}":""}`, "template"},
		"a section over a list":     {`{"t":"{{#asset.tags}}{{.}};{{/asset.tags}}{{^asset.none}}none{{/asset.none}}{{#asset.metadata.m}}x{{/asset.metadata.m}}"}`, `{"t":"a;b;none"}`, "template"},
		"a partial":                 {`{"t":"{{>part}}"}`, payload, "fallback"},
		"a partial in a section":    {`{"t":"{{#asset}}{{>part}}{{/asset}}"}`, payload, "fallback"},
		"sections that nest deeply": {`{"t":["{{#raw}}{{#raw}}{{#raw}}x{{/raw}}{{/raw}}{{/raw}}"]}`, payload, "fallback"},
		"no template":               {`{}`, payload, "default"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := firing.Rehearse(firing.Rehearsal{EventType: "upload", Notification: []byte(payload), PayloadTemplate: []byte(tc.template)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.want, tc.from}, []string{string(got.Body), got.BodyFrom}); diff != "" {
				t.Errorf("body, and where it is from (-want +got):\n%s", diff)
			}
		})
	}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func TestTemplateOfAPayloadThatIsNoObject(t *testing.T) {
	got, err := firing.Rehearse(firing.Rehearsal{EventType: "upload", Notification: []byte(`[1,2]`), PayloadTemplate: []byte(`{"t":"{{asset.id}}{{raw}}"}`)})
	if err != nil || string(got.Body) != `{"t":"[1,2]"}` {
		t.Errorf("%s (%v)", got.Body, err)
	}
}

// The README says so, since implementations of Mustache differ.
func TestWhatASectionTakesForFalse(t *testing.T) {
	const notification = `{"zero":0,"text":"","null":null,"no":false,"list":[],"object":{}}`
	for name, want := range map[string]string{"zero": "yes", "object": "yes", "text": "no", "null": "no", "no": "no", "list": "no", "absent": "no"} {
		template := `{"a":"{{#raw.` + name + `}}yes{{/raw.` + name + `}}{{^raw.` + name + `}}no{{/raw.` + name + `}}"}`
		done, err := firing.Rehearse(firing.Rehearsal{EventType: "upload", Notification: []byte(notification), PayloadTemplate: []byte(template)})
		if got := string(done.Body); err != nil || got != `{"a":"`+want+`"}` {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
}
