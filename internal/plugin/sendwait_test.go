// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// following is an admin listener that gives one answer after the other about notification 7, and
// then the last one again and again.
func (f *fixture) following(says ...string) string {
	f.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := fmt.Sprintf("/v1/notifications/7?endpoint=media&namespace=%s", f.namespace)
		if r.URL.RequestURI() != want || r.Header.Get(adminHeader) == "" {
			f.Errorf("asked for %s, want %s", r.URL.RequestURI(), want)
		}
		_, _ = io.WriteString(w, `{"id":"7","targets":[`+says[min(n, len(says)-1)]+`]}`)
		n++
	}))
	f.Cleanup(server.Close)
	return server.URL
}

func TestSendWaitsForTheTargets(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := newListener(t)
	f.create(f.secret())
	f.withStatus(f.receiverEndpoint("media"))
	const (
		pending   = `{"name":"catalog","state":"Pending"}`
		retrying  = `{"name":"catalog","state":"Retrying","attempts":2,"message":"answered 503"}`
		delivered = `{"name":"catalog","state":"Delivered","attempts":3}`
		refused   = `{"name":"search","state":"DeadLettered","attempts":1,"message":"answered 422"}`
	)
	for name, test := range map[string]struct {
		says []string
		out  []string
		err  string
		code int
	}{
		"it arrives":                 {[]string{pending, retrying, delivered}, []string{"target  catalog: Delivered, attempt 3\n"}, "", 0},
		"it is refused":              {[]string{pending + "," + refused, delivered + "," + refused}, []string{"catalog: Delivered", "search: DeadLettered, attempt 1: answered 422\n"}, "it was not delivered to search", 1},
		"it takes too long":          {[]string{pending, retrying}, []string{"catalog: Retrying, attempt 2: answered 503"}, "not delivered to catalog within 2s; it is tried again", 1},
		"the receiver forgets it":    {[]string{pending, ""}, []string{"catalog: Done"}, "", 0},
		"nobody takes it":            {[]string{""}, []string{"target  no target has it queued"}, "", 0},
		"another one is not touched": {[]string{refused + "," + pending, refused}, []string{"search: DeadLettered", "catalog: Done"}, "not delivered to search", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.call("send", "media", "--url", l.URL, "--wait", "--timeout", "2s", "--receiver-admin-url", f.following(test.says...))
			if r.code != test.code || !strings.Contains(r.err, test.err) {
				t.Errorf("code %d, %q; want %d, %q", r.code, r.err, test.code, test.err)
			}
			for _, text := range test.out {
				if !strings.Contains(r.out, text) {
					t.Errorf("it does not say %q:\n%s", text, r.out)
				}
			}
		})
	}
	t.Run("as JSON", func(t *testing.T) {
		var got sent
		f.must(json.Unmarshal([]byte(f.succeeds("send", "media", "--url", l.URL, "--wait", "--receiver-admin-url", f.following(pending, delivered), "-o", "json")), &got))
		if want := "7"; got.Stored != want || len(got.Targets) != 1 || got.Targets[0].State != "Delivered" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("what was there already is not followed", func(t *testing.T) {
		l.stored = "known"
		f.succeeds("send", "media", "--url", l.URL, "--wait", "--receiver-admin-url", "http://127.0.0.1:1")
	})
}

func TestTheReceiverSaysHowFarANotificationHasCome(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	_, url := f.realListener() // 1 is dead for two targets, 2 for one
	ep := f.receiverEndpoint("media")
	admin := newAdminClient(url, func() {})
	got, err := admin.progress(t.Context(), ep, "1")
	want := []delivered{
		{Name: "catalog", State: "DeadLettered", Message: "the Service answered 400"}, {Name: "search", State: "DeadLettered", Message: "the Service answered 400"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := admin.progress(t.Context(), ep, "99"); len(got) != 0 || err != nil {
		t.Errorf("of what is not there: %+v, %v", got, err)
	}
	other := f.receiverEndpoint("other")
	if got, err := admin.progress(t.Context(), other, "1"); len(got) != 0 || err != nil {
		t.Errorf("of another endpoint's: %+v, %v", got, err)
	}
}
