// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// overlay renders a kustomization of a user's, in which ${BASE} stands for the folder config.
func overlay(t *testing.T, lines string) []unstructured.Unstructured {
	t.Helper()
	return render(t, overlayFolder(t, lines))
}

func overlayFolder(t *testing.T, lines string) string {
	t.Helper()
	folder := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Rel(folder, here) // kustomize takes no absolute path
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n" + strings.ReplaceAll(lines, "${BASE}", base)
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestTheNamespacedOverlayHasNothingOutsideOfItsNamespace(t *testing.T) {
	for _, object := range render(t, "namespaced") {
		if object.GetNamespace() != system {
			t.Errorf("%s %s is in no namespace, or in another: %q", object.GetKind(), object.GetName(), object.GetNamespace())
		}
	}
}

// A role that is bound to a service account elsewhere is a program without rights.
func TestAnOverlayMovesEverythingToItsNamespace(t *testing.T) {
	for _, folder := range []string{"default", "trial", "namespaced"} {
		t.Run(folder, func(t *testing.T) {
			objects := overlay(t, fmt.Sprintf("namespace: team-a\nresources: [${BASE}/%s]\n", folder))
			accounts := map[string]bool{}
			bindings := 0
			for _, object := range objects {
				if ns := object.GetNamespace(); ns != "" && ns != "team-a" {
					t.Errorf("%s %s stays in %s", object.GetKind(), object.GetName(), ns)
				}
				if object.GetKind() == "ServiceAccount" {
					accounts[object.GetName()] = true
				}
			}
			for _, kind := range []string{"RoleBinding", "ClusterRoleBinding"} {
				if folder == "namespaced" && kind == "ClusterRoleBinding" {
					continue
				}
				for _, binding := range each[rbacv1.ClusterRoleBinding](t, objects, kind) {
					bindings++
					for _, subject := range binding.Subjects {
						if subject.Namespace != "team-a" || !accounts[subject.Name] {
							t.Errorf("%s %s is bound to %s/%s", kind, binding.Name, subject.Namespace, subject.Name)
						}
					}
				}
			}
			if bindings < 5 {
				t.Errorf("there are %d bindings", bindings)
			}
		})
	}
}

// documentedOverlays are the kustomizations that a page shows, as overlay takes them.
func documentedOverlays(t *testing.T, page string) []string {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var overlays []string
	for _, example := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		_, lines, found := strings.Cut(strings.ReplaceAll(example[1], "cloudinary-operator/config/", "${BASE}/"), "kind: Kustomization\n")
		if !found {
			t.Fatalf("docs/%s has what is no kustomization:\n%s", page, example[1])
		}
		overlays = append(overlays, lines)
	}
	return overlays
}

// A patch whose target does not exist does nothing, and says nothing.
func TestTheOverlaysOfTheDocumentationDoWhatTheySay(t *testing.T) {
	for page, least := range map[string]int{"install.md": 8, "uninstall.md": 1} {
		overlays := documentedOverlays(t, page)
		if len(overlays) < least {
			t.Errorf("docs/%s has %d overlays", page, len(overlays))
		}
		for i, lines := range overlays {
			t.Run(fmt.Sprintf("%s number %d", page, i+1), func(t *testing.T) {
				var kustomization map[string]any
				if err := yaml.Unmarshal([]byte(lines), &kustomization); err != nil {
					t.Fatal(err)
				}
				objects := overlay(t, lines)
				namespace, _ := kustomization["namespace"].(string)
				for _, o := range objects {
					if ns := o.GetNamespace(); namespace != "" && ns != "" && ns != namespace {
						t.Errorf("%s %s is in the namespace %s", o.GetKind(), o.GetName(), ns)
					}
				}
				patches, _ := kustomization["patches"].([]any)
				for i, patch := range patches {
					kustomization["patches"] = slices.Delete(slices.Clone(patches), i, i+1)
					without, err := yaml.Marshal(kustomization)
					if err != nil {
						t.Fatal(err)
					}
					if cmp.Equal(objects, overlay(t, string(without))) {
						t.Errorf("a patch changes nothing: %v", patch)
					}
				}
			})
		}
	}
}

// shown is the overlay of docs/install.md that has these words in it.
func shown(t *testing.T, words string) []unstructured.Unstructured {
	t.Helper()
	overlays := documentedOverlays(t, "install.md")
	i := slices.IndexFunc(overlays, func(lines string) bool { return strings.Contains(lines, words) })
	if i < 0 {
		t.Fatalf("docs/install.md has no overlay with %q", words)
	}
	return overlay(t, overlays[i])
}

// OpenShift chooses who a Pod runs as, and refuses one that names somebody else. All that it does not choose has to stay.
func TestTheOverlayForOpenShiftLeavesUsersToIt(t *testing.T) {
	objects := shown(t, "runAsUser")
	deployments := each[appsv1.Deployment](t, objects, "Deployment")
	if len(deployments) != 2 {
		t.Errorf("there are %d Deployments, want manager and receiver", len(deployments))
	}
	for _, d := range deployments {
		is := d.Spec.Template.Spec.SecurityContext
		if is.RunAsUser != nil || is.RunAsGroup != nil || is.FSGroup != nil {
			t.Errorf("%s names whom it runs as: %v", d.Name, is)
		}
		if is.RunAsNonRoot == nil || !*is.RunAsNonRoot || is.SeccompProfile == nil {
			t.Errorf("%s may run as root, or without a seccomp profile: %v", d.Name, is)
		}
	}
	var dns []string
	for _, policy := range each[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy") {
		if policy.Name == manager {
			for _, port := range policy.Spec.Egress[0].Ports {
				dns = append(dns, fmt.Sprintf("%s %s", *port.Protocol, port.Port))
			}
		}
	}
	if diff := cmp.Diff([]string{"UDP 53", "TCP 53", "UDP 5353", "TCP 5353"}, dns); diff != "" {
		t.Errorf("where the manager finds DNS (-want +got):\n%s", diff)
	}
}

func TestTheOverlayForAPrivateRegistryIsForBothPrograms(t *testing.T) {
	deployments := each[appsv1.Deployment](t, shown(t, "imagePullSecrets"), "Deployment")
	if len(deployments) != 2 {
		t.Errorf("there are %d Deployments, want manager and receiver", len(deployments))
	}
	for _, d := range deployments {
		if diff := cmp.Diff([]corev1.LocalObjectReference{{Name: "registry"}}, d.Spec.Template.Spec.ImagePullSecrets); diff != "" {
			t.Errorf("%s is pulled with (-want +got):\n%s", d.Name, diff)
		}
		if image := d.Spec.Template.Spec.Containers[0].Image; !strings.HasPrefix(image, "registry.example.com/") {
			t.Errorf("%s is pulled from elsewhere: %s", d.Name, image)
		}
	}
}

// With the CRDs go all objects of everybody.
func TestWhatIsShownForDeletingOneOfSeveralHasNoCRDs(t *testing.T) {
	objects := overlay(t, documentedOverlays(t, "uninstall.md")[0])
	for _, o := range objects {
		if o.GetKind() == "CustomResourceDefinition" {
			t.Errorf("%s is deleted", o.GetName())
		}
	}
	if all := len(render(t, "default")); len(objects) != all-2 {
		t.Errorf("%d of %d objects are deleted, want all but the CRDs", len(objects), all)
	}
}

// Kinds that components are of, and where their CRDs are. Nothing of these modules is linked into anything.
func schemas() map[string][]string {
	return map[string][]string{
		"sigs.k8s.io/gateway-api@v1.4.1": {"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
		"github.com/prometheus-operator/prometheus-operator@v0.85.0": {
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
	}
}

// moduleFolder is where a module's files are, once they are there.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	command.Dir = t.TempDir() // in no module, whose go.sum would not know this one
	out, err := command.Output()
	var answer struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &answer); err != nil || decodeErr != nil || answer.Error != "" {
		t.Fatalf("download %s from the Go module proxy: %v, %v, %s", module, err, decodeErr, answer.Error)
	}
	return answer.Dir
}

func TestAnAPIServerAcceptsTheComponentsWithoutAWarning(t *testing.T) {
	env := testenv.Start(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	for module, files := range schemas() {
		folder := moduleFolder(t, module)
		for _, file := range files {
			kubectl(t, "apply", "--kubeconfig", kubeconfig, "--server-side", "-f", filepath.Join(folder, file))
		}
	}
	kubectl(t, "wait", "--kubeconfig", kubeconfig, "--for=condition=Established", "--timeout=60s", "crd", "--all")
	if err := env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"service-monitor": {"ClusterRoleBinding", "Secret", "ServiceAccount", "ServiceMonitor", "ServiceMonitor"},
		"http-route":      {"HTTPRoute"},
		"ingress":         {"Ingress"},
		"prometheus-rule": {"PrometheusRule"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := overlayFolder(t, "resources: [${BASE}/default]\ncomponents: [${BASE}/components/"+name+"]\n")
			kubectl(t, "apply", "--kubeconfig", kubeconfig, "--server-side", "--dry-run=server", "-k", folder)
			if diff := cmp.Diff(want, addedTo(t, "default", render(t, folder))); diff != "" {
				t.Errorf("the component adds (-want +got):\n%s", diff)
			}
		})
	}
}

// addedTo are the kinds of the objects that a folder of config/ does not install itself. None may be left outside of the namespace.
func addedTo(t *testing.T, folder string, objects []unstructured.Unstructured) []string {
	t.Helper()
	installed := map[string]bool{}
	for _, object := range render(t, folder) {
		installed[object.GetKind()+" "+object.GetName()] = true
	}
	var added []string
	for _, object := range objects {
		if installed[object.GetKind()+" "+object.GetName()] {
			continue
		}
		added = append(added, object.GetKind())
		if object.GetKind() != "ClusterRoleBinding" && object.GetNamespace() != system {
			t.Errorf("%s %s is in the namespace %q", object.GetKind(), object.GetName(), object.GetNamespace())
		}
	}
	slices.Sort(added)
	return added
}

// What components lead to is what config/default installs.
func TestComponentsLeadToWhatIsInstalled(t *testing.T) {
	objects := overlay(t, "resources: [${BASE}/default]\n"+
		"components: [${BASE}/components/service-monitor, ${BASE}/components/http-route, ${BASE}/components/ingress]\n")
	services := each[corev1.Service](t, objects, "Service")
	port := func(service, port string) bool {
		return slices.ContainsFunc(services, func(s corev1.Service) bool {
			return s.Name == service && (s.Spec.Ports[0].Name == port || fmt.Sprint(s.Spec.Ports[0].Port) == port)
		})
	}
	for _, ingress := range each[networkingv1.Ingress](t, objects, "Ingress") {
		backend := ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
		if !port(backend.Name, backend.Port.Name) {
			t.Errorf("the Ingress leads to %+v", backend)
		}
	}
	for _, route := range each[unstructured.Unstructured](t, objects, "HTTPRoute") {
		rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
		backends, _, _ := unstructured.NestedSlice(rules[0].(map[string]any), "backendRefs")
		if backend := backends[0].(map[string]any); !port(backend["name"].(string), fmt.Sprint(backend["port"])) {
			t.Errorf("the HTTPRoute leads to %v", backend)
		}
	}
	for _, monitor := range each[unstructured.Unstructured](t, objects, "ServiceMonitor") {
		by, _, _ := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
		found := 0
		for _, service := range services {
			if labels.SelectorFromSet(by).Matches(labels.Set(service.Labels)) && service.Spec.Ports[0].Name == "metrics" {
				found++
			}
		}
		if found != 1 {
			t.Errorf("ServiceMonitor %s finds %d Services with a port metrics, want one", monitor.GetName(), found)
		}
	}
	scrapedWithItsOwnToken(t, objects)
	roles := map[string]bool{}
	for _, role := range clusterRoles(t) {
		roles[role.Name] = true
	}
	for _, binding := range each[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding") {
		if !roles[binding.RoleRef.Name] {
			t.Errorf("%s is bound to %s, which is not installed", binding.Name, binding.RoleRef.Name)
		}
	}
}

// scrapedWithItsOwnToken fails unless Prometheus shows a token that is good for metrics alone: one of the programs is on the internet.
func scrapedWithItsOwnToken(t *testing.T, objects []unstructured.Unstructured) {
	t.Helper()
	secret := each[corev1.Secret](t, objects, "Secret")[0]
	account := secret.Annotations[corev1.ServiceAccountNameKey]
	if secret.Type != corev1.SecretTypeServiceAccountToken || len(secret.Data) > 0 {
		t.Errorf("the Secret %s is of type %s and has data: %v", secret.Name, secret.Type, len(secret.Data) > 0)
	}
	for _, monitor := range each[unstructured.Unstructured](t, objects, "ServiceMonitor") {
		endpoints, _, _ := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")
		endpoint, _ := endpoints[0].(map[string]any)
		name, _, _ := unstructured.NestedString(endpoint, "authorization", "credentials", "name")
		key, _, _ := unstructured.NestedString(endpoint, "authorization", "credentials", "key")
		if own := endpoint["bearerTokenFile"]; name != secret.Name || key != corev1.ServiceAccountTokenKey || own != nil || monitor.GetNamespace() != secret.Namespace {
			t.Errorf("ServiceMonitor %s shows %v, and %s of %s", monitor.GetName(), own, key, name)
		}
	}
	var granted []string
	for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
		for _, binding := range each[rbacv1.ClusterRoleBinding](t, objects, kind) {
			for _, subject := range binding.Subjects {
				if subject.Name == account && subject.Namespace == secret.Namespace {
					granted = append(granted, kind+" "+binding.RoleRef.Name)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"ClusterRoleBinding cloudinary-operator-metrics-reader"}, granted); diff != "" {
		t.Errorf("what %s is granted (-want +got):\n%s", account, diff)
	}
}
