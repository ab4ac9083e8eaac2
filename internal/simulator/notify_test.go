// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestWhichTriggersFire(t *testing.T) {
	const image = `{"event_type":"upload","payload":{"resource_type":"image"}}`
	cases := map[string]struct {
		trigger string // beside its URI, the target's /t
		notify  string
		reason  string // empty: it fires
		paths   string // what the target gets
	}{
		"the same event type":            {`"event_type":"upload"`, image, "", "/t"},
		"all":                            {`"event_type":"all"`, image, "", "/t"},
		"another event type":             {`"event_type":"delete"`, image, "event_type", ""},
		"a filter that holds":            {`"event_type":"upload","filter":` + imageFilter, image, "", "/t"},
		"a filter that does not":         {`"event_type":"upload","filter":` + imageFilter, `{"event_type":"upload","payload":{"resource_type":"raw"}}`, "filter", ""},
		"a filter that finds no fields":  {`"event_type":"upload","filter":` + imageFilter, `{"event_type":"upload","payload":["image"]}`, "filter", ""},
		"a filter on a made-up payload":  {`"event_type":"upload","filter":` + imageFilter, `{"event_type":"upload"}`, "", "/t"},
		"a call's own URL suppresses it": {`"event_type":"upload"`, `{"event_type":"upload","notification_url":"TARGET/own"}`, "suppressed", "/own"},
		"additive: both": {
			`"event_type":"upload","additive":true`,
			`{"event_type":"upload","notification_url":"TARGET/own"}`, "", "/own /t",
		},
		"the filter comes before additive": {
			`"event_type":"upload","filter":` + imageFilter,
			`{"event_type":"upload","payload":{},"notification_url":"TARGET/own"}`, "filter", "/own",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := startTarget(t, nil)
			w := startNow(t, simulator.Options{})
			id := w.trigger(t, `"uri":"`+to.url+`/t",`+tc.trigger)
			got := w.notify(t, strings.ReplaceAll(tc.notify, "TARGET", to.url))
			want := simulator.Notified{EventType: "upload", Count: 1, Fired: []simulator.Fired{}, NotFired: []simulator.NotFired{}}
			if tc.reason == "" {
				want.Fired = append(want.Fired, simulator.Fired{TriggerID: id, URL: to.url + "/t", Count: 1})
			} else {
				want.NotFired = append(want.NotFired, simulator.NotFired{TriggerID: id, URL: to.url + "/t", Reason: tc.reason, Count: 1})
			}
			if strings.Contains(tc.paths, "/own") {
				want.Fired = append(want.Fired, simulator.Fired{URL: to.url + "/own", Count: 1})
			}
			var delivered []string
			for range want.Fired {
				delivered = append(delivered, "delivered")
			}
			want.Deliveries = []string{}
			for _, d := range w.awaitStates(t, delivered...) {
				want.Deliveries = append(want.Deliveries, d.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			paths := map[string]bool{}
			for _, r := range to.received() {
				paths[r.path] = true
			}
			for path := range strings.FieldsSeq(tc.paths) {
				if !paths[path] {
					t.Errorf("%s was not notified", path)
				}
				delete(paths, path)
			}
			if len(paths) > 0 {
				t.Errorf("notified as well: %v", paths)
			}
		})
	}
}

func TestOtherKindsOfTriggersDoNotFire(t *testing.T) {
	w := startNow(t, simulator.Options{})
	w.trigger(t, `"uri":"poll://channel","uri_type":"poll","event_type":"all"`)
	got := w.notify(t, `{"event_type":"delete"}`)
	if len(got.Fired) != 0 || len(got.NotFired) != 1 || got.NotFired[0].Reason != "uri_type" {
		t.Errorf("%+v", got)
	}
}

func TestAGivenPayloadIsSentAsItIs(t *testing.T) {
	for name, payload := range map[string]string{
		"spaces, order and escapes":  `{ "b" : 1.0e2,` + "\n\t" + `"a":"\u00e9<&>", "b":"\/" }`,
		"what is not UTF-8":          "{\"a\":\"\xff\"}",
		"a list":                     `[1, 2]`,
		"a text":                     `"x"`,
		"a number beyond a float's":  `123456789012345678901234567890`,
		"more than an Admin request": `"` + strings.Repeat("x", 4<<20) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			to := startTarget(t, nil)
			w := startNow(t, simulator.Options{})
			w.trigger(t, uploadTrigger(to.url))
			w.notify(t, `{"event_type":"upload","payload": `+payload+` }`)
			w.awaitStates(t, "delivered")
			if got := to.received()[0]; got.body != payload || !verified(t, got, "sha1", simulator.DefaultAPISecret) {
				t.Errorf("sent %.100q, want %.100q", got.body, payload)
			}
		})
	}
}

func TestMadeUpPayloads(t *testing.T) {
	types := []string{
		"newly_invented", "upload", "eager", "delete", "rename", "move", "resource_context_changed", "resource_metadata_changed",
		"resource_display_name_changed", "resource_tags_changed", "access_control_changed", "create_folder", "delete_folder",
		"move_or_rename_asset_folder", "error", "sprite", "moderation", "explode", "multi", "info",
	}
	to := startTarget(t, nil)
	w := startNow(t, simulator.Options{ExtraEventTypes: []string{"newly_invented"}})
	w.trigger(t, `"uri":"`+to.url+`","event_type":"all"`)
	for _, eventType := range types {
		t.Run(eventType, func(t *testing.T) {
			w.sim.Reset()
			w.trigger(t, `"uri":"`+to.url+`","event_type":"all"`)
			w.notify(t, `{"event_type":"`+eventType+`","count":2}`)
			sent := w.awaitStates(t, "delivered", "delivered")
			if *sent[0].Body == *sent[1].Body {
				t.Error("the same twice")
			}
			var body struct {
				NotificationType string          `json:"notification_type"`
				RequestID        string          `json:"request_id"`
				SignatureKey     string          `json:"signature_key"`
				Resources        json.RawMessage `json:"resources"`
				Context          struct {
					TriggeredAt string `json:"triggered_at"`
				} `json:"notification_context"`
			}
			if err := json.Unmarshal([]byte(*sent[0].Body), &body); err != nil {
				t.Fatalf("%v: %s", err, *sent[0].Body)
			}
			if body.NotificationType != eventType || body.SignatureKey != simulator.DefaultAPIKey || len(body.Context.TriggeredAt) != len("2024-03-20T10:12:34.123456Z") {
				t.Errorf("%s", *sent[0].Body)
			}
			if eventType == "delete" != (body.RequestID == "") && !strings.Contains("moderation info sprite explode", eventType) {
				t.Errorf("request_id: %s", *sent[0].Body)
			}
			shape := map[string]string{
				"delete": "[", "resource_tags_changed": "[", "access_control_changed": "[", "move": "{", "resource_context_changed": "{",
				"resource_metadata_changed": "[", "resource_display_name_changed": "[",
			}[eventType]
			if !strings.HasPrefix(string(body.Resources), shape) {
				t.Errorf("resources: %s", body.Resources)
			}
		})
	}
}

func TestRefusedNotifications(t *testing.T) {
	cases := map[string]struct{ body, want string }{
		"no event type":           {`{}`, "event_type: is needed"},
		"all":                     {`{"event_type":"all"}`, "event_type: all is for triggers; an event has a type of its own"},
		"an unknown event type":   {`{"event_type":"uplaod"}`, `event_type: \"uplaod\" is not known; --extra-event-types adds to what is`},
		"an unknown member":       {`{"event_type":"upload","url":"x"}`, `the body is not a notification: json: unknown field \"url\"`},
		"an address of no kind":   {`{"event_type":"upload","notification_url":"ftp://a"}`, "notification_url: must be an http or https address"},
		"a negative count":        {`{"event_type":"upload","count":-1}`, "count: -1 must be from 1 to 10000"},
		"a count too high":        {`{"event_type":"upload","count":10001}`, "count: 10001 must be from 1 to 10000"},
		"a count that is a text":  {`{"event_type":"upload","count":"1"}`, "count: must be of type int, not string"},
		"a list":                  {`[]`, "the body must be an object, not array"},
		"two":                     {`{"event_type":"upload"}{}`, "the body holds more than one notification"},
		"more than 8 MiB":         {strings.Repeat(" ", 8<<20) + " ", "the body has more than 8388608 bytes"},
		"another signing of none": {`{"event_type":"upload","signing":{}}`, "signing: one of api_key, api_secret and algorithm is needed"},
		"another algorithm":       {`{"event_type":"upload","signing":{"algorithm":"md5"}}`, "signing: algorithm: md5 is not one of sha1, sha256"},
		"a key without a secret":  {`{"event_type":"upload","signing":{"api_key":"x"}}`, `signing: api_secret: is needed, since the simulator does not know the API key \"x\"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := start(t, simulator.Options{})
			w.play(t, []step{{do: "POST /_sim/notify", body: tc.body, status: 400, want: message(tc.want)}})
			if made := w.sim.Deliveries(); len(made) > 0 {
				t.Errorf("delivered: %+v", made)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	const concurrency = 3
	var to *target
	atOnce, most := make(chan struct{}, 100), make(chan int, 1000)
	to = startTarget(t, func(int, http.ResponseWriter, *http.Request) {
		atOnce <- struct{}{}
		most <- len(atOnce)
		<-atOnce
	})
	w := startNow(t, simulator.Options{Delivery: simulator.DeliveryOptions{Concurrency: concurrency}})
	w.trigger(t, uploadTrigger(to.url))
	got := w.notify(t, `{"event_type":"upload","count":200}`)
	if len(got.Deliveries) != 200 || got.Fired[0].Count != 200 {
		t.Errorf("%d deliveries, %+v", len(got.Deliveries), got.Fired)
	}
	await(t, "200 notifications", func() bool { return len(to.received()) == 200 })
	bodies := map[string]bool{}
	for _, r := range to.received() {
		bodies[r.body] = true
	}
	if len(bodies) != 200 {
		t.Errorf("%d different ones", len(bodies))
	}
	for range 200 {
		if n := <-most; n > concurrency {
			t.Errorf("%d at once, want at most %d", n, concurrency)
		}
	}
}

func TestTooManyPending(t *testing.T) {
	to := startTarget(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w := start(t, simulator.Options{Delivery: simulator.DeliveryOptions{Concurrency: 1}})
	for range 4 {
		w.trigger(t, uploadTrigger(to.url+"/"+strconv.Itoa(len(w.sim.Triggers()))))
	}
	w.notify(t, `{"event_type":"upload","payload":{},"count":5000}`)
	got := w.send(t, w.request(t, http.MethodPost, "/_sim/notify", uploaded))
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" {
		t.Errorf("%d %s", got.status, got.body)
	}
	w.play(t, []step{
		{do: "DELETE /_sim/deliveries", status: 200, want: ok},
		{do: "POST /_sim/notify", body: `{"event_type":"upload","count":100,"payload":"` + strings.Repeat("x", 1<<20) + `"}`, status: 503},
		{do: "POST /_sim/notify", body: uploaded, status: 200},
	})
}

func TestNothingIsPendingWhereNothingFires(t *testing.T) {
	w := start(t, simulator.Options{})
	w.play(t, []step{
		{do: "POST /_sim/notify", body: `{"event_type":"upload","payload":null}`, status: 200, want: `{"event_type":"upload","count":1,"fired":[],"not_fired":[],"deliveries":[]}`},
		{do: "GET /_sim/deliveries", status: 200, want: `{"total":0,"states":{},"deliveries":[]}`},
	})
}
