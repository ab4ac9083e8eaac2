// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// have makes a trigger at the simulator, as somebody did it before there was an operator.
func (f *fixture) have(body string) {
	f.Helper()
	credentials, err := cloudinary.ParseSecret(f.secret().Data)
	f.must(err)
	req, err := http.NewRequestWithContext(f.Context(), http.MethodPost, credentials.APIBase+"/v1_1/"+credentials.CloudName+"/triggers", strings.NewReader(body))
	f.must(err)
	req.SetBasicAuth(credentials.APIKey, credentials.APISecret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	f.must(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		answer, _ := io.ReadAll(resp.Body)
		f.Fatalf("create %s: %d %s", body, resp.StatusCode, answer)
	}
}

// apply creates every object of a YAML stream at the API server, which validates it.
func (f *fixture) apply(manifests string) int {
	f.Helper()
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	n := 0
	for {
		var object map[string]any
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return n
		}
		f.must(err)
		if len(object) == 0 {
			continue // the comment before the first document
		}
		f.create(&unstructured.Unstructured{Object: object})
		n++
	}
}

// grown is a product environment as people leave it.
func (f *fixture) grown() {
	for _, body := range []string{
		`{"uri":"https://hooks.example.com/cloudinary","event_type":"upload"}`,
		`{"uri":"https://hooks.example.com/cloudinary","event_type":"delete"}`,
		`{"uri":"https://hooks.example.com/cloudinary","event_type":"eager","additive":true,"filter":{"==":[{"var":"resource_type"},"image"]}}`,
		`{"uri":"https://hooks.example.com/cloudinary","event_type":"rename","payload_template":{"id":"{{asset.public_id}}","n":1.50,"html":"<b>&</b>"}}`,
		`{"uri":"https://hooks.example.com/cloudinary?token=s3cr3t","event_type":"upload","auth_scheme":"legacy_hmac"}`,
		`{"uri":"http://HOOKS.example.com:8080/a/b","event_type":"all","auth_scheme":"eddsa_v2"}`,
		`{"uri":"https://hooks.example.com/T0K3N123456/in/path","event_type":"move"}`,
		`{"uri":"poll://channel","uri_type":"poll","event_type":"upload"}`,
	} {
		f.have(body)
	}
}

func TestAppliedExportsCauseNoWrite(t *testing.T) {
	cases := map[string]simulator.Options{
		"as Cloudinary is documented":     {},
		"with unset fields absent":        {UnsetFields: simulator.UnsetAbsent},
		"with what it stores, normalized": {Normalize: simulator.NormalizeEquivalent},
		"with offsets in timestamps":      {Timestamps: simulator.TimestampsOffset},
	}
	for name, options := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, options)
			f.grown()
			f.create(f.secret())
			before, calls := f.sim.Triggers(), f.writes()
			r := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base")
			if r.code != 0 || strings.Count(r.err, "warning:") != 1 || !strings.Contains(r.err, `is no webhook but "poll"`) {
				t.Fatalf("code %d, errors %q; want a warning of the poll trigger alone", r.code, r.err)
			}
			planned := f.callWith(r.out, "plan", "-f", "-", "--exit-code", "--allow-insecure-api-base")
			if planned.code != 0 || planned.err != "" || !strings.Contains(planned.out, "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete.") {
				t.Errorf("plan of what was exported: %+v", planned)
			}
			if n := f.apply(r.out); n != 4+6 {
				t.Errorf("%d objects, want 4 endpoints and 6 triggers:\n%s", n, r.out)
			}
			f.startManager()
			f.ready()
			if diff := cmp.Diff(calls, f.writes()); diff != "" {
				t.Errorf("writes at Cloudinary (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(before, f.sim.Triggers()); diff != "" {
				t.Errorf("triggers at Cloudinary (-before +after):\n%s", diff)
			}
		})
	}
}

func TestExportSaysWhatWouldBeWritten(t *testing.T) {
	f := newFixture(t, simulator.Options{Echo: simulator.EchoOpenAPI})
	f.have(`{"uri":"https://hooks.example.com/cloudinary","event_type":"upload","additive":true}`)
	f.env["CLOUDINARY_URL"] = f.secretURL
	r := f.call("export", "--allow-insecure-api-base")
	if r.code != 0 || !strings.Contains(r.err, "would update trigger") || !strings.Contains(r.err, "settings that the list does not show") {
		t.Errorf("a list that shows no settings: %+v", r)
	}
	observed := f.call("export", "--allow-insecure-api-base", "--observe")
	if !strings.Contains(observed.out, "managementPolicy: Observe") || strings.Count(observed.err, "warning:") != 1 || !strings.Contains(observed.err, "names are not compared") {
		t.Errorf("--observe: %+v", observed)
	}
}

func TestExportAsAList(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.have(`{"uri":"https://hooks.example.com/cloudinary","event_type":"upload"}`)
	f.create(f.secret())
	var list struct {
		Kind  string
		Items []struct{ Kind string }
	}
	f.must(json.Unmarshal([]byte(f.succeeds("export", "--secret", "cloudinary", "--allow-insecure-api-base", "-o", "json")), &list))
	if diff := cmp.Diff([]string{"List", kindEndpoint, kindTrigger}, []string{list.Kind, list.Items[0].Kind, list.Items[1].Kind}); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

func TestExportRefuses(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.fails([]string{"export"}, "CLOUDINARY_URL")
	f.fails([]string{"export", "--secret", "nosuch"}, "there is no Secret nosuch in namespace "+f.namespace)
	f.env["CLOUDINARY_URL"] = f.secretURL
	f.fails([]string{"export"}, "not https", "--allow-insecure-api-base")
	f.env["CLOUDINARY_URL"] = strings.Replace(f.secretURL, simulator.DefaultAPISecret, "wr0ng", 1)
	f.fails([]string{"export", "--allow-insecure-api-base"}, "Invalid credentials")
}

func at(id, url string) cloudinary.Trigger {
	return cloudinary.Trigger{
		ID: id, EventType: "upload", URI: url, CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Additive: new(false), AuthScheme: new("default"),
	}
}

func TestWhatCannotBeExpressed(t *testing.T) {
	with := func(change func(*cloudinary.Trigger)) []cloudinary.Trigger {
		trigger := at("1", "https://example.com/")
		change(&trigger)
		return []cloudinary.Trigger{trigger}
	}
	url := func(url string) []cloudinary.Trigger { return with(func(t *cloudinary.Trigger) { t.URI = url }) }
	cases := map[string]struct {
		triggers []cloudinary.Trigger
		want     string // the reason; empty: it can be expressed
	}{
		"a webhook":                    {with(func(*cloudinary.Trigger) {}), ""},
		"a flow":                       {with(func(t *cloudinary.Trigger) { t.URIType = "flow" }), `is no webhook but "flow"`},
		"a strange event type":         {with(func(t *cloudinary.Trigger) { t.EventType = "Up-Load" }), "an event type that spec.eventTypes"},
		"credentials in the URL":       {url("https://user:p4ss@example.com/"), "must not carry credentials"},
		"a fragment":                   {url("https://example.com/#x"), "must not have a fragment"},
		"another scheme":               {url("ftp://example.com/"), "must begin with https://"},
		"a URL that is not ASCII":      {url("https://example.com/ü"), "not ASCII"},
		"a malformed escape in query":  {url("https://example.com/?a=%zz"), "malformed percent-encoding"},
		"a port with many zeros":       {url("https://example.com:0000443/"), "needless zeros"},
		"an unknown auth_scheme":       {with(func(t *cloudinary.Trigger) { t.AuthScheme = new("v9") }), `auth_scheme "v9"`},
		"a filter that is no rule":     {with(func(t *cloudinary.Trigger) { t.Filter = json.RawMessage(`{"bogus":1}`) }), "its filter would not be accepted"},
		"a template that is no object": {with(func(t *cloudinary.Trigger) { t.PayloadTemplate = json.RawMessage(`[1]`) }), "its payload template would not be accepted"},
		"the second of two at a place": {
			[]cloudinary.Trigger{at("1", "https://example.com"), at("2", "https://EXAMPLE.com/")},
			"of which a manifest has one: 1 is exported",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			e := export(test.triggers, target{namespace: "shop", secret: "cloudinary"})
			var reasons []string
			for _, s := range e.skipped {
				reasons = append(reasons, s.reason)
			}
			got := strings.Join(reasons, "\n")
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("reasons %q, want %q", got, test.want)
			}
			if strings.Contains(got, "example.com") || strings.Contains(got, "p4ss") {
				t.Errorf("%q repeats the URL", got)
			}
			if len(e.triggers)+len(e.skipped) != len(test.triggers) {
				t.Errorf("%d exported and %d left out, of %d", len(e.triggers), len(e.skipped), len(test.triggers))
			}
		})
	}
}

func TestExportOfDuplicates(t *testing.T) {
	f := newFixture(t, simulator.Options{DuplicateKey: simulator.DuplicateURIEventTypeFilter})
	f.create(f.secret())
	for _, kind := range []string{"image", "video"} {
		f.have(fmt.Sprintf(`{"uri":"https://hooks.example.com/cloudinary","event_type":"upload","filter":{"==":[{"var":"resource_type"},%q]}}`, kind))
	}
	r := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base")
	if r.code != 0 || strings.Count(r.err, "warning:") != 1 || !strings.Contains(r.err, "is a second one for the same URL and event type") {
		t.Errorf("code %d, errors %q", r.code, r.err)
	}
	if planned := f.callWith(r.out, "plan", "-f", "-", "--exit-code", "--allow-insecure-api-base"); planned.code != 0 {
		t.Errorf("plan of what was exported: %+v", planned)
	}
}

func TestExportOfWhatHasAManifest(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.settled()
	r := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base")
	if want := "warning: CloudinaryTrigger " + f.namespace + "/media of this cluster already manages 2 triggers of those exported"; !strings.HasPrefix(r.err, want) || r.code != 0 {
		t.Errorf("code %d, errors %q, want %q", r.code, r.err, want)
	}
}
