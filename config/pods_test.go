// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// programFolders install manager and receiver.
func programFolders() []string { return []string{"default", "trial", "namespaced"} }

// A warning for a Deployment is not enough: what counts is that its Pods are let in.
func TestEachPodIsLetIntoARestrictedNamespace(t *testing.T) {
	env := testenv.Start(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "restricted", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := env.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	try := func(spec *corev1.PodSpec) error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, GenerateName: "pod-"}, Spec: *spec.DeepCopy()}
		return env.Client.Create(t.Context(), pod, client.DryRunAll)
	}
	for _, folder := range append(programFolders(), "samples/listener") {
		for _, deployment := range each[appsv1.Deployment](t, render(t, folder), "Deployment") {
			t.Run(folder+"/"+deployment.Name, func(t *testing.T) {
				spec := &deployment.Spec.Template.Spec
				if err := try(spec); err != nil {
					t.Errorf("the Pod is refused: %v", err)
				}
				// As a check of this test: what the profile forbids is refused here.
				spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true)
				if err := try(spec); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
					t.Errorf("a Pod that may escalate privileges is not refused: %v", err)
				}
			})
		}
	}
}

func TestTheNamespaceIsRestricted(t *testing.T) {
	for _, folder := range []string{"default", "trial"} {
		for _, namespace := range each[corev1.Namespace](t, render(t, folder), "Namespace") {
			if namespace.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("config/%s: namespace %s enforces nothing", folder, namespace.Name)
			}
		}
	}
}

// What may come in, and go out, for each program. A port that has no number is a container's.
func TestEachProgramHasOneNetworkPolicy(t *testing.T) {
	anyPod, samePods, scrapers := "any Pod", "Pods of the namespace", "Pods of monitoring"
	apiServer := "TCP 443, TCP 6443, TCP 8443 of anybody"
	want := map[string][]string{
		manager:  {"in: TCP metrics of " + scrapers, "out: " + apiServer, "out: TCP 53, UDP 53 of anybody"},
		receiver: {"in: TCP metrics of " + scrapers, "in: TCP notifications of anybody", "out: " + apiServer, "out: every port of " + anyPod},
	}
	for _, folder := range programFolders() {
		objects := render(t, folder)
		for _, deployment := range each[appsv1.Deployment](t, objects, "Deployment") {
			t.Run(folder+"/"+deployment.Name, func(t *testing.T) {
				policies := slices.DeleteFunc(each[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy"), func(p networkingv1.NetworkPolicy) bool {
					return !selected(t, &p.Spec.PodSelector, &deployment)
				})
				if len(policies) != 1 || len(policies[0].Spec.PolicyTypes) != 2 {
					t.Fatalf("want one policy for both directions, there are %+v", policies)
				}
				expected := slices.Clone(want[deployment.Name])
				if folder == "namespaced" { // without a token, so not for all
					expected[0] = "in: TCP metrics of " + samePods
				}
				if diff := cmp.Diff(expected, rules(&policies[0].Spec)); diff != "" {
					t.Errorf("rules (-want +got):\n%s", diff)
				}
				for _, rule := range policies[0].Spec.Ingress {
					for _, port := range rule.Ports {
						if !hasPort(&deployment, port.Port.StrVal) {
							t.Errorf("the container has no port %s", port.Port)
						}
					}
				}
			})
		}
	}
}

// rules are a policy's, one line each, sorted.
func rules(spec *networkingv1.NetworkPolicySpec) []string {
	var lines []string
	for _, in := range spec.Ingress {
		lines = append(lines, fmt.Sprintf("in: %s of %s", portsOf(in.Ports), peersOf(in.From)))
	}
	for _, out := range spec.Egress {
		lines = append(lines, fmt.Sprintf("out: %s of %s", portsOf(out.Ports), peersOf(out.To)))
	}
	slices.Sort(lines)
	return lines
}

func portsOf(all []networkingv1.NetworkPolicyPort) string {
	if len(all) == 0 {
		return "every port"
	}
	var ports []string
	for _, p := range all {
		ports = append(ports, string(*p.Protocol)+" "+p.Port.String())
	}
	slices.Sort(ports)
	return strings.Join(ports, ", ")
}

func peersOf(peers []networkingv1.NetworkPolicyPeer) string {
	everything := &metav1.LabelSelector{}
	switch {
	case len(peers) == 0:
		return "anybody"
	case cmp.Equal(peers, []networkingv1.NetworkPolicyPeer{{NamespaceSelector: everything}}):
		return "any Pod"
	case cmp.Equal(peers, []networkingv1.NetworkPolicyPeer{{PodSelector: everything}}):
		return "Pods of the namespace"
	case cmp.Equal(peers, []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{
		MatchLabels: map[string]string{corev1.LabelMetadataName: "monitoring"},
	}}}):
		return "Pods of monitoring"
	default:
		return fmt.Sprintf("%+v", peers)
	}
}

// A token, or an address, that a Pod does not need is there for whoever breaks into it.
func TestPodsAreGivenWhatTheyNeedAlone(t *testing.T) {
	for _, folder := range programFolders() {
		objects := render(t, folder)
		for _, account := range each[corev1.ServiceAccount](t, objects, "ServiceAccount") {
			if account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
				t.Errorf("config/%s: any Pod that runs as %s is given its token", folder, account.Name)
			}
		}
		for _, deployment := range each[appsv1.Deployment](t, objects, "Deployment") {
			spec := deployment.Spec.Template.Spec
			if spec.AutomountServiceAccountToken == nil || !*spec.AutomountServiceAccountToken {
				t.Errorf("config/%s: %s has no token, and cannot work without", folder, deployment.Name)
			}
			if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
				t.Errorf("config/%s: %s is told the addresses of all Services of its namespace", folder, deployment.Name)
			}
		}
	}
}

func TestADrainIsNeverHeldBackByOneReplica(t *testing.T) {
	for _, folder := range programFolders() {
		objects := render(t, folder)
		for _, deployment := range each[appsv1.Deployment](t, objects, "Deployment") {
			budgets := slices.DeleteFunc(each[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget"), func(b policyv1.PodDisruptionBudget) bool {
				return !selected(t, b.Spec.Selector, &deployment)
			})
			if len(budgets) != 1 || budgets[0].Spec.MinAvailable != nil || *budgets[0].Spec.MaxUnavailable != intstr.FromInt32(1) {
				t.Errorf("config/%s: the budgets of %s are %+v, want one with maxUnavailable 1", folder, deployment.Name, budgets)
			}
		}
	}
}

func TestEachServiceLeadsToAPort(t *testing.T) {
	for _, folder := range programFolders() {
		objects := render(t, folder)
		for _, service := range each[corev1.Service](t, objects, "Service") {
			led := false
			for _, deployment := range each[appsv1.Deployment](t, objects, "Deployment") {
				selector := &metav1.LabelSelector{MatchLabels: service.Spec.Selector}
				led = led || selected(t, selector, &deployment) && hasPort(&deployment, service.Spec.Ports[0].TargetPort.StrVal)
			}
			if !led {
				t.Errorf("config/%s: Service %s leads to no container's port", folder, service.Name)
			}
		}
	}
}

func selected(t *testing.T, by *metav1.LabelSelector, deployment *appsv1.Deployment) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(deployment.Spec.Template.Labels))
}

func hasPort(deployment *appsv1.Deployment, name string) bool {
	return slices.ContainsFunc(deployment.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
	})
}

// each returns the objects of a kind. There is at least one.
func each[T any](t *testing.T, objects []unstructured.Unstructured, kind string) []T {
	t.Helper()
	var found []T
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		var into T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &into); err != nil {
			t.Fatal(err)
		}
		found = append(found, into)
	}
	if len(found) == 0 {
		t.Fatalf("there is no %s", kind)
	}
	return found
}
