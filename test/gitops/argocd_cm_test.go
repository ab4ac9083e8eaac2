// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// madeBy is a way in which people make, and later upgrade, Argo CD's ConfigMap. The last command of each is the one that they upgrade with.
var madeBy = map[string][]string{
	"kubectl create":                                {"create -f -"},
	"kubectl create, and apply afterwards":          {"create -f -", "apply -f -"},
	"kubectl apply":                                 {"apply -f -"},
	"kubectl apply --server-side":                   {"apply --server-side --force-conflicts -f -"},
	"kubectl apply, and then --server-side":         {"apply -f -", "apply --server-side --force-conflicts -f -"},
	"kubectl apply --server-side, and then without": {"apply --server-side --force-conflicts -f -", "apply -f -"},
	"kubectl replace":                               {"create -f -", "replace -f -"},
	"Argo CD itself, server-side":                   {"apply --server-side --force-conflicts --field-manager=argocd-controller -f -"},
	"Helm, server-side":                             {"apply --server-side --force-conflicts --field-manager=helm -f -"},
}

// argocdSettings are what an Argo CD has before and after an upgrade.
func argocdSettings(version string) map[string]string {
	return map[string]string{
		"url":         "https://argocd.example.com",
		"oidc.config": "name: SSO\nissuer: https://sso.example.com\n",
		"resource.customizations.health.example.com_Thing":              "return {}",
		"resource.customizations.ignoreResourceUpdates.all":             "jsonPointers:\n- /status\n",
		"resource.exclusions":                                           "- kinds: [EndpointSlice]\n",
		"added.in." + version:                                           "yes",
		"resource.customizations.ignoreResourceUpdates.apps_ReplicaSet": "of " + version,
	}
}

func TestTheGuidesCommandAddsToAnArgoCDWhoeverMadeIt(t *testing.T) {
	for name, commands := range madeBy {
		for _, empty := range []bool{false, true} {
			if empty {
				name += ", without settings"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := newArgoCD(t)
				settings := func(version string) map[string]string {
					if empty {
						return nil
					}
					return argocdSettings(version)
				}
				for _, command := range commands {
					a.install(command, settings("v1"))
				}
				a.has(settings("v1"), nil)
				a.follow()
				a.has(settings("v1"), ourKeys(t))
				a.follow()
				a.has(settings("v1"), ourKeys(t))
				upgrade := commands[len(commands)-1]
				switch {
				case strings.HasPrefix(upgrade, "create"):
					return // nobody upgrades so: it is there already
				case strings.HasPrefix(upgrade, "replace"):
					a.install(upgrade, settings("v2"))
					a.has(settings("v2"), nil) // the guide says that it takes another patch
					a.follow()
				default:
					a.install(upgrade, settings("v2"))
				}
				a.has(settings("v2"), ourKeys(t))
			})
		}
	}
}

// argocd is the ConfigMap of one.
type argocd struct {
	*testing.T
	namespace, kubeconfig string
}

func newArgoCD(t *testing.T) *argocd {
	t.Helper()
	a := &argocd{T: t, namespace: cluster.NewNamespace(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(a.kubeconfig, cluster.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *argocd) kubectl(stdin string, args ...string) {
	a.Helper()
	kubectlWith(a.T, stdin, append([]string{"--kubeconfig", a.kubeconfig, "-n", a.namespace}, args...)...)
}

// install makes or changes the ConfigMap with a command.
func (a *argocd) install(command string, settings map[string]string) {
	a.Helper()
	manifest := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "argocd-cm", "labels": argocdLabels},
	}
	if settings != nil {
		manifest["data"] = settings
	}
	raw, err := yaml.Marshal(manifest)
	if err != nil {
		a.Fatal(err)
	}
	a.kubectl(string(raw), strings.Fields(command)...)
}

// follow does what the guide says.
func (a *argocd) follow() {
	a.Helper()
	command := strings.Replace(inTheGuide(a.T, "$ kubectl -n argocd "), "config/argocd/argocd-cm.yaml", argocdConfigMap, 1)
	a.kubectl("", strings.Fields(command)...)
}

var argocdLabels = map[string]string{"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"}

// has says which settings there are to be, and no others.
func (a *argocd) has(settings, ours map[string]string) {
	a.Helper()
	have := corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "argocd-cm", Namespace: a.namespace}}
	if err := cluster.Client.Get(a.Context(), client.ObjectKeyFromObject(&have), &have); err != nil {
		a.Fatal(err)
	}
	want := map[string]string{}
	maps.Copy(want, settings)
	maps.Copy(want, ours)
	if have.Data == nil {
		have.Data = map[string]string{}
	}
	if diff := cmp.Diff(want, have.Data); diff != "" {
		a.Fatalf("argocd-cm (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(argocdLabels, have.Labels); diff != "" {
		a.Fatalf("labels of argocd-cm (-want +got):\n%s", diff)
	}
}

// ourKeys are those of config/argocd.
func ourKeys(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(argocdConfigMap)
	if err != nil {
		t.Fatal(err)
	}
	var ours corev1.ConfigMap
	if err := yaml.UnmarshalStrict(raw, &ours); err != nil {
		t.Fatal(err)
	}
	return ours.Data
}
