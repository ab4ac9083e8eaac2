// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// applyOver creates or updates every object of a YAML stream, as kubectl apply would.
func (f *fixture) applyOver(manifests string) {
	f.Helper()
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); err == io.EOF { //nolint:errorlint // the decoder returns it bare
			return
		} else if err != nil {
			f.Fatal(err)
		}
		o.SetNamespace(f.namespace)
		want := o.DeepCopy()
		err := api.Client.Create(f.Context(), o)
		if !apierrors.IsAlreadyExists(err) {
			f.must(err)
			continue
		}
		testenv.Eventually(f.T, patience, func() error { // the manager writes, too
			if err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(want), o); err != nil {
				return err
			}
			for _, part := range []string{"spec", "data"} {
				if value, ok := want.Object[part]; ok {
					o.Object[part] = value
				}
			}
			return api.Client.Update(f.Context(), o)
		})
	}
}

func manifestOf(kind, name, spec string) string {
	return fmt.Sprintf("---\napiVersion: notifications.cloudinary.dev/v1alpha1\nkind: %s\nmetadata: {name: %s}\nspec: %s\n", kind, name, spec)
}

// What a plan says beforehand, of all kinds of change, is what the real manager then does.
func TestForesight(t *testing.T) {
	endpoint := func(spec string) string { return manifestOf(kindEndpoint, "media", spec) }
	trigger := func(name, spec string) string { return manifestOf(kindTrigger, name, spec) }
	cases := map[string]struct {
		manifests string
		want      map[string]int // calls
	}{
		"a setting": {
			trigger("media", `{endpointRef: {name: media}, eventTypes: [upload, rename], additive: true}`), map[string]int{"PUT": 2},
		},
		"one event type for another": {
			trigger("media", `{endpointRef: {name: media}, eventTypes: [upload, move]}`), map[string]int{"POST": 1, "DELETE": 1},
		},
		"another URL": {
			endpoint(`{credentialsSecretRef: {name: cloudinary}, url: "https://other.example.com/"}`), map[string]int{"PUT": 2},
		},
		"another URL for one of two objects": {
			manifestOf(kindEndpoint, "second", `{credentialsSecretRef: {name: cloudinary}, url: "https://other.example.com/"}`) +
				trigger("media", `{endpointRef: {name: second}, eventTypes: [upload, rename]}`), map[string]int{"PUT": 2},
		},
		"the same, by other objects": {
			// Who takes comes first: a plan is of all manifests at once, and a manager that is
			// quick sees one after the other.
			trigger("uploads", `{endpointRef: {name: media}, eventTypes: [upload]}`) +
				trigger("media", `{endpointRef: {name: media}, eventTypes: [rename]}`), map[string]int{},
		},
		"another product environment": {
			endpoint(`{credentialsSecretRef: {name: elsewhere}, url: "https://media.example.com/hook"}`), map[string]int{"POST": 2, "DELETE": 2},
		},
		"nothing": {
			trigger("media", `{endpointRef: {name: media}, eventTypes: [rename, upload]}`), map[string]int{},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			f, elsewhere := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
			secret := elsewhere.secret()
			secret.Name, secret.Namespace = "elsewhere", f.namespace
			f.create(secret)
			f.settled()
			calls := func() map[string]int {
				sum := f.writes()
				for method, n := range elsewhere.writes() {
					sum[method] += n
				}
				return sum
			}
			before := calls()
			report := f.plan(test.manifests, "-f", "-")
			said := map[string]int{}
			for action, method := range map[string]string{"create": http.MethodPost, "update": http.MethodPut, "delete": http.MethodDelete} {
				if n := report.Summary[action]; n > 0 {
					said[method] = n
				}
			}
			if diff := cmp.Diff(test.want, said); diff != "" {
				t.Fatalf("calls that the plan foresees (-want +got):\n%s", diff)
			}
			f.applyOver(test.manifests)
			want := before
			for method, n := range said {
				want[method] += n
			}
			testenv.Eventually(t, patience, func() error {
				if left := f.plan("").lines(); len(left) > 0 {
					return fmt.Errorf("still to be done: %v", left)
				}
				if diff := cmp.Diff(want, calls()); diff != "" {
					return fmt.Errorf("calls of the manager (-foreseen +made):\n%s", diff)
				}
				return nil
			})
			f.ready()
			if diff := cmp.Diff(want, calls()); diff != "" {
				t.Errorf("calls of the manager in the end (-foreseen +made):\n%s", diff)
			}
		})
	}
}
