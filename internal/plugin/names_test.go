// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestNamesOfEndpoints(t *testing.T) {
	cases := map[string]struct {
		url, want string
		// A hash stands for the hidden part if another URL would have the same name.
		hashed bool
	}{
		"host and path":             {"https://hooks.example.com/a/b_c", "hooks-example-com-a-b-c", false},
		"host alone":                {"https://example.com/", "example-com", false},
		"a port":                    {"https://example.com:8443/", "example-com-8443", false},
		"a query is not shown":      {"https://example.com/a?token=s3cr3t", "example-com-a", true},
		"a token is not shown":      {"https://example.com/hooks/T0K3N9/x", "example-com-hooks-x", true},
		"a long part is not shown":  {"https://example.com/abcdefghijklmnopqrstuvwxyz", "example-com", true},
		"a long name is cut":        {"https://example.com/first/second/third/fourth/fifth/sixth/seventh", "example-com-first-second-third-fourth-fifth-sixth", true},
		"http beside https":         {"http://example.com/a", "example-com-a", true},
		"an IPv6 address":           {"https://[2001:db8::1]/", "2001-db8-1", false},
		"nothing that a name takes": {"https://_/", "endpoint", true},
	}
	to := target{namespace: "shop", secret: "cloudinary"}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, newNames(to, []string{test.url}).endpoint(test.url)); diff != "" {
				t.Errorf("alone (-want +got):\n%s", diff)
			}
			want := test.want
			if test.hashed {
				want = withHash(want, test.url)
			}
			n := newNames(to, []string{test.url})
			n.ambiguous[test.want] = true
			if diff := cmp.Diff(want, n.endpoint(test.url)); diff != "" {
				t.Errorf("beside another one of the same name (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNamesOfEventTypes(t *testing.T) {
	for want, eventTypes := range map[string][]string{
		"upload":                 {"upload"},
		"delete-upload":          {"delete", "upload"},
		"resource-tags-changed":  {"resource_tags_changed"},
		"delete-eager-upload":    {"delete", "eager", "upload"},
		"delete-and-3-more":      {"delete", "eager", "rename", "upload"},
		"access-control-changed": {"access_control_changed_"},
	} {
		if got := eventTypesName(eventTypes); got != want {
			t.Errorf("%v: %q, want %q", eventTypes, got, want)
		}
	}
}

func TestNamesAreUniqueAndStable(t *testing.T) {
	triggers := []cloudinary.Trigger{
		at("1", "https://a.example.com/b"), at("2", "https://a.example.com/b?x=1"),
		at("3", "https://a-example.com/b"), at("4", "https://a.example-com/b"),
	}
	names := func(triggers []cloudinary.Trigger) map[string]string {
		byURL := map[string]string{}
		e := export(triggers, target{namespace: "shop", secret: "cloudinary"})
		for _, ep := range e.endpoints {
			byURL[ep.Spec.URL] = ep.Name
		}
		return byURL
	}
	first := names(triggers)
	seen := map[string]bool{}
	for _, name := range first {
		if seen[name] {
			t.Errorf("%q is there twice", name)
		}
		seen[name] = true
	}
	reversed := []cloudinary.Trigger{triggers[3], triggers[2], triggers[1], triggers[0]}
	if diff := cmp.Diff(first, names(reversed)); diff != "" {
		t.Errorf("names by URL depend on the order (-first +second):\n%s", diff)
	}
}

// Two triggers of one export that would have one name: the second would overwrite the first.
func TestNamesOfTriggersAreUnique(t *testing.T) {
	with := func(id, url, eventType string) cloudinary.Trigger {
		trigger := at(id, url)
		trigger.EventType = eventType
		// Each is a manifest of its own.
		trigger.Filter = json.RawMessage(fmt.Sprintf(`{"==":[{"var":"public_id"},%q]}`, id))
		return trigger
	}
	triggers := []cloudinary.Trigger{
		with("1", "https://h.example.com/", "video_upload"), with("2", "https://h.example.com/video", "upload"),
		with("3", "https://h.example.com/", "a_b"), with("4", "https://h.example.com/", "a__b"),
		with("5", "https://h.example.com/", "upload"), with("6", "https://h.example.com/", "upload_"),
	}
	to := target{namespace: "shop", secret: "cloudinary", environment: cloudinary.Environment{APIBase: "https://api.cloudinary.com", CloudName: "demo"}}
	first := map[string]string{}
	for i := range 20 {
		e := export(triggers, to)
		got := map[string]string{}
		for _, trigger := range e.triggers {
			what := fmt.Sprint(trigger.Spec.EndpointRef.Name, trigger.Spec.EventTypes)
			if other, taken := got[trigger.Name]; taken {
				t.Errorf("%q names both %s and %s", trigger.Name, other, what)
			}
			got[trigger.Name] = what
		}
		if i == 0 {
			first = got
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Fatalf("names depend on chance (-first +now):\n%s", diff)
		}
	}
	if first["h-example-com-video-upload"] != "h-example-com[video_upload]" {
		t.Errorf("names: %v", first)
	}
}

func TestNamesAreTakenOnlyForTheSame(t *testing.T) {
	const url, name = "https://h.example.com/", "h-example-com"
	prod := cloudinary.Environment{APIBase: "https://api.cloudinary.com", CloudName: "prod"}
	hash := func(name string, of ...string) string {
		return withHash(name, strings.Join(append([]string{prod.String(), url}, of...), " "))
	}
	own := source{url, "cloudinary"}
	ownTrigger := func(endpoint string) selection {
		return newSelection(plan.Key{Namespace: "shop", Name: endpoint}, []string{"upload"})
	}
	cases := map[string]struct {
		present           present
		endpoint, trigger string
	}{
		"nothing there": {present{}, name, name + "-upload"},
		"the same":      {present{endpoints: map[string]source{name: own}, triggers: map[string]selection{name + "-upload": ownTrigger(name)}}, name, name + "-upload"},
		"another URL":   {present{endpoints: map[string]source{name: {"https://other.example.com/", "cloudinary"}}}, hash(name), hash(name) + "-upload"},
		"another Secret": {
			present{endpoints: map[string]source{name: {url, "staging"}}}, hash(name), hash(name) + "-upload",
		},
		"the receiver's": {present{endpoints: map[string]source{name: {"", "cloudinary"}}}, hash(name), hash(name) + "-upload"},
		"another's, and the same under the hash": {
			present{endpoints: map[string]source{name: {url, "staging"}, hash(name): own}, triggers: map[string]selection{hash(name) + "-upload": ownTrigger(hash(name))}},
			hash(name), hash(name) + "-upload",
		},
		"the same under the hash, since the other has gone": {present{endpoints: map[string]source{hash(name): own}}, hash(name), hash(name) + "-upload"},
		"another's under both": {
			present{endpoints: map[string]source{name: {url, "staging"}, hash(name): {url, "staging"}}}, hash(name) + "-2", hash(name) + "-2-upload",
		},
		"a trigger for another endpoint": {
			present{endpoints: map[string]source{name: own}, triggers: map[string]selection{name + "-upload": ownTrigger("media")}},
			name, hash(name+"-upload", "upload"),
		},
		"a trigger with other event types": {
			present{endpoints: map[string]source{name: own}, triggers: map[string]selection{name + "-upload": newSelection(plan.Key{Namespace: "shop", Name: name}, []string{"upload", "delete"})}},
			name, hash(name+"-upload", "upload"),
		},
	}
	for title, test := range cases {
		t.Run(title, func(t *testing.T) {
			e := export([]cloudinary.Trigger{at("1", url)}, target{namespace: "shop", secret: "cloudinary", environment: prod, present: test.present})
			got := []string{e.endpoints[0].Name, e.triggers[0].Name, e.triggers[0].Spec.EndpointRef.Name}
			if diff := cmp.Diff([]string{test.endpoint, test.trigger, test.endpoint}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Production and staging send to one webhook, and both have their manifests in one namespace.
func TestExportOfASecondEnvironment(t *testing.T) {
	prod, staging := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{Cloud: "staging"})
	staging.secretURL = strings.Replace(staging.secretURL, "@"+simulator.DefaultCloud, "@staging", 1)
	second := staging.secret()
	second.Namespace, second.Name = prod.namespace, "staging"
	prod.create(prod.secret(), second)
	for _, f := range []*fixture{prod, staging} {
		f.have(`{"uri":"https://hooks.example.com/cloudinary","event_type":"upload"}`)
	}
	export := func(secret string) string {
		t.Helper()
		r := prod.call("export", "--secret", secret, "--allow-insecure-api-base")
		if r.code != 0 || r.err != "" {
			t.Fatalf("export of %s: %+v", secret, r)
		}
		return r.out
	}
	first := export("cloudinary")
	prod.kubectl(first, "apply", "-f", "-")
	prod.startManager()
	prod.ready()
	other := export("staging")
	if got := prod.kubectl(other, "apply", "-f", "-"); strings.Count(got, " created") != 2 {
		t.Errorf("the second export takes over what the first one made:\n%s", got)
	}
	prod.ready()
	for _, f := range []*fixture{prod, staging} {
		if diff := cmp.Diff(map[string]int{"POST": 1}, f.writes()); diff != "" {
			t.Errorf("writes at Cloudinary (-want +got):\n%s", diff)
		}
	}
	for secret, before := range map[string]string{"cloudinary": first, "staging": other} {
		if diff := cmp.Diff(before, export(secret)); diff != "" {
			t.Errorf("exported again, %s is (-before +after):\n%s", secret, diff)
		}
	}
}

func TestExportWithoutSightOfTheNamespace(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	f.have(`{"uri":"https://hooks.example.com/cloudinary","event_type":"upload"}`)
	user := "exporter-" + f.namespace
	f.grant(f.namespace, user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	r := f.call("export", "--secret", "cloudinary", "--allow-insecure-api-base", "--as", user)
	if want := "warning: names are not compared with those in namespace " + f.namespace; r.code != 0 || !strings.Contains(r.err, want) || !strings.Contains(r.out, kindTrigger) {
		t.Errorf("%+v, want %q", r, want)
	}
}

// grant gives a user rights in a namespace.
func (f *fixture) grant(namespace, user string, rules ...rbacv1.PolicyRule) {
	f.Helper()
	meta := metav1.ObjectMeta{Name: user, Namespace: namespace}
	f.create(
		&rbacv1.Role{ObjectMeta: meta, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
		},
	)
}
