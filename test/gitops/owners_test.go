// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// ledger applies objects in one namespace by different hands. No manager runs: it writes no spec.
type ledger struct {
	*testing.T
	namespace, kubeconfig string
}

// owners are the hands by which the cluster came to what it has, before Argo CD applies what Git says.
var owners = map[string]func(l *ledger, changes []change){
	"Argo CD": func(l *ledger, changes []change) {
		l.apply(argoCD, changes, live)
	},
	"kubectl apply": func(l *ledger, changes []change) {
		l.kubectlApply(changes, live)
	},
	"kubectl apply --server-side": func(l *ledger, changes []change) {
		l.kubectlApply(changes, live, "--server-side")
	},
	"kubectl apply, and then --server-side": func(l *ledger, changes []change) {
		l.kubectlApply(changes, live)
		l.kubectlApply(changes, live, "--server-side")
	},
	"kubectl apply --server-side, and then Argo CD": func(l *ledger, changes []change) {
		l.kubectlApply(changes, live, "--server-side")
		l.apply(argoCD, changes, live)
	},
	"kubectl apply, and then Argo CD": func(l *ledger, changes []change) {
		l.kubectlApply(changes, live)
		l.apply(argoCD, changes, live)
	},
	"kubectl edit, over what Argo CD applied": func(l *ledger, changes []change) {
		l.apply(argoCD, changes, git)
		l.edit(changes)
	},
	"kubectl edit, over what kubectl and Argo CD applied": func(l *ledger, changes []change) {
		l.kubectlApply(changes, git, "--server-side")
		l.apply(argoCD, changes, git)
		l.edit(changes)
	},
	"another manager, over what Argo CD applied": func(l *ledger, changes []change) {
		l.apply(argoCD, changes, git)
		l.apply("platform-team", changes, live)
	},
	"Helm": func(l *ledger, changes []change) {
		l.apply("helm", changes, live)
	},
	"nobody that is known": func(l *ledger, changes []change) {
		l.apply("kubectl", changes, live)
		l.own(changes, byNobody)
	},
	"kubectl, field by field, as before a spec was one value": func(l *ledger, changes []change) {
		l.apply("kubectl", changes, live)
		l.own(changes, fieldByField)
	},
}

// live and git are the two sides of a change.
func live(c change) spec { return c.live }
func git(c change) spec  { return c.git }

// Whatever was added, changed or taken out, whoever did it and owned it before: Argo CD sees it, and its sync makes the spec what Git says.
func TestASyncMakesTheSpecWhatGitSaysWhoeverOwnedIt(t *testing.T) {
	for _, kind := range kinds {
		changes := changesOf(kind)
		for owner, take := range owners {
			t.Run(kind+"/"+owner, func(t *testing.T) {
				t.Parallel()
				l := newLedger(t)
				take(l, changes)
				for i, c := range changes {
					if l.difference(i, c) == "" {
						t.Errorf("%s: Argo CD sees no difference", c.name)
					}
				}
				l.apply(argoCD, changes, git)
				for i, c := range changes {
					if diff := cmp.Diff(c.git, l.get(i, c).Object["spec"]); diff != "" {
						t.Errorf("%s: after a sync there is still (-Git +cluster):\n%s", c.name, diff)
					}
					if diff := l.difference(i, c); diff != "" {
						t.Errorf("%s: after a sync Argo CD still sees a difference:\n%s", c.name, diff)
					}
				}
			})
		}
	}
}

// What Argo CD's own way without server-side apply, and kubectl apply, neither see nor set back. The guide says so.
func TestClientSideApplyLeavesWhatSomebodyAdds(t *testing.T) {
	l := newLedger(t)
	observed := with(triggerBase(), "managementPolicy", "Observe")
	c := []change{{"CloudinaryTrigger", "managementPolicy added", observed, triggerBase()}}
	l.kubectlApply(c, git)
	l.edit(c)
	l.kubectlApply(c, git)
	if diff := cmp.Diff(observed, l.get(0, c[0]).Object["spec"]); diff != "" {
		t.Errorf("kubectl apply sets it back after all: the guide says that it does not (-edited +applied):\n%s", diff)
	}
}

// What no schema of ours can have set back: it is not in a spec, or not in an object of ours. The guide says so.
func TestWhatASyncLeavesWithAnySchema(t *testing.T) {
	l := newLedger(t)
	edit := func(o client.Object, change func()) {
		t.Helper()
		l.must(cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o))
		before := client.MergeFrom(o.DeepCopyObject().(client.Object))
		change()
		l.must(cluster.Client.Patch(t.Context(), o, before, client.FieldOwner("kubectl-edit")))
	}
	c := []change{{"CloudinaryTrigger", "", nil, triggerBase()}}
	l.apply(argoCD, c, git)
	trigger := l.object(0, c[0], nil)
	edit(trigger, func() { trigger.SetAnnotations(map[string]string{v1alpha1.AnnotationAbandon: "yes"}) })

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "cloudinary", Namespace: l.namespace}}
	applySecret := func() {
		t.Helper()
		manifest := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": secret.Name, "namespace": secret.Namespace},
			"data": map[string]any{"CLOUDINARY_URL": "eA=="},
		}}
		l.must(cluster.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(manifest), argoCD, client.ForceOwnership))
	}
	applySecret()
	edit(secret, func() { secret.Data["signing.1"] = []byte("theirs") })

	l.apply(argoCD, c, git)
	applySecret()
	if l.get(0, c[0]).GetAnnotations()[v1alpha1.AnnotationAbandon] == "" {
		t.Error("a sync takes annotations of others away after all: the guide says that it does not")
	}
	l.must(cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
	if len(secret.Data) != 2 {
		t.Error("a sync takes keys of others out of a Secret after all: the guide says that it does not")
	}
}

// One without the other finds differences that no sync takes away, or misses some.
func TestTheGuidesApplicationComparesAsItApplies(t *testing.T) {
	var application struct {
		Metadata struct{ Annotations map[string]string }
		Spec     struct {
			SyncPolicy struct{ SyncOptions []string }
		}
	}
	if err := yaml.Unmarshal([]byte(blockInTheGuide(t, "kind: Application")), &application); err != nil {
		t.Fatal(err)
	}
	applies := slices.Contains(application.Spec.SyncPolicy.SyncOptions, "ServerSideApply=true")
	if compares := application.Metadata.Annotations["argocd.argoproj.io/compare-options"] == "ServerSideDiff=true"; !applies || !compares {
		t.Errorf("it applies by server-side apply: %t, and compares so: %t", applies, compares)
	}
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{T: t, namespace: cluster.NewNamespace(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	l.must(os.WriteFile(l.kubeconfig, cluster.Kubeconfig, 0o600))
	return l
}

func (l *ledger) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// object is the manifest of a change, named after its place.
func (l *ledger) object(i int, c change, s spec) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(c.kind))
	o.SetNamespace(l.namespace)
	o.SetName(fmt.Sprintf("change-%d", i))
	if s != nil {
		o.Object["spec"] = s
	}
	return o.DeepCopy()
}

func (l *ledger) get(i int, c change) *unstructured.Unstructured {
	l.Helper()
	o := l.object(i, c, nil)
	l.must(cluster.Client.Get(l.Context(), client.ObjectKeyFromObject(o), o))
	return o
}

// apply is server-side apply, in which conflicts are overridden as Argo CD, Flux and Helm do.
func (l *ledger) apply(owner client.FieldOwner, changes []change, side func(change) spec) {
	l.Helper()
	for i, c := range changes {
		config := client.ApplyConfigurationFromUnstructured(l.object(i, c, side(c)))
		if err := cluster.Client.Apply(l.Context(), config, owner, client.ForceOwnership); err != nil {
			l.Fatalf("%s, applied by %s: %v", c.name, owner, err)
		}
	}
}

func (l *ledger) kubectlApply(changes []change, side func(change) spec, flags ...string) {
	l.Helper()
	var manifests strings.Builder
	for i, c := range changes {
		raw, err := yaml.Marshal(l.object(i, c, side(c)).Object)
		l.must(err)
		manifests.WriteString("---\n" + string(raw))
	}
	kubectlWith(l.T, manifests.String(), append([]string{"--kubeconfig", l.kubeconfig, "apply", "-f", "-"}, flags...)...)
}

// edit makes each object what somebody wants instead of what Git says, as kubectl edit and kubectl patch do.
func (l *ledger) edit(changes []change) {
	l.Helper()
	for i, c := range changes {
		o := l.get(i, c)
		before := client.MergeFrom(o.DeepCopy())
		o.Object["spec"] = l.object(i, c, c.live).Object["spec"]
		if err := cluster.Client.Patch(l.Context(), o, before, client.FieldOwner("kubectl-edit")); err != nil {
			l.Fatalf("%s, edited: %v", c.name, err)
		}
	}
}

// own writes down who owns what, as if it had come to that.
func (l *ledger) own(changes []change, entries func(change) []metav1.ManagedFieldsEntry) {
	l.Helper()
	for i, c := range changes {
		o := l.get(i, c)
		o.SetManagedFields(entries(c))
		l.must(cluster.Client.Update(l.Context(), o))
	}
}

// byNobody takes all owners away.
func byNobody(change) []metav1.ManagedFieldsEntry { return []metav1.ManagedFieldsEntry{{}} }

// fieldByField has kubectl own each field of the spec on its own.
func fieldByField(c change) []metav1.ManagedFieldsEntry {
	var members []string
	for name := range c.live {
		members = append(members, fmt.Sprintf("%q: {}", "f:"+name))
	}
	return []metav1.ManagedFieldsEntry{{
		Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply, APIVersion: v1alpha1.GroupVersion.String(), Time: new(metav1.Now()),
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec": {` + strings.Join(members, ", ") + "}}"),
	}}
}

// difference is what Argo CD shows with ServerSideDiff: the live object beside what the API server says would become of it.
func (l *ledger) difference(i int, c change) string {
	l.Helper()
	manifest := l.object(i, c, c.git)
	err := cluster.Client.Apply(l.Context(), client.ApplyConfigurationFromUnstructured(manifest), argoCD, client.ForceOwnership, client.DryRunAll)
	if err != nil {
		l.Fatalf("%s, in a dry run: %v", c.name, err)
	}
	return cmp.Diff(l.get(i, c).Object["spec"], manifest.Object["spec"])
}
