// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

var (
	viewObjects = rbacv1.PolicyRule{
		APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"cloudinarytriggers", "notificationendpoints"}, Verbs: []string{"get", "list"},
	}
	viewTriggers = rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"cloudinarytriggers"}, Verbs: []string{"get", "list"}}
	viewSecrets  = rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}
)

// A trigger in one namespace and its endpoint in another, and people with rights in one, in both,
// or everywhere.
func TestPlanAcrossNamespacesWithFewRights(t *testing.T) {
	shop, guest := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	ep := shop.endpoint("media", mediaURL)
	ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
	shop.create(shop.secret(), ep)
	manifest := fmt.Sprintf("apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: far, namespace: %s}\n"+
		"spec: {endpointRef: {name: media, namespace: %s}, eventTypes: [upload]}\n", guest.namespace, shop.namespace)
	both, blind, half, none := "both-"+guest.namespace, "blind-"+guest.namespace, "half-"+guest.namespace, "none-"+guest.namespace
	shop.grant(shop.namespace, both, viewObjects, viewSecrets)
	shop.grant(guest.namespace, both, viewObjects)
	shop.grant(guest.namespace, blind, viewObjects)
	shop.grant(shop.namespace, half, viewTriggers)
	shop.grant(guest.namespace, half, viewObjects)
	unseen := []string{"NotRead", "NotificationEndpoint " + shop.namespace + "/media cannot be read", "Plan: 0 to create"}
	cases := map[string]struct {
		user string
		code int
		out  []string
		err  string
	}{
		"everywhere":                        {"", 2, []string{"Plan: 1 to create", "new"}, ""},
		"in both":                           {both, 2, []string{"Plan: 1 to create", "new"}, "warning: objects of other namespaces than"},
		"in the trigger's alone":            {blind, 1, unseen, "Missing inputs: NotificationEndpoint " + shop.namespace + "/media\n"},
		"and to triggers in the endpoint's": {half, 1, unseen, "Missing inputs: NotificationEndpoint " + shop.namespace + "/media\n"},
		"nowhere":                           {none, 1, nil, "forbidden"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			args := []string{"plan", "-f", "-", "--allow-insecure-api-base", "--exit-code"}
			if test.user != "" {
				args = append(args, "--as", test.user)
			}
			r := guest.callWith(manifest, args...)
			if r.code != test.code || !strings.Contains(r.err, test.err) || (test.err == "") != (r.err == "") {
				t.Errorf("code %d, errors %q; want %d and %q", r.code, r.err, test.code, test.err)
			}
			for _, want := range test.out {
				if !strings.Contains(r.out, want) {
					t.Errorf("%q is missing in\n%s", want, r.out)
				}
			}
			if strings.Contains(r.out, v1alpha1.ReasonEndpointNotFound) {
				t.Errorf("the endpoint is there:\n%s", r.out)
			}
		})
	}
	// What is in the cluster already, shown without manifests.
	guest.kubectl(manifest, "apply", "-f", "-")
	r := guest.call("plan", "--allow-insecure-api-base", "--exit-code", "--as", blind)
	if r.code != 1 || !strings.Contains(r.out, "NotRead") || strings.Contains(r.out, "\nnotificationendpoint/") {
		t.Errorf("without manifests: %+v", r)
	}
	if r := guest.call("plan", "--as", none); r.code != 1 || !strings.Contains(r.err, "forbidden") {
		t.Errorf("without manifests and rights: %+v", r)
	}
}

// The namespace of the context plays no part where every manifest names another.
func TestPlanForAnotherNamespaceThanTheContexts(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	user := "shop-" + f.namespace
	f.grant(f.namespace, user, viewObjects, viewSecrets)
	r := runWith(t.Context(), f.now, f.env, inNamespace(desk, f.namespace),
		"plan", "-f", "-", "--allow-insecure-api-base", f.basesFlag(), "--exit-code", "--kubeconfig", f.kubeconfig, "--namespace", "default", "--as", user)
	if want := "warning: objects of other namespaces than " + f.namespace + " cannot be read"; r.code != 2 || !strings.Contains(r.err, want) || !strings.Contains(r.out, "Plan: 2 to create") {
		t.Errorf("%+v, want code 2 and %q", r, want)
	}
}

func TestPlanOfWhichNothingIsKnownIsNoSuccess(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	check := func(name, manifest, want string, flags ...string) {
		t.Helper()
		r := f.callWith(manifest, append([]string{"plan", "-f", "-", "--exit-code"}, flags...)...)
		if want := "Missing inputs: " + want + "\n"; r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v, want 1 and %q", name, r, want)
		}
	}
	secret := "Secret " + f.namespace + "/cloudinary, "
	check("no Secret", desk, secret+"which does not exist", "--allow-insecure-api-base")
	if got := f.plan(desk, "-f", "-").Unknown; len(got) != 1 || got[0] != secret+"which does not exist" {
		t.Errorf("as JSON: unknown %q", got)
	}
	// What is refused for certain is told by the code, and the rest by a warning.
	r := f.callWith(planned, "plan", "-f", "-", "--exit-code", "--allow-insecure-api-base")
	if want := "warning: the plan is incomplete. Missing inputs: " + secret + "which does not exist\n"; r.code != 3 || r.err != want {
		t.Errorf("refused, and not whole: %+v, want 3 and %q", r, want)
	}
	f.create(f.secret())
	check("no flag for http", desk, secret+"of which the credentials cannot be used")
	ignored := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
	if r := f.callWith(ignored, "plan", "-f", "-", "--exit-code"); r.code != 0 || r.err != "warning: none of the manifests is for the operator: 2 objects ignored\n" {
		t.Errorf("nothing of the operator's: %+v", r)
	}
}
