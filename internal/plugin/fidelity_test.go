// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestWhatKubernetesKeeps(t *testing.T) {
	cases := map[string]struct{ json, want string }{ // the reason; empty: it is kept
		"the largest 64-bit integer":                {`{"a":9223372036854775807}`, ""},
		"one more, written as 9.223372036854776e18": {`{"a":9223372036854775808}`, "more than 64 bits"},
		"the smallest":                              {`{"a":-9223372036854775808}`, ""},
		"below it":                                  {`{"a":[{"b":-9223372036854775809}]}`, "more than 64 bits"},
		"what a double holds exactly":               {`{"a":100000000000000000000}`, ""},
		"what only an arbitrary number has":         {`{"a":12345678901234567891}`, "more than 64 bits"},
		"a fraction":                                {`{"a":0.30000000000000004,"b":1.50,"c":1e300,"d":-0.0}`, ""},
		"no number of Kubernetes":                   {`{"a":1e400}`, "cannot hold"},
		"null":                                      {`{"a":null}`, ""},
		"nothing":                                   {``, ""},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			canonical, err := plan.CanonicalJSON([]byte(test.json))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := checkKept(canonical); err != nil {
				got = err.Error()
			}
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("%s: %q, want %q", test.json, got, test.want)
			}
		})
	}
}

func TestNullMembers(t *testing.T) {
	trigger := &v1alpha1.CloudinaryTrigger{}
	trigger.Spec.Filter = &runtime.RawExtension{Raw: []byte(`{"==":[{"var":"a"},null]}`)}
	trigger.Spec.PayloadTemplate = &runtime.RawExtension{Raw: []byte(`{"b":null,"a":{"x y\n\u2028":null,"d":1},"e":[null,{"f":null}]}`)}
	want := []string{`spec.payloadTemplate.a["x y\n\u2028"]`, `spec.payloadTemplate.b`, `spec.payloadTemplate.e[1].f`}
	if diff := cmp.Diff(want, nullMembers(trigger)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What nullMembers rests on is what kubectl does: where the two differ, an export would be silent
// about a write.
func TestKubectlDropsNullMembers(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	f.have(`{"uri":"https://hooks.example.com/","event_type":"upload","payload_template":{"a":null,"c":{"d":null,"k":1},"e":[null,{"f":null,"g":2}]}}`)
	exported := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base").out
	for _, test := range []struct {
		want  string
		flags []string
	}{
		{`{"a":null,"c":{"d":null,"k":1},"e":[null,{"f":null,"g":2}]}`, []string{"--server-side"}},
		{`{"c":{"k":1},"e":[null,{"g":2}]}`, nil},
	} {
		f.kubectl(exported, append([]string{"apply", "-f", "-"}, test.flags...)...)
		var list v1alpha1.CloudinaryTriggerList
		f.must(api.Client.List(f.Context(), &list, client.InNamespace(f.namespace)))
		got, err := plan.CanonicalJSON(list.Items[0].Spec.PayloadTemplate.Raw)
		f.must(err)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("kubectl apply %v (-want +got):\n%s", test.flags, diff)
		}
		f.kubectl("", "delete", "cldt,nep", "--all", "--wait=false")
	}
}

// The promise of an export, held with the program that people apply it with: no write, or a warning
// and a way without one.
func TestExportsAppliedByKubectlCauseNoWrite(t *testing.T) {
	bodies := map[string]struct{ body, warning string }{
		"an integer that Kubernetes rounds": {
			`{"uri":"https://hooks.example.com/big","event_type":"upload","filter":{"==":[{"var":"metadata.id"},12345678901234567891]}}`,
			"left out: trigger",
		},
		"null members": {
			`{"uri":"https://hooks.example.com/null","event_type":"upload","payload_template":{"a":null,"b":"{{event.type}}","c":{"d":null}}}`,
			"spec.payloadTemplate.a, spec.payloadTemplate.c.d, and the operator would write that at Cloudinary; use kubectl apply --server-side",
		},
		"null elements":     {`{"uri":"https://hooks.example.com/list","event_type":"upload","filter":{"==":[{"var":"moderation"},null]}}`, ""},
		"a precise number":  {`{"uri":"https://hooks.example.com/f","event_type":"upload","filter":{">":[{"var":"w"},0.30000000000000004]}}`, ""},
		"a 64-bit integer":  {`{"uri":"https://hooks.example.com/i","event_type":"upload","filter":{"==":[{"var":"id"},9007199254740993]}}`, ""},
		"an empty template": {`{"uri":"https://hooks.example.com/e","event_type":"upload","payload_template":{}}`, ""},
	}
	for name, test := range bodies {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, simulator.Options{})
			f.create(f.secret())
			f.have(test.body)
			calls := f.writes()
			r := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base")
			if r.code != 0 || (test.warning == "") != (r.err == "") || !strings.Contains(r.err, test.warning) {
				t.Fatalf("code %d, errors %q; want 0 and %q", r.code, r.err, test.warning)
			}
			args := []string{"apply", "-f", "-"}
			if strings.Contains(r.err, "--server-side") {
				args = append(args, "--server-side")
				if !strings.Contains(r.out, "# Use kubectl apply --server-side: without it, kubectl drops the null members spec.payloadTemplate.a,") {
					t.Errorf("no comment in the manifest:\n%s", r.out)
				}
			}
			if strings.Contains(r.out, kindTrigger+"\n") {
				f.kubectl(r.out, args...)
			}
			f.startManager()
			f.ready()
			if diff := cmp.Diff(calls, f.writes()); diff != "" {
				t.Errorf("writes at Cloudinary (-before +after):\n%s\nof:\n%s", diff, r.out)
			}
		})
	}
}

func TestObservedNullsAreNoWrite(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	f.have(`{"uri":"https://hooks.example.com/null","event_type":"upload","payload_template":{"a":null,"b":"x"}}`)
	r := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base", "--observe")
	if strings.Contains(r.err, "would write") || !strings.Contains(r.err, "would call that drift") {
		t.Errorf("errors %q", r.err)
	}
}

func TestPlanWarnsOfNulls(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret(), f.endpoint("media", mediaURL))
	const manifest = `{"apiVersion":"notifications.cloudinary.dev/v1alpha1","kind":"CloudinaryTrigger","metadata":{"name":"media"},
		"spec":{"endpointRef":{"name":"media"},"eventTypes":["upload"],"payloadTemplate":{"a":null,"b":"{{event.type}}"}}}`
	args := []string{"plan", "-f", "-", "--allow-insecure-api-base"}
	const warning = "/media, spec.payloadTemplate.a; server-side apply keeps them"
	if r := f.callWith(manifest, args...); r.code != 0 || !strings.Contains(r.err, f.namespace+warning) {
		t.Errorf("a new trigger: %+v", r)
	}
	if r := f.callWith(manifest, append(args, "--applier=argocd")...); r.code != 0 || r.err != "" {
		t.Errorf("a new trigger, applied by Argo CD: %+v", r)
	}
	f.kubectl(manifest, "apply", "--server-side", "-f", "-")
	if r := f.callWith(manifest, args...); r.code != 0 || !strings.Contains(r.err, f.namespace+warning) {
		t.Errorf("one that the cluster has: %+v", r)
	}
	if r := f.callWith(manifest, append(args, "--applier=kubectl-server-side")...); r.code != 0 || r.err != "" {
		t.Errorf("one that the cluster has, applied as before: %+v", r)
	}
}

func TestIntegersThatAreRoundedAreLeftOut(t *testing.T) {
	trigger := at("1", "https://example.com/")
	trigger.PayloadTemplate = json.RawMessage(`{"n":12345678901234567891}`)
	e := export([]cloudinary.Trigger{trigger}, target{namespace: "shop", secret: "cloudinary"})
	if len(e.skipped) != 1 || e.skipped[0].reason != "its payload template has an integer of more than 64 bits, which Kubernetes would round" {
		t.Errorf("left out: %+v", e.skipped)
	}
}
