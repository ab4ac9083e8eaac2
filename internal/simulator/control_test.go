// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestFaults(t *testing.T) {
	created := shown(defaults)
	cases := map[string][]step{
		"a status is answered instead of the call, as often as asked, then no more": {
			{do: "POST /_sim/faults", body: `{"count":2,"method":"POST","path":"/triggers","status":503}`, status: 200},
			{do: "GET /triggers", status: 200},
			{do: "POST /triggers", body: upload, status: 503, want: message("Service Unavailable")},
			{do: "GET /_sim/faults", status: 200, want: `{"faults":[{"count":1,"method":"POST","path":"/triggers","status":503}]}`},
			{do: "POST /triggers", body: upload, status: 503},
			{do: "GET /_sim/faults", status: 200, want: `{"faults":[]}`},
			{do: "GET /triggers", status: 200, want: listed()},
			{do: "POST /triggers", body: upload, status: 201, want: created},
		},
		"a path without an id does not match one with an id, a pattern does": {
			{do: "POST /triggers", body: upload, status: 201},
			{do: "POST /_sim/faults", body: `{"path":"/triggers","status":500}`, status: 200},
			{do: "POST /_sim/faults", body: `{"path":"/triggers/{id}","method":"delete","status":502}`, status: 200},
			{do: "PUT /triggers/{1}", body: `{"new_uri":"https://a.example/x"}`, status: 200},
			{do: "DELETE /triggers/{1}", status: 502},
			{do: "GET /triggers", status: 500, want: message("Internal Server Error")},
			{do: "GET /triggers", status: 200},
		},
		"a status after the effect": {
			{do: "POST /_sim/faults", body: `{"status":504,"after":true}`, status: 200},
			{do: "POST /triggers", body: upload, status: 504},
			{do: "GET /triggers", status: 200, want: listed(created)},
		},
		"a body of one's own": {
			{do: "POST /_sim/faults", body: `{"status":401,"body":{"error":"x"}}`, status: 200},
			{do: "GET /triggers", status: 401, want: `{"error":"x"}`},
			{do: "POST /_sim/faults", body: `{"status":502,"body":"\"text\""}`, status: 200},
			{do: "GET /triggers", status: 502, want: `"text"`},
		},
		"a connection cut before the effect": {
			{do: "POST /_sim/faults", body: `{"cut":"before"}`, status: 200},
			{do: "POST /triggers", body: upload, status: 0},
			{do: "GET /triggers", status: 200, want: listed()},
		},
		"a connection cut after the effect": {
			{do: "POST /_sim/faults", body: `{"cut":"after","delay":"1s"}`, status: 200},
			{do: "POST /triggers", body: upload, status: 0},
			{do: "GET /triggers", status: 200, want: listed(created)},
		},
		"a delay passes before the effect": {
			{do: "POST /_sim/faults", body: `{"delay":"1m"}`, status: 200},
			{do: "POST /triggers", body: upload, status: 201, want: strings.ReplaceAll(created, "13:30", "13:31")},
		},
		"a delay passes after the effect": {
			{do: "POST /_sim/faults", body: `{"delay":"1m","after":true}`, status: 200},
			{do: "POST /triggers", body: upload, status: 201, want: created},
		},
		"faults can be cleared": {
			{do: "POST /_sim/faults", body: `{"count":9,"status":500}`, status: 200},
			{do: "DELETE /_sim/faults", status: 200, want: ok},
			{do: "GET /triggers", status: 200},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			start(t, simulator.Options{}).play(t, steps)
		})
	}
}

func TestFaultHeadersWinOverTheSimulators(t *testing.T) {
	w := start(t, simulator.Options{})
	w.play(t, []step{{
		do: "POST /_sim/faults", status: 200,
		body: `{"status":420,"headers":{"x-featureratelimit-reset":"Fri, 04 Oct 2024 15:00:00 GMT","Retry-After":"7"}}`,
	}})
	got := w.send(t, w.request(t, "GET", "/v1_1/demo/triggers", ""))
	want := map[string]string{
		"X-FeatureRateLimit-Reset": "Fri, 04 Oct 2024 15:00:00 GMT", "Retry-After": "7", "X-FeatureRateLimit-Remaining": "2000",
	}
	for name, value := range want {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
		}
	}
}

func TestRefusedFaults(t *testing.T) {
	cases := map[string]struct{ body, want string }{
		"a count below one":              {`{"count":-1,"status":500}`, "count: -1 must be at least 1"},
		"a count that is a text":         {`{"count":"x"}`, "count: must be of type int, not string"},
		"a status out of range":          {`{"status":99}`, "status: 99 must be between 200 and 599"},
		"an unknown cut":                 {`{"cut":"now"}`, `cut: \"now\" must be \"before\" or \"after\"`},
		"a delay that is none":           {`{"delay":"soon"}`, `delay: \"soon\" must be a duration such as \"2s\" of at most 10m0s`},
		"nothing to do":                  {`{}`, "status: one of status, cut and delay is needed, else the fault does nothing"},
		"a cut with a status":            {`{"cut":"after","status":500}`, "cut: a connection that is cut cannot answer a status as well"},
		"a body without a status":        {`{"delay":"1s","body":"x"}`, "status: is needed where a body or headers are given"},
		"after with a cut before":        {`{"cut":"before","after":true}`, `after: contradicts cut \"before\"`},
		"a header that is none":          {`{"status":500,"headers":{"a b":"c"}}`, `headers: \"a b\" is not a header`},
		"a header that the server sets":  {`{"status":500,"headers":{"content-length":"1"}}`, "headers: content-length is set by the server"},
		"an unknown field":               {`{"times":1}`, `the body is not a fault: json: unknown field \"times\"`},
		"two faults at once":             {`{"status":500}{"status":500}`, "the body holds more than one fault"},
		"a body that is more than 128 K": {strings.Repeat(" ", 1<<18), "the body has more than 131072 bytes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := start(t, simulator.Options{})
			w.play(t, []step{
				{do: "POST /_sim/faults", body: tc.body, status: 400, want: message(tc.want)},
				{do: "GET /_sim/faults", status: 200, want: `{"faults":[]}`},
			})
		})
	}
}

func TestCallsAreCounted(t *testing.T) {
	w := start(t, simulator.Options{})
	w.play(t, []step{
		{do: "POST /triggers", body: upload, status: 201},
		{do: "GET /triggers?event_type=upload", status: 200},
		{do: "GET /triggers", status: 200},
		{do: "GET /v1_1/other/triggers", status: 401},
		{do: "GET /v1_1/demo/usage", status: 404},
		{do: "BREW /triggers", status: 405},
		{do: "POST /_sim/faults", body: `{"cut":"after"}`, status: 200},
		{do: "DELETE /triggers/{1}", status: 0},
		{
			do: "GET /_sim/calls", status: 200,
			want: `{"total":7,"calls":[
				{"method":"GET","path":"(unknown)","status":404,"count":1},
				{"method":"(other)","path":"/v1_1/{cloud}/triggers","status":405,"count":1},
				{"method":"GET","path":"/v1_1/{cloud}/triggers","status":200,"count":2},
				{"method":"GET","path":"/v1_1/{cloud}/triggers","status":401,"count":1},
				{"method":"POST","path":"/v1_1/{cloud}/triggers","status":201,"count":1},
				{"method":"DELETE","path":"/v1_1/{cloud}/triggers/{id}","status":0,"count":1}]}`,
		},
	})
}

func TestReset(t *testing.T) {
	w := start(t, simulator.Options{RateLimit: 2})
	w.play(t, []step{
		{do: "POST /triggers", body: upload, status: 201},
		{do: "GET /triggers", status: 200},
		{do: "GET /triggers", status: 420},
		{do: "POST /_sim/faults", body: `{"status":500}`, status: 200},
		{do: "POST /_sim/reset", status: 200, want: ok},
		{do: "GET /_sim/calls", status: 200, want: `{"total":0,"calls":[]}`},
		{do: "GET /triggers", status: 200, want: listed()},
	})
}

func TestControlPaths(t *testing.T) {
	start(t, simulator.Options{}).play(t, []step{
		{do: "GET /_sim/nothing", status: 404, want: message("Resource not found")},
		{do: "POST /_sim/calls", status: 405, want: message("Method not allowed")},
		{do: "GET /_sim/reset", status: 405},
	})
}

func TestFaultsFromGo(t *testing.T) {
	w := start(t, simulator.Options{})
	if err := w.sim.AddFault(simulator.Fault{Status: 500}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]simulator.Fault{{Count: 1, Status: 500}}, w.sim.Faults()); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if err := w.sim.AddFault(simulator.Fault{}); err == nil {
		t.Error("a fault that does nothing was accepted")
	}
	w.sim.ClearFaults()
	if diff := cmp.Diff([]simulator.Fault{}, w.sim.Faults()); diff != "" {
		t.Errorf("pending after clearing (-want +got):\n%s", diff)
	}
}
