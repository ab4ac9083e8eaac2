// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestTemplates(t *testing.T) {
	const payload = `{"public_id":"a","secure_url":"https://x/?a=1&b=2"}`
	cases := map[string]struct{ template, want, from string }{
		"an object":       {`{"t":"{{event.type}} {{asset.secure_url}}"}`, `{"t":"upload https://x/?a=1&amp;b=2"}`, "template"},
		"given as a text": {`"{\"t\":\"{{event.type}}\"}"`, `{"t":"upload"}`, "template"},
		"a partial":       {`{"t":"{{>part}}"}`, payload, "fallback"},
		"no template":     {`{}`, payload, "default"},
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

func TestTemplateWithoutEscaping(t *testing.T) {
	w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{TemplateEscaping: firing.EscapeNone}})
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
