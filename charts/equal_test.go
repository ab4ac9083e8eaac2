// SPDX-License-Identifier: Apache-2.0

package charts_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// difference is one that is meant: in every object of a kind, or of all kinds where it names none.
type difference struct {
	kind string
	// take takes it out of an object, and reports whether it was there.
	take func(*unstructured.Unstructured) bool
}

// version is the chart's, and with a v before it the product's.
func version() string {
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		panic(err) // without the chart there is nothing to test
	}
	var metadata struct{ Version string }
	if err := yaml.Unmarshal(text, &metadata); err != nil {
		panic(err)
	}
	return metadata.Version
}

// What may differ between what the chart renders and what kustomize does.
var (
	ofTheChart = map[string]difference{
		"label of the release":   {take: withoutLabel("app.kubernetes.io/instance", name)},
		"label of who manages":   {take: withoutLabel("app.kubernetes.io/managed-by", "Helm")},
		"label of the version":   {take: withoutLabel("app.kubernetes.io/version", "v"+version())},
		"label of the chart":     {take: withoutLabel("helm.sh/chart", "cloudinary-operator-"+version())},
		"CRDs outlive a release": {kind: "CustomResourceDefinition", take: notKept},
		"so does the volume":     {kind: "PersistentVolumeClaim", take: notKept},
	}
	ofKustomize = map[string]difference{
		// It does not know the kinds. An API server drops it.
		"a policy has a namespace": {kind: "ValidatingAdmissionPolicy", take: withoutNamespace},
		"so has its binding":       {kind: "ValidatingAdmissionPolicyBinding", take: withoutNamespace},
		// What it writes for "sum by (", a new line and an indented one has an empty line in between. PromQL does not mind.
		"expressions have empty lines": {kind: "PrometheusRule", take: withoutEmptyLines},
	}
)

func withoutLabel(key, value string) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool {
		found := o.GetLabels()[key] == value
		if found {
			unstructured.RemoveNestedField(o.Object, "metadata", "labels", key)
		}
		return found
	}
}

func notKept(o *unstructured.Unstructured) bool {
	annotations := o.GetAnnotations()
	found := annotations["helm.sh/resource-policy"] == "keep"
	delete(annotations, "helm.sh/resource-policy")
	if o.SetAnnotations(annotations); len(annotations) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
	}
	return found
}

func withoutNamespace(o *unstructured.Unstructured) bool {
	found := o.GetNamespace() != ""
	o.SetNamespace("")
	return found
}

func withoutEmptyLines(o *unstructured.Unstructured) bool {
	found := false
	groups, _, _ := unstructured.NestedSlice(o.Object, "spec", "groups")
	for _, group := range groups {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			rule := rule.(map[string]any)
			before := rule["expr"].(string)
			rule["expr"] = strings.ReplaceAll(before, "\n\n", "\n")
			found = found || rule["expr"] != before
		}
	}
	return unstructured.SetNestedSlice(o.Object, groups, "spec", "groups") == nil && found
}

// What is packed is what is here: .helmignore leaves nothing out that is needed.
func TestThePackedChartIsTheSame(t *testing.T) {
	r := release{name: chart, namespace: system, values: allValues}
	folder := t.TempDir()
	if _, err := helm(t, "package", chart, "--destination", folder); err != nil {
		t.Fatal(err)
	}
	args := r.args(t, "template")
	args[2] = filepath.Join(folder, "cloudinary-operator-"+version()+".tgz")
	out, err := helm(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byKey(t, r.render(t)), byKey(t, objects(t, out))); diff != "" {
		t.Errorf("the packed chart renders something else (-folder +packed):\n%s", diff)
	}
}

// takeOut takes the differences out of the objects. Each has to be wherever it may be, so that nothing is allowed that is not there.
func takeOut(t *testing.T, differences map[string]difference, objects []unstructured.Unstructured) {
	t.Helper()
	for name, d := range differences {
		for i := range objects {
			if o := &objects[i]; (d.kind == "" || d.kind == o.GetKind()) && !d.take(o) {
				t.Errorf("%s is without the difference %q", key(*o), name)
			}
		}
	}
}

// Who moves from one to the other, or reads the docs of one with the other installed, finds the same.
func TestTheChartInstallsWhatKustomizeDoes(t *testing.T) {
	component := func(name string) string {
		return "resources: [${BASE}/default]\ncomponents: [${BASE}/" + name + "]\n"
	}
	for name, test := range map[string]struct {
		values, kustomization string
		// Helm creates the namespace where it is told so, and knows no labels for it.
		noNamespace bool
	}{
		"as it is": {kustomization: "resources: [${BASE}/default]\n"},
		"for a trial": {
			values: "receiver: {persistence: {enabled: false}}", kustomization: "resources: [${BASE}/trial]\n",
		},
		"for one namespace": {
			values: "namespaced: true", kustomization: "resources: [${BASE}/namespaced]\n",
			noNamespace: true,
		},
		"with ServiceMonitors": {
			values: "metrics: {serviceMonitor: {enabled: true}}", kustomization: component("components/service-monitor"),
		},
		"with alerts": {
			values: "prometheusRule: {enabled: true}", kustomization: component("components/prometheus-rule"),
		},
		"with the dashboard": {
			values: "grafanaDashboard: {enabled: true}", kustomization: component("grafana") + "namespace: " + system + "\n",
		},
		"with an Ingress": {
			values: "receiver: {ingress: {enabled: true, hosts: [hooks.example.com]," +
				" tls: [{hosts: [hooks.example.com], secretName: hooks-tls}]}}",
			kustomization: component("components/ingress"),
		},
		"with an HTTPRoute": {
			values: "receiver: {httpRoute: {enabled: true, hostnames: [hooks.example.com]," +
				" parentRefs: [{name: public, namespace: gateways}]}}",
			kustomization: component("components/http-route"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			kustomized := objects(t, kubectl(t, "kustomize", overlay(t, test.kustomization)))
			rendered := release{name: chart, namespace: system, values: test.values}.render(t)
			takeOut(t, ofKustomize, kustomized)
			takeOut(t, ofTheChart, rendered)
			want := byKey(t, kustomized)
			namespace := "Namespace /" + system
			if (want[namespace] == nil) != test.noNamespace {
				t.Errorf("kustomize has a namespace: %v", want[namespace] != nil)
			}
			delete(want, namespace)
			if diff := cmp.Diff(want, byKey(t, rendered)); diff != "" {
				t.Errorf("kustomize and the chart differ (-kustomize +chart):\n%s", diff)
			}
		})
	}
}

func byKey(t *testing.T, objects []unstructured.Unstructured) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, o := range objects {
		if all[key(o)] != nil {
			t.Errorf("there are two of %s", key(o))
		}
		all[key(o)] = o.Object
	}
	return all
}

// overlay is a folder with a kustomization, in which ${BASE} stands for the folder config.
func overlay(t *testing.T, lines string) string {
	t.Helper()
	folder := t.TempDir()
	config, err := filepath.Abs("../config")
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Rel(folder, config) // kustomize takes no absolute path
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n" + os.Expand(lines, func(string) string { return base })
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// A packaged chart reaches nothing outside of its folder, so it has copies.
func TestTheCopiesInTheChartAreThoseOfConfig(t *testing.T) {
	sources := map[string]string{
		"manager-role.yaml": "../config/rbac/role.yaml",
		"rules.yaml":        "../config/monitoring/rules.yaml",
		"dashboard.json":    "../config/grafana/cloudinary-operator.json",
	}
	crds, err := filepath.Glob("../config/crd/bases/*.yaml")
	if err != nil || len(crds) == 0 {
		t.Fatalf("the CRDs are %q: %v", crds, err)
	}
	for _, crd := range crds {
		sources["crds/"+filepath.Base(crd)] = crd
	}
	folder := os.DirFS(filepath.Join(chart, "files"))
	var copies []string
	err = fs.WalkDir(folder, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		copies = append(copies, path)
		text, err := fs.ReadFile(folder, path)
		if err != nil {
			return err
		}
		source, err := os.ReadFile(sources[path])
		if err != nil {
			return fmt.Errorf("what is %s a copy of: %w", path, err)
		}
		if !bytes.Equal(text, source) {
			t.Errorf("%s is not as %s: run make generate", path, strings.TrimPrefix(sources[path], "../"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path := range sources {
		if !slices.Contains(copies, path) {
			t.Errorf("%s is missing: run make generate", path)
		}
	}
}
