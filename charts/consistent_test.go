// SPDX-License-Identifier: Apache-2.0

package charts_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// All that can be switched on.
const allValues = `
commonLabels: {example.com/team: media}
metrics: {serviceMonitor: {enabled: true}}
prometheusRule: {enabled: true}
grafanaDashboard: {enabled: true}
receiver:
  ingress: {enabled: true, hosts: [hooks.example.com]}
  httpRoute: {enabled: true, hostnames: [hooks.example.com], parentRefs: [{name: public, namespace: gateways}]}
  service: {port: 8000}
`

// What one object says of another is so under whatever names.
func TestWhatBelongsTogetherFindsEachOther(t *testing.T) {
	for name, test := range map[string]struct {
		release
		prefix string
	}{
		"a release with the chart's name":   {release{"cloudinary-operator", system, allValues}, "cloudinary-operator"},
		"a release with a name of its own":  {release{"hooks", "media", allValues}, "hooks-cloudinary-operator"},
		"a name that has the chart's in it": {release{"my-cloudinary-operator", "media", allValues}, "my-cloudinary-operator"},
		"another name for the chart":        {release{"hooks", "media", allValues + "nameOverride: cld\n"}, "hooks-cld"},
		"names that are given":              {release{"hooks", "media", allValues + "fullnameOverride: cld\n"}, "cld"},
		"a long name":                       {release{strings.Repeat("n", 53), "media", allValues}, strings.Repeat("n", 46)},
		"service accounts of one's own":     {release{"hooks", "media", allValues + "manager: {serviceAccount: {name: writer}}\n"}, "hooks-cloudinary-operator"},
		"one namespace":                     {release{"hooks", "media", allValues + "namespaced: true\n"}, "hooks-cloudinary-operator"},
		"some namespaces":                   {release{"hooks", "media", allValues + "watchNamespaces: [team-a, team-b]\n"}, "hooks-cloudinary-operator"},
		"no receiver":                       {release{"hooks", "media", "receiver: {enabled: false}"}, "hooks-cloudinary-operator"},
		"metrics without TLS":               {release{"hooks", "media", strings.Replace(allValues, "metrics: {", "metrics: {secure: false, ", 1)}, "hooks-cloudinary-operator"},
		"no policies or budgets":            {release{"hooks", "media", allValues + "admissionPolicies: {enabled: false}\npodDisruptionBudget: {enabled: false}\nnetworkPolicy: {enabled: false}\n"}, "hooks-cloudinary-operator"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rendered{T: t, namespace: test.namespace, objects: test.render(t)}
			byKey(t, r.objects)
			r.named(test.prefix, strings.Contains(test.values, "namespaced: true"))
			r.selected()
			r.bound()
			r.guarded()
			r.reached()
		})
	}
}

type rendered struct {
	*testing.T
	namespace string
	objects   []unstructured.Unstructured
}

func (r rendered) exists(kind, name string) bool {
	return slices.ContainsFunc(r.objects, func(o unstructured.Unstructured) bool { return o.GetKind() == kind && o.GetName() == name })
}

// named looks at names and namespaces, by which two releases meet or do not.
func (r rendered) named(prefix string, namespaced bool) {
	r.Helper()
	for _, o := range r.objects {
		if !strings.HasPrefix(o.GetName(), prefix) && o.GetKind() != "CustomResourceDefinition" && o.GetName() != "writer" {
			r.Errorf("%s does not begin with %s", key(o), prefix)
		}
		if len(o.GetName()) > 63 && (o.GetKind() == "Service" || o.GetKind() == "Deployment") {
			r.Errorf("the name of %s is too long", key(o))
		}
		here := o.GetNamespace() == r.namespace || strings.HasPrefix(o.GetNamespace(), "team-") && o.GetKind() == "RoleBinding"
		if !here && (namespaced || o.GetNamespace() != "") {
			r.Errorf("%s is outside of the release's namespace", key(o))
		}
	}
}

// selected looks at selectors: each finds the Pods of the one program that it is named for.
func (r rendered) selected() {
	r.Helper()
	pods := map[string]labels.Set{}
	for _, d := range each[appsv1.Deployment](r.T, r.objects, "Deployment") {
		pods[d.Labels["app.kubernetes.io/component"]] = d.Spec.Template.Labels
	}
	check := func(kind, name, component string, matchLabels map[string]string) {
		for program, labelsOfPod := range pods {
			if found := labels.SelectorFromSet(matchLabels).Matches(labelsOfPod); found != (program == component) || len(matchLabels) == 0 {
				r.Errorf("%s %s finds the %s: %v", kind, name, program, found)
			}
		}
	}
	for _, o := range r.objects {
		path := map[string][]string{
			"Deployment": {"spec", "selector", "matchLabels"}, "Service": {"spec", "selector"},
			"PodDisruptionBudget": {"spec", "selector", "matchLabels"}, "NetworkPolicy": {"spec", "podSelector", "matchLabels"},
		}[o.GetKind()]
		if path != nil {
			by, _, _ := unstructured.NestedStringMap(o.Object, path...)
			check(o.GetKind(), o.GetName(), o.GetLabels()["app.kubernetes.io/component"], by)
		}
	}
	for _, budget := range each[policyv1.PodDisruptionBudget](r.T, r.objects, "PodDisruptionBudget") {
		if pods[budget.Labels["app.kubernetes.io/component"]] == nil {
			r.Errorf("there is a PodDisruptionBudget %s for nothing", budget.Name)
		}
	}
}

// bound looks at roles: each binding has its role, and its account is one that runs a Pod, or whose token Prometheus shows.
func (r rendered) bound() {
	r.Helper()
	var accounts []string
	for _, secret := range each[corev1.Secret](r.T, r.objects, "Secret") { // Prometheus'
		account := secret.Annotations[corev1.ServiceAccountNameKey]
		accounts = append(accounts, account)
		if !r.exists("ServiceAccount", account) {
			r.Errorf("the Secret %s is for the account %s, which does not exist", secret.Name, account)
		}
	}
	for _, d := range each[appsv1.Deployment](r.T, r.objects, "Deployment") {
		accounts = append(accounts, d.Spec.Template.Spec.ServiceAccountName)
		if !r.exists("ServiceAccount", d.Spec.Template.Spec.ServiceAccountName) {
			r.Errorf("%s runs as %s, which does not exist", d.Name, d.Spec.Template.Spec.ServiceAccountName)
		}
	}
	for _, kind := range []string{"RoleBinding", "ClusterRoleBinding"} {
		for _, b := range each[rbacv1.ClusterRoleBinding](r.T, r.objects, kind) {
			if !r.exists(b.RoleRef.Kind, b.RoleRef.Name) {
				r.Errorf("%s %s is for the %s %s, which does not exist", kind, b.Name, b.RoleRef.Kind, b.RoleRef.Name)
			}
			subject := b.Subjects[0]
			if subject.Namespace != r.namespace || !slices.Contains(accounts, subject.Name) {
				r.Errorf("%s %s is for %s/%s", kind, b.Name, subject.Namespace, subject.Name)
			}
		}
	}
}

// guarded looks at the policies: each is in force, and that of Secrets is for the manager's account.
func (r rendered) guarded() {
	r.Helper()
	bindings := map[string]bool{}
	for _, b := range each[admissionregistrationv1.ValidatingAdmissionPolicyBinding](r.T, r.objects, "ValidatingAdmissionPolicyBinding") {
		bindings[b.Spec.PolicyName] = true
	}
	policies := each[admissionregistrationv1.ValidatingAdmissionPolicy](r.T, r.objects, "ValidatingAdmissionPolicy")
	for _, p := range policies {
		if !bindings[p.Name] {
			r.Errorf("the policy %s is not in force", p.Name)
		}
		if !strings.HasSuffix(p.Name, "-manager-secrets") {
			continue
		}
		account := each[appsv1.Deployment](r.T, r.objects, "Deployment")[0].Spec.Template.Spec.ServiceAccountName
		ending := accountEnding(r.T, p)
		if !strings.HasSuffix("system:serviceaccount:"+r.namespace+":"+account, ending) {
			r.Errorf("the policy %s is for %s, and not for %s", p.Name, ending, account)
		}
		if ending != "cloudinary-operator-manager" && ending != ":"+account {
			r.Errorf("the policy %s holds accounts of others that end in %s", p.Name, ending)
		}
	}
	if len(bindings) != len(policies) {
		r.Errorf("%d bindings for %d policies", len(bindings), len(policies))
	}
}

// accountEnding is what the user's name ends in where the policy for Secrets holds it.
func accountEnding(t *testing.T, p admissionregistrationv1.ValidatingAdmissionPolicy) string {
	t.Helper()
	ending := regexp.MustCompile(`username\.endsWith\('([^']+)'\)`).FindStringSubmatch(p.Spec.MatchConditions[0].Expression)
	if ending == nil {
		t.Fatalf("the policy %s goes by no name: %s", p.Name, p.Spec.MatchConditions[0].Expression)
	}
	return ending[1]
}

// Where all is in one namespace, an administrator may install the policy that config/ has. Who has an account that it does not know is told.
func TestTheAdministratorsPolicyKnowsTheAccountOrTheNotesSaySo(t *testing.T) {
	policies := each[admissionregistrationv1.ValidatingAdmissionPolicy](t, objects(t, read(t, "../config/rbac/secret_policy.yaml")), "ValidatingAdmissionPolicy")
	ending := accountEnding(t, policies[0])
	for name, test := range map[string]struct {
		release string
		values  string
		known   bool
	}{
		"the chart's name":                  {release: "cloudinary-operator", known: true},
		"a name of its own":                 {release: "team-a", known: true},
		"a name that ends with the chart's": {release: "my-cloudinary-operator", known: true},
		"a name that begins with it":        {release: "cloudinary-operator-2"},
		"another name for the chart":        {release: "team-a", values: "nameOverride: cld\n"},
		"names that are given":              {release: "team-a", values: "fullnameOverride: cld\n"},
		"the account's name that is given":  {release: "team-a", values: "manager: {serviceAccount: {name: writer}}\n"},
		"one that the policy knows":         {release: "team-a", values: "fullnameOverride: cld\nmanager: {serviceAccount: {name: cld-cloudinary-operator-manager}}\n", known: true},
		"a long name":                       {release: strings.Repeat("n", 53)},
	} {
		t.Run(name, func(t *testing.T) {
			r := release{test.release, "team-a", "namespaced: true\n" + test.values}
			account := each[appsv1.Deployment](t, r.render(t), "Deployment")[0].Spec.Template.Spec.ServiceAccountName
			if known := strings.HasSuffix("system:serviceaccount:team-a:"+account, ending); known != test.known {
				t.Errorf("the policy holds %s: %v, want %v", account, known, test.known)
			}
			if told := strings.Contains(notes(t, r), "The policy for Secrets"); told == test.known {
				t.Errorf("the notes say that the policy does not hold %s: %v", account, told)
			}
		})
	}
}

// reached looks at the ways to the receiver, and to its volume.
func (r rendered) reached() {
	r.Helper()
	ports := map[string][]string{}
	for _, s := range each[corev1.Service](r.T, r.objects, "Service") {
		ports[s.Name] = []string{s.Spec.Ports[0].Name, fmt.Sprint(s.Spec.Ports[0].Port)}
	}
	for _, i := range each[networkingv1.Ingress](r.T, r.objects, "Ingress") {
		backend := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service
		if !slices.Contains(ports[backend.Name], backend.Port.Name) {
			r.Errorf("the Ingress leads to %s %s", backend.Name, backend.Port.Name)
		}
	}
	for _, route := range each[unstructured.Unstructured](r.T, r.objects, "HTTPRoute") {
		rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
		backend := rules[0].(map[string]any)["backendRefs"].([]any)[0].(map[string]any)
		if !slices.Contains(ports[backend["name"].(string)], fmt.Sprint(backend["port"])) {
			r.Errorf("the HTTPRoute leads to %v", backend)
		}
	}
	for _, d := range each[appsv1.Deployment](r.T, r.objects, "Deployment") {
		for _, volume := range d.Spec.Template.Spec.Volumes {
			if c := volume.PersistentVolumeClaim; c != nil && !r.exists("PersistentVolumeClaim", c.ClaimName) {
				r.Errorf("%s mounts %s, which does not exist", d.Name, c.ClaimName)
			}
		}
	}
}

// Two of them in one cluster have no name in common.
func TestTwoNamespacedReleasesShareNothing(t *testing.T) {
	seen := map[string]bool{}
	for _, namespace := range []string{"team-a", "team-b"} {
		for _, o := range (release{"cloudinary-operator", namespace, allValues + "namespaced: true\n"}).render(t) {
			if seen[key(o)] {
				t.Errorf("both have %s", key(o))
			}
			seen[key(o)] = true
		}
	}
}

// With namespaces that are named, nothing of the main roles is granted elsewhere.
func TestRightsInSomeNamespacesAreInThoseAlone(t *testing.T) {
	objects := release{"cloudinary-operator", system, "watchNamespaces: [team-a, team-b]"}.render(t)
	var got []string
	for _, kind := range []string{"RoleBinding", "ClusterRoleBinding"} {
		for _, b := range each[rbacv1.RoleBinding](t, objects, kind) {
			if b.RoleRef.Kind == "ClusterRole" {
				got = append(got, fmt.Sprintf("%s of %s in %q", b.RoleRef.Name, b.Subjects[0].Name, b.Namespace))
			}
		}
	}
	slices.Sort(got)
	want := []string{
		`cloudinary-operator-manager of cloudinary-operator-manager in "team-a"`,
		`cloudinary-operator-manager of cloudinary-operator-manager in "team-b"`,
		`cloudinary-operator-metrics-auth of cloudinary-operator-manager in ""`,
		`cloudinary-operator-metrics-auth of cloudinary-operator-receiver in ""`,
		`cloudinary-operator-receiver of cloudinary-operator-receiver in "team-a"`,
		`cloudinary-operator-receiver of cloudinary-operator-receiver in "team-b"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bindings of ClusterRoles (-want +got):\n%s", diff)
	}
	for _, role := range each[rbacv1.ClusterRole](t, objects, "ClusterRole") {
		for _, rule := range role.Rules {
			if slices.Contains(rule.Resources, "namespaces") {
				t.Errorf("%s may read namespaces, whose labels nobody needs", role.Name)
			}
		}
	}
	for _, d := range each[appsv1.Deployment](t, objects, "Deployment") {
		if args := d.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--watch-namespaces=team-a,team-b") {
			t.Errorf("%s is not told of the namespaces: %q", d.Name, args)
		}
	}
}

// An alert on what is not installed would fire for ever.
func TestThereAreAlertsOnWhatIsInstalledAlone(t *testing.T) {
	const manager, objects, receiver = "cloudinary-manager", "cloudinary-objects", "cloudinary-receiver"
	ofManager := []string{"CloudinaryManagerAbsent", "CloudinaryNoLeader", "CloudinaryOutOfSync"}
	for name, test := range map[string]struct {
		values      string
		groups      []string
		alerts, not []string
	}{
		"everything": {
			values: "prometheusRule: {enabled: true}", groups: []string{manager, objects, receiver},
			alerts: append(ofManager, "CloudinaryReceiverAbsent", "CloudinaryDeadLetters"),
		},
		"no receiver": {
			values: "{receiver: {enabled: false}, prometheusRule: {enabled: true}}", groups: []string{manager, objects},
			alerts: ofManager, not: []string{"CloudinaryReceiverAbsent", "CloudinaryDeadLetters"},
		},
		"no receiver and one of its alerts disabled": {
			values: "{receiver: {enabled: false}, prometheusRule: {enabled: true, disabled: [CloudinaryReceiverSlow]}}", groups: []string{manager, objects},
			alerts: ofManager, not: []string{"CloudinaryReceiverAbsent", "CloudinaryReceiverSlow"},
		},
		"some disabled and with one of them its group": {
			values: "prometheusRule: {enabled: true, disabled: [CloudinaryOutOfSync, CloudinaryTargetBehind]}", groups: []string{manager, receiver},
			alerts: []string{"CloudinaryManagerAbsent", "CloudinaryDeadLetters"}, not: []string{"CloudinaryOutOfSync", "CloudinaryTargetBehind"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var names, alerts []string
			for _, rule := range each[unstructured.Unstructured](t, release{chart, system, test.values}.render(t), "PrometheusRule") {
				groups, _, _ := unstructured.NestedSlice(rule.Object, "spec", "groups")
				for _, group := range groups {
					group := group.(map[string]any)
					names = append(names, group["name"].(string))
					for _, rule := range group["rules"].([]any) {
						alerts = append(alerts, rule.(map[string]any)["alert"].(string))
					}
				}
			}
			if diff := cmp.Diff(test.groups, names); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
			for _, want := range test.alerts {
				if !slices.Contains(alerts, want) {
					t.Errorf("there is no %s", want)
				}
			}
			for _, not := range test.not {
				if slices.Contains(alerts, not) {
					t.Errorf("there is %s", not)
				}
			}
		})
	}
}
