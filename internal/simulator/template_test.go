// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
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
	fields, want := map[string]any{}, map[string]any{}
	for name, value := range all {
		fields[name], want[name] = "<{{{"+name+"}}}>", "<"+value+">"
	}
	cases := map[string]struct{ template, want, from string }{
		"every placeholder":         {encode(t, fields), encode(t, want), "template"},
		"the whole payload":         {`{"r":"{{{raw}}}"}`, encode(t, map[string]any{"r": encode(t, parse(t, payload))}), "template"},
		"HTML is escaped":           {`{"u":"{{asset.url}}"}`, `{"u":"http://x/?a=1&amp;b=2"}`, "template"},
		"what is no text stays":     {`{"n":1.50,"b":true,"z":null,"l":["{{event.type}}",{"d":"{{asset.id}}"}],"{{k}}":""}`, `{"b":true,"l":["upload",{"d":"a1"}],"n":1.50,"z":null,"{{k}}":""}`, "template"},
		"a section over a list":     {`{"t":"{{#asset.tags}}{{.}};{{/asset.tags}}{{^asset.none}}none{{/asset.none}}{{#asset.metadata.m}}x{{/asset.metadata.m}}"}`, `{"t":"a;b;none"}`, "template"},
		"given as a text":           {`"{\"t\":\"{{event.type}}\"}"`, `{"t":"upload"}`, "template"},
		"a partial":                 {`{"t":"{{>part}}"}`, payload, "fallback"},
		"a partial in a section":    {`{"t":"{{#asset}}{{>part}}{{/asset}}"}`, payload, "fallback"},
		"sections that nest deeply": {`{"t":["{{#raw}}{{#raw}}{{#raw}}x{{/raw}}{{/raw}}{{/raw}}"]}`, payload, "fallback"},
		"no template":               {`{}`, payload, "default"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := startNow(t, simulator.Options{})
			got := one(t, w, `,"payload_template":`+tc.template, `{"event_type":"upload","payload":`+payload+`}`)
			if diff := cmp.Diff(tc.want, got.body); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !verified(t, got, "sha1", simulator.DefaultAPISecret) {
				t.Error("does not verify")
			}
			if from := w.sim.Deliveries()[0].BodyFrom; from != tc.from {
				t.Errorf("body from %s, want %s", from, tc.from)
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
	got := one(t, startNow(t, simulator.Options{}), `,"payload_template":{"t":"{{asset.id}}{{raw}}"}`, `{"event_type":"upload","payload":[1,2]}`)
	if got.body != `{"t":"[1,2]"}` {
		t.Errorf("%s", got.body)
	}
}

func TestTemplateWithoutEscaping(t *testing.T) {
	w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{TemplateEscaping: simulator.EscapeNone}})
	got := one(t, w, `,"payload_template":{"u":"{{asset.url}}"}`, `{"event_type":"upload","payload":{"url":"a&b"}}`)
	if got.body != `{"u":"a&b"}` {
		t.Errorf("%s", got.body)
	}
}

func TestACallsOwnURLGetsTheDefaultBody(t *testing.T) {
	to := startTarget(t, nil)
	w := startNow(t, simulator.Options{})
	w.trigger(t, uploadTrigger(to.url+"/t")+`,"additive":true,"auth_scheme":"legacy_hmac","payload_template":{"t":"{{event.type}}"}`)
	w.notify(t, `{"event_type":"upload","payload":{"a":1},"notification_url":"`+to.url+`/own"}`)
	w.awaitStates(t, "delivered", "delivered")
	for _, got := range to.received() {
		want := map[string]string{"/t": `{"t":"upload"}`, "/own": `{"a":1}`}[got.path]
		hasV2 := got.header.Get("X-Cld-Signature_v2") != ""
		if got.body != want || hasV2 != (got.path == "/own") {
			t.Errorf("%s got %s, signed by v2: %t", got.path, got.body, hasV2)
		}
	}
}

// FuzzNotify looks for a template, filter or payload that breaks the simulator. It was closed, so that nothing is sent.
func FuzzNotify(f *testing.F) {
	f.Add(`{"t":"{{#raw}}{{.}}{{/raw}}"}`, `{"==":[{"var":"a"},1]}`, `{"a":1,"tags":[null,{"x":[]}]}`)
	f.Add(`{"t":"{{raw.String}}{{raw.a.Int64}}{{asset.width.x}}"}`, `{"var":""}`, `{"a":1,"width":{}}`)
	f.Add(`{"t":["{{=<% %>=}}<%raw%>",1e999]}`, `{"!":[{"var":"error"}]}`, `[[[]]]`)
	f.Fuzz(func(t *testing.T, template, filter, payload string) {
		w := start(t, simulator.Options{})
		w.sim.Close(t.Context())
		w.send(t, w.request(t, http.MethodPost, "/v1_1/demo/triggers", `{`+uploadTrigger("http://127.0.0.1:1")+`,"payload_template":`+template+`}`))
		w.send(t, w.request(t, http.MethodPost, "/v1_1/demo/triggers", `{`+uploadTrigger("http://127.0.0.1:2")+`,"filter":`+filter+`}`))
		got := w.send(t, w.request(t, http.MethodPost, "/_sim/notify", `{"event_type":"upload","payload":`+payload+`}`))
		if got.status != http.StatusBadRequest && got.status != http.StatusServiceUnavailable {
			t.Errorf("status %d: %s", got.status, got.body)
		}
	})
}

// The README says so, since implementations of Mustache differ.
func TestWhatASectionTakesForFalse(t *testing.T) {
	const notification = `{"zero":0,"text":"","null":null,"no":false,"list":[],"object":{}}`
	for name, want := range map[string]string{"zero": "yes", "object": "yes", "text": "no", "null": "no", "no": "no", "list": "no", "absent": "no"} {
		template := `{"a":"{{#raw.` + name + `}}yes{{/raw.` + name + `}}{{^raw.` + name + `}}no{{/raw.` + name + `}}"}`
		done, err := simulator.Rehearse(simulator.Rehearsal{EventType: "upload", Notification: []byte(notification), PayloadTemplate: []byte(template)})
		if got := string(done.Body); err != nil || got != `{"a":"`+want+`"}` {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
}
