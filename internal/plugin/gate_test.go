// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// In a pipeline, plan stops what would not be accepted, and what most likely is a mistake.
func TestPlanAsAGate(t *testing.T) {
	trigger := func(spec string) string { return manifestOf(kindTrigger, "gate", spec) }
	endpoint := func(spec string) string {
		return manifestOf(kindEndpoint, "gate", "{credentialsSecretRef: {name: cloudinary}, "+spec+"}")
	}
	f := newFixture(t, simulator.Options{})
	f.settled()
	for name, tc := range map[string]struct {
		manifests string
		code      int
		says      []string
	}{
		"nothing changes":      {manifestOf(kindTrigger, "media", `{endpointRef: {name: media}, eventTypes: [upload, rename]}`), 0, []string{"No changes."}},
		"a conflict":           {trigger(`{endpointRef: {name: media}, eventTypes: [upload]}`), 3, []string{"Conflict"}},
		"a change":             {trigger(`{endpointRef: {name: media}, eventTypes: [delete]}`), 2, []string{"Plan: 1 to create"}},
		"a filter that is not": {trigger(`{endpointRef: {name: media}, eventTypes: [delete], filter: {equals: [1, 1]}}`), 3, []string{"InvalidFilter", "Refused: 1 of 1 objects"}},
		"a misspelled event type": {
			trigger(`{endpointRef: {name: media}, eventTypes: [uplod]}`), 3,
			[]string{`Note: spec.eventTypes: event type "uplod" is not one this operator knows (did you mean "upload"?)`, "Refused: 1 of 1 objects", "Plan: 1 to create"},
		},
		"an event type that may be new": {trigger(`{endpointRef: {name: media}, eventTypes: [captions_ready]}`), 2, []string{`Note: spec.eventTypes: event type "captions_ready" is not one`}},
		"an endpoint that is not there": {trigger(`{endpointRef: {name: medai}, eventTypes: [delete]}`), 3, []string{"EndpointNotFound"}},
		"an event type of no kind":      {trigger(`{endpointRef: {name: media}, eventTypes: [Upload]}`), 3, []string{"The API server refuses the manifest: spec.eventTypes: ", "lower-case letters", "Plan: 0 to create"}},
		"no event type":                 {trigger(`{endpointRef: {name: media}, eventTypes: []}`), 3, []string{"Invalid", "spec.eventTypes"}},
		"an endpoint with two addresses": {
			endpoint(`url: "https://a.example.com", receiver: {}`), 3, []string{"exactly one of url and receiver must be set"},
		},
		"a time that is none": {endpoint(`receiver: {retry: {maxAge: 3d}}`), 3, []string{"spec.receiver.retry.maxAge"}},
		"a host that cannot be": {
			endpoint(`url: "https://m%C3%BCnchen.example/hook"`), 3, []string{"punycode"},
		},
		"a host with a variable":     {endpoint(`url: "https://$(HOST)/hook"`), 3, []string{"InvalidURL", "placeholder"}},
		"an address of this machine": {endpoint(`url: "https://localhost:8080/hook"`), 0, []string{"Note: spec.url: the host is the caller's own machine", "spec.receiver with deliverTo"}},
		"a target's misspelled event type": {
			endpoint(`receiver: {baseURL: "https://hooks.example.com", deliverTo: [{name: catalog, event: {}, eventTypes: [uplod]}]}`), 3, []string{`did you mean "upload"?`},
		},
		"a target's event type that nothing brings": {
			endpoint(`receiver: {baseURL: "https://hooks.example.com", deliverTo: [{name: catalog, event: {}, eventTypes: [delete]}]}`), 0,
			[]string{"Note: spec.receiver.deliverTo[catalog].eventTypes: no CloudinaryTrigger that uses this endpoint has delete"},
		},
		"a change that the API server refuses": {
			manifestOf(kindTrigger, "media", `{endpointRef: {name: media}, eventTypes: [upload, Rename]}`), 3,
			[]string{"The API server refuses the manifest", "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.callWith(tc.manifests, "plan", "-f", "-", "--allow-insecure-api-base", "--exit-code")
			if r.code != tc.code || r.err != "" {
				t.Errorf("code %d, errors %q; want %d and none", r.code, r.err, tc.code)
			}
			for _, part := range tc.says {
				if !strings.Contains(r.out, part) {
					t.Errorf("it does not say %q:\n%s", part, r.out)
				}
			}
			if r := f.callWith(tc.manifests, "plan", "-f", "-", "--allow-insecure-api-base"); r.code != 0 {
				t.Errorf("without --exit-code: code %d, want 0", r.code)
			}
		})
	}
}

// What plan says of a manifest beforehand is what the manager then says.
func TestPlanSaysWhatTheManagerThenSays(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.settled()
	manifests := manifestOf(kindEndpoint, "desk", `{credentialsSecretRef: {name: cloudinary}, url: "http://catalog.shop.svc.cluster.local/hooks"}`) +
		manifestOf(kindEndpoint, "inbox", `{credentialsSecretRef: {name: cloudinary}, receiver: {path: Plain, baseURL: "https://10.0.0.1",
  deliverTo: [{name: catalog, event: {}, eventTypes: [delete, uplod]}]}}`) +
		manifestOf(kindTrigger, "desk", `{endpointRef: {name: desk}, eventTypes: [delete]}`) +
		manifestOf(kindTrigger, "inbox", `{endpointRef: {name: inbox}, eventTypes: [upload]}`) +
		manifestOf(kindTrigger, "filter", `{endpointRef: {name: desk}, eventTypes: [move], filter: {bogus: 1}}`)
	foreseen := map[string]string{}
	for _, o := range f.plan(manifests, "-f", "-").Objects {
		foreseen[o.Kind+" "+o.Name] = o.AcceptedMessage
	}
	f.applyOver(manifests)
	for _, name := range []string{"desk", "inbox", "filter"} {
		for _, kind := range []string{kindEndpoint, kindTrigger} {
			want, ok := foreseen[kind+" "+name]
			if !ok {
				continue
			}
			testenv.Eventually(t, patience, func() error {
				if got := f.accepted(kind, name); got != want {
					return fmt.Errorf("%s %s: the manager says %q, and the plan said %q", kind, name, got, want)
				}
				return nil
			})
		}
	}
	if len(foreseen) != 5 {
		t.Errorf("the plan is of %v", foreseen)
	}
	for kind, name := range map[string]string{kindEndpoint: "inbox", kindTrigger: "desk"} {
		want := fmt.Sprintf("%s/%s/%s: Note: %s", f.namespace, strings.ToLower(kind), name, check.NotesIn(foreseen[kind+" "+name]))
		// An object that is not ready has its notes in its own sentence.
		testenv.Eventually(t, patience, func() error {
			if out := f.succeeds("status"); !strings.Contains(out, want) {
				return fmt.Errorf("status does not have %q:\n%s", want, out)
			}
			return nil
		})
	}
}

// accepted is the message of an object's condition Accepted.
func (f *fixture) accepted(kind, name string) string {
	f.Helper()
	conditions := f.conditionsOf(kind, name)
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionAccepted); c != nil {
		return c.Message
	}
	return ""
}

// conditionsOf are an object's conditions.
func (f *fixture) conditionsOf(kind, name string) []metav1.Condition {
	f.Helper()
	key := client.ObjectKey{Namespace: f.namespace, Name: name}
	if kind == kindEndpoint {
		var ep v1alpha1.NotificationEndpoint
		f.must(api.Client.Get(f.Context(), key, &ep))
		return ep.Status.Conditions
	}
	var t v1alpha1.CloudinaryTrigger
	f.must(api.Client.Get(f.Context(), key, &t))
	return t.Status.Conditions
}
