// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// FuzzBodies sends arbitrary bodies to every call. Whatever they hold is answered by something below 500.
func FuzzBodies(f *testing.F) {
	seeds := []string{
		"", "null", "[]", "{", "\xff", `"`, upload, upload + upload, strings.Repeat("[", 20000), `{"uri":1}`,
		`{"uri":"https://a.example/x","event_type":"upload","filter":{"in":[1,"a"]},"sample_data":{},"new_uri":"https://a.example"}`,
		`{"uri":"https://a.example/x","event_type":"upload","filter":{"reduce":[[1],{"var":""},[]]},"sample_data":{"a":[1e308]}}`,
		`{"uri":"https://a.example/x","event_type":"upload","filter":{"var":["a","b","c"]},"sample_data":"{}"}`,
		`{"uri":"https://a.example/x","event_type":"upload","filter":{"==":[1e999,-0]},"payload_template":{"a":1e999}}`,
		`{"uri":"https://a.example/x","event_type":"upload","payload_template":{"a":"{{=<% =}}","b":"{{>/etc/passwd}}","c":["{{{x}}"]}}`,
		`{"uri":"https://%zz","event_type":"all","filter":{"set":[{"var":"a"},1,2]},"sample_data":{"a":{}}}`,
		`{"uri":"https://[::1","event_type":"all"}`,
		`uri=https://a.example&event_type=upload&filter={"var":null}&payload_template=[`,
		`%%%=;&`,
		`{"count":1,"delay":"-1s"}`,
		`{"tags":["a",1],"api_secret":"s"}`,
		`{"tags":"a,,b","notification_url":"http://127.0.0.1:1"}`,
		`command=add&tag=a&public_ids[0]=a/b&public_ids[]=c&timestamp=1728048600&api_key=123456789012345&signature=`,
		`{"status":200,"headers":{"":""},"body":null}`,
	}
	for _, seed := range seeds {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, form bool) {
		sim, err := simulator.New(simulator.Options{
			Clock:     func() time.Time { return time.Unix(1728048600, 0) },
			Normalize: simulator.NormalizeEquivalent,
		})
		if err != nil {
			t.Fatal(err)
		}
		// Nothing is sent, wherever a trigger points.
		sim.Close(t.Context())
		contentType := "application/json"
		if form {
			contentType = "application/x-www-form-urlencoded"
		}
		call := func(method, path string, body []byte) {
			req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(string(body)))
			req.Header.Set("Content-Type", contentType)
			req.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
			got := httptest.NewRecorder()
			sim.ServeHTTP(got, req)
			if got.Code >= http.StatusInternalServerError {
				t.Errorf("%s %s: status %d", method, path, got.Code)
			}
		}
		call(http.MethodPost, "/v1_1/demo/triggers", body)
		id := "0123"
		if triggers := sim.Triggers(); len(triggers) > 0 {
			id = triggers[0].ID
		}
		call(http.MethodPut, "/v1_1/demo/triggers/"+id, body)
		call(http.MethodPost, "/v1_1/demo/triggers/"+id+"/test", body)
		call(http.MethodPost, "/v1_1/demo/triggers/"+id+"/test", []byte(`{"sample_data":{"a":[1,{"b":"c"}],"x":"y"}}`))
		call(http.MethodGet, "/v1_1/demo/triggers", nil)
		call(http.MethodDelete, "/v1_1/demo/triggers/"+id, body)
		call(http.MethodPost, "/_sim/faults", body)
		call(http.MethodPost, "/_sim/signing", body)
		if _, err := sim.Notify(simulator.Notification{EventType: "upload", Payload: []byte(`{"public_id":"a/b"}`)}); err == nil {
			t.Error("accepted by a simulator that was closed")
		}
		call(http.MethodPost, "/v1_1/demo/resources/image/upload/a/b", body)
		call(http.MethodGet, "/v1_1/demo/resources/image/upload/a/b", nil)
		call(http.MethodPost, "/v1_1/demo/image/tags", body)
	})
}
