// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// specs are what a trigger can be, as far as appliers treat it differently.
var specs = map[string]string{
	"one event type":  `{endpointRef: {name: media}, eventTypes: [rename]}`,
	"two event types": `{endpointRef: {name: media}, eventTypes: [rename, move]}`,
	"more fields":     `{endpointRef: {name: media}, eventTypes: [rename], additive: true, managementPolicy: Observe}`,
	"a filter":        `{endpointRef: {name: media}, eventTypes: [rename], filter: {"==": [{var: resource_type}, image]}}`,
	"another filter":  `{endpointRef: {name: media}, eventTypes: [rename], filter: {in: [shoe, {var: tags}]}}`,
	"a template":      `{endpointRef: {name: media}, eventTypes: [rename], payloadTemplate: {id: "{{public_id}}", more: {n: 9007199254740993, x: 1.5}}}`,
}

// withNull is another, which kubectl apply does not leave as it is.
const withNull = `{endpointRef: {name: media}, eventTypes: [rename], payloadTemplate: {id: "{{public_id}}", more: null, list: [null, {a: null}]}}`

// histories are how the cluster came to what it has, before an applier comes with a manifest.
var histories = map[string][]hand{
	"made by the applier":                 {{by: "applier"}},
	"made by kubectl apply":               {{by: applierKubectl}},
	"made by kubectl apply --server-side": {{by: applierServerSide}},
	"made by kubectl, applied by Argo CD": {{by: applierServerSide}, {by: applierArgoCD}},
	"made by kubectl create":              {{by: "create"}},
	"edited after Argo CD":                {{by: applierArgoCD}, {by: "edit", spec: "more fields"}},
	"edited after kubectl apply":          {{by: applierKubectl}, {by: "edit", spec: "more fields"}},
	"edited after the applier":            {{by: "applier"}, {by: "edit", spec: "a template"}},
}

// hand is one that writes a spec; without a name of one it is that of the case.
type hand struct{ by, spec string }

// What a plan takes an object to become is what it becomes when the applier comes: kubectl itself,
// or what its field manager applies.
func TestAnApplierIsForeseen(t *testing.T) {
	for _, name := range appliers() {
		for history, hands := range histories {
			t.Run(name+"/"+history, func(t *testing.T) {
				t.Parallel()
				f := &foreseer{T: t, namespace: api.NewNamespace(t)}
				var before, after []string // specs, for each change from one to another
				for from := range specs {
					for to := range specs {
						before, after = append(before, from), append(after, to)
					}
				}
				f.history(name, hands, before)
				f.compare(name, before, after)
			})
		}
	}
}

// A null is dropped by one applier and kept by others, in an object that is new and in one that is
// there.
func TestANullIsForeseen(t *testing.T) {
	for _, name := range appliers() {
		for _, there := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, there before: %t", name, there), func(t *testing.T) {
				t.Parallel()
				f := &foreseer{T: t, namespace: api.NewNamespace(t)}
				live, manifest := f.object(0, "a filter"), f.manifest(0, withNull)
				if there {
					f.history(name, []hand{{by: name}}, []string{"a filter"})
					live = f.get(0)
				} else {
					unstructured.RemoveNestedField(live.Object, "spec")
				}
				a, err := applierOptions{name: name}.applier()
				f.must(err)
				foreseen, err := a.apply(live, manifest)
				f.must(err)
				out, err := f.write(name, []*unstructured.Unstructured{manifest})
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if diff := gocmp.Diff(foreseen.Object["spec"], f.get(0).Object["spec"]); diff != "" {
					t.Errorf("(-foreseen +done):\n%s", diff)
				}
			})
		}
	}
}

type foreseer struct {
	*testing.T
	namespace string
}

// history has the hands of a case write the objects.
func (f *foreseer) history(applier string, hands []hand, names []string) {
	f.Helper()
	for _, h := range hands {
		by := h.by
		if by == "applier" {
			by = applier
		}
		var objects []*unstructured.Unstructured
		for i, name := range names {
			objects = append(objects, f.object(i, cmp.Or(h.spec, name)))
		}
		if out, err := f.write(by, objects); err != nil {
			f.Fatalf("written by %s: %v\n%s", by, err, out)
		}
	}
}

// compare foresees what the applier makes of each object, has it come, and looks.
func (f *foreseer) compare(name string, from, to []string) {
	f.Helper()
	a, err := applierOptions{name: name}.applier()
	f.must(err)
	var foreseen, objects []*unstructured.Unstructured
	for i := range to {
		live, manifest := f.get(i), f.object(i, to[i])
		result, err := a.apply(live, manifest)
		if apierrors.IsConflict(err) {
			result, err = live, nil // the applier is refused, and it stays as it is
		}
		f.must(err)
		foreseen, objects = append(foreseen, result), append(objects, manifest)
	}
	out, err := f.write(name, objects)
	if err != nil && name != applierServerSide {
		f.Fatalf("%s: %v\n%s", name, err, out)
	}
	for i := range to {
		if diff := gocmp.Diff(foreseen[i].Object["spec"], f.get(i).Object["spec"]); diff != "" {
			f.Errorf("%s, and then %s (-foreseen +done):\n%s\n%s", from[i], to[i], diff, out)
		}
	}
}

func (f *foreseer) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *foreseer) object(i int, spec string) *unstructured.Unstructured {
	f.Helper()
	return f.manifest(i, specs[spec])
}

func (f *foreseer) manifest(i int, spec string) *unstructured.Unstructured {
	f.Helper()
	raw, err := yaml.YAMLToJSON(fmt.Appendf(nil, "apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\n"+
		"metadata: {name: change-%d, namespace: %s}\nspec: %s\n", i, f.namespace, spec))
	f.must(err)
	o := &unstructured.Unstructured{}
	f.must(o.UnmarshalJSON(raw))
	return o
}

func (f *foreseer) get(i int) *unstructured.Unstructured {
	f.Helper()
	o := f.object(i, "one event type")
	f.must(api.Client.Get(f.Context(), client.ObjectKeyFromObject(o), o))
	return o
}

// write has a hand write objects. The error is that of any of them; the others are written all the
// same.
func (f *foreseer) write(by string, objects []*unstructured.Unstructured) (string, error) {
	f.Helper()
	switch by {
	case applierKubectl:
		return f.kubectl(objects, "apply")
	case applierServerSide:
		return f.kubectl(objects, "apply", "--server-side")
	case applierArgoCD: // which uses kubectl's code
		return f.kubectl(objects, "apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller")
	case "create":
		return f.kubectl(objects, "create")
	}
	for i, o := range objects {
		if by == "edit" {
			live := f.get(i)
			before := client.MergeFrom(live.DeepCopy())
			live.Object["spec"] = o.Object["spec"]
			f.must(api.Client.Patch(f.Context(), live, before, client.FieldOwner("kubectl-edit")))
			continue
		}
		config := client.ApplyConfigurationFromUnstructured(o.DeepCopy())
		f.must(api.Client.Apply(f.Context(), config, client.FieldOwner("kustomize-controller"), client.ForceOwnership))
	}
	return "", nil
}

func (f *foreseer) kubectl(objects []*unstructured.Unstructured, args ...string) (string, error) {
	f.Helper()
	var manifests bytes.Buffer
	for _, o := range objects {
		raw, err := o.MarshalJSON()
		f.must(err)
		manifests.Write(raw)
	}
	kubeconfig := filepath.Join(f.TempDir(), "kubeconfig")
	f.must(os.WriteFile(kubeconfig, api.Kubeconfig, 0o600))
	command := exec.CommandContext(f.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), append(args, "-f", "-", "--kubeconfig", kubeconfig)...)
	command.Stdin = &manifests
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestPlanGoesByTheApplier(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.settled()
	live := f.trigger("media", "media", "upload", "rename")
	f.must(api.Client.Get(f.Context(), client.ObjectKeyFromObject(live), live))
	before := client.MergeFrom(live.DeepCopy())
	live.Spec.Additive = new(true)
	f.must(api.Client.Patch(f.Context(), live, before, client.FieldOwner("kubectl-edit")))
	f.ready()
	const manifest = "apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: media}\n" +
		"spec: {endpointRef: {name: media}, eventTypes: [upload, rename]}\n"
	whole := map[string]int{"create": 0, "update": 2, "replace": 0, "delete": 0}
	nothing := map[string]int{"create": 0, "update": 0, "replace": 0, "delete": 0}
	name := "CloudinaryTrigger " + f.namespace + "/media"
	for applier, want := range map[string]struct {
		summary map[string]int
		warning string
		unknown []string
	}{
		"":                  {nothing, "kubectl apply keeps fields in " + name + " that neither the manifest nor the last applied one has: spec.additive", nil},
		"--applier=argocd":  {whole, "", nil},
		"--applier=flux":    {whole, "", nil},
		"--applier=kubectl": {nothing, "spec.additive", nil},
		"--applier=kubectl-server-side": {nothing, `kubectl apply --server-side would be refused for ` + name, []string{
			"the manifest of " + name + ", which has fields of other owners",
		}},
		"--applier=kubectl-server-side --force-conflicts":                      {whole, "", nil},
		"--applier=kubectl-server-side --force-conflicts --field-manager=helm": {whole, "", nil},
	} {
		r := f.callWith(manifest, append([]string{"plan", "--allow-insecure-api-base", "-o", "json", "-f", "-"}, strings.Fields(applier)...)...)
		var report planReport
		f.must(json.Unmarshal([]byte(r.out), &report))
		if diff := gocmp.Diff(want.summary, report.Summary); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", applier, diff)
		}
		if diff := gocmp.Diff(want.unknown, report.Unknown); diff != "" {
			t.Errorf("%s: unknown (-want +got):\n%s", applier, diff)
		}
		if r.code != 0 || !strings.Contains(r.err, want.warning) || (want.warning == "") != (r.err == "") {
			t.Errorf("%s: code %d, errors %q, want %q", applier, r.code, r.err, want.warning)
		}
	}
}

func TestPlanRefusesAnApplierThatItDoesNotKnow(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.fails([]string{"plan", "--applier=helmfile"}, "it is one of kubectl, kubectl-server-side, argocd, flux")
	f.fails([]string{"plan", "--field-manager=helm"}, "--applier=kubectl-server-side")
	f.fails([]string{"plan", "--force-conflicts"}, "--applier=kubectl-server-side")
}
