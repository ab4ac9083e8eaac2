// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// The result of applying a manifest to an existing object depends on the tool. kubectl merges field
// by field, and leaves the fields of others. Server-side apply goes by the owners of the fields.
// The code is Kubernetes' own and runs here, so that a plan needs no right to write.

// The appliers with a name of their own.
const (
	applierKubectl    = "kubectl"
	applierServerSide = "kubectl-server-side"
	applierArgoCD     = "argocd"
	applierFlux       = "flux"
)

// applierOptions select the tool that will apply the manifests.
type applierOptions struct {
	name           string
	fieldManager   string
	forceConflicts bool
}

func addApplier(cmd *cobra.Command, o *applierOptions) {
	f := cmd.Flags()
	f.StringVar(&o.name, "applier", applierKubectl, "Who will apply the manifests: kubectl (also for Argo CD without the sync option "+
		"ServerSideApply=true), kubectl-server-side, argocd (with that option) or flux.")
	f.StringVar(&o.fieldManager, "field-manager", "",
		"The field manager of the applier for server-side apply. Default: its usual name.")
	f.BoolVar(&o.forceConflicts, "force-conflicts", false,
		"Let kubectl-server-side take over the fields of other owners. Argo CD and Flux always do.")
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("applier", cobra.FixedCompletions(appliers(), cobra.ShellCompDirectiveNoFileComp))
}

// applier predicts the result of applying a manifest with a tool.
type applier struct {
	name       string
	serverSide bool
	manager    string // of server-side apply
	force      bool   // whether it takes over what others own
}

var errFieldManager = errors.New("--field-manager and --force-conflicts are for server-side apply: --applier=" +
	applierServerSide + ", " + applierArgoCD + " or " + applierFlux)

func (o applierOptions) applier() (applier, error) {
	serverSide := func(manager string, force bool) (applier, error) {
		manager = cmp.Or(o.fieldManager, manager)
		return applier{name: o.name, serverSide: true, manager: manager, force: force || o.forceConflicts}, nil
	}
	switch o.name {
	case applierKubectl:
		if o.fieldManager != "" || o.forceConflicts {
			return applier{}, errFieldManager
		}
		return applier{name: o.name}, nil
	case applierServerSide:
		return serverSide("kubectl", false)
	case applierArgoCD:
		return serverSide("argocd-controller", true)
	case applierFlux:
		return serverSide("kustomize-controller", true)
	default:
		return applier{}, fmt.Errorf("--applier=%s is not known, it is one of %s", o.name, strings.Join(appliers(), ", "))
	}
}

func appliers() []string {
	return []string{applierKubectl, applierServerSide, applierArgoCD, applierFlux}
}

// spoken is the name of the applier in a sentence.
func (a applier) spoken() string {
	switch a.name {
	case applierServerSide:
		return "kubectl apply --server-side"
	case applierArgoCD:
		return "Argo CD"
	case applierFlux:
		return "Flux"
	default:
		return "kubectl apply"
	}
}

// apply returns the result for a live object. It changes neither argument. An error for which
// apierrors.IsConflict is true means that the API server would refuse the applier, and that the
// object stays as it is.
func (a applier) apply(live, manifest *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if a.serverSide {
		return a.applyServerSide(live.DeepCopy(), manifest.DeepCopy())
	}
	return applyClientSide(live, manifest)
}

// applyClientSide merges as kubectl apply does. It sets the fields of the manifest, removes the
// other fields of the manifest that was applied before, and leaves the rest. It also removes null
// fields.
func applyClientSide(live, manifest *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	modified, err := json.Marshal(manifest.Object)
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	current, err := json.Marshal(live.Object)
	if err != nil {
		return nil, fmt.Errorf("encode the object: %w", err)
	}
	original := []byte(live.GetAnnotations()[corev1.LastAppliedConfigAnnotation])
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(original, modified, current)
	if err != nil {
		return nil, fmt.Errorf("compare with what was applied before: %w", err)
	}
	merged, err := jsonpatch.MergePatch(current, patch)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	result := &unstructured.Unstructured{}
	if err := result.UnmarshalJSON(merged); err != nil {
		return nil, fmt.Errorf("decode what was merged: %w", err)
	}
	return result, nil
}

// applyServerSide does what the API server does. Then the fields that kubectl apply owned are
// handed to the applier, which applies once more, so that fields that left the manifest go. kubectl
// does so, and Argo CD with kubectl's code.
func (a applier) applyServerSide(live, manifest *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	api, err := newFieldManager(manifest.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	applied, err := api.Apply(live, manifest, a.manager, a.force)
	if err != nil {
		return nil, err
	}
	fields, err := asUnstructured(applied)
	if err != nil {
		return nil, err
	}
	before := sets.New[string]()
	owners := csaupgrade.FindFieldsOwners(fields.GetManagedFields(), metav1.ManagedFieldsOperationUpdate, lastAppliedPath())
	for _, entry := range owners {
		before.Insert(entry.Manager)
	}
	if err := csaupgrade.UpgradeManagedFields(applied, before, a.manager); err != nil {
		return nil, fmt.Errorf("hand over what kubectl apply owned: %w", err)
	}
	if applied, err = api.Apply(applied, manifest, a.manager, a.force); err != nil {
		return nil, err
	}
	return asUnstructured(applied)
}

// lastAppliedPath is the annotation of kubectl apply.
func lastAppliedPath() *fieldpath.Set {
	return fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "annotations", corev1.LastAppliedConfigAnnotation))
}

func asUnstructured(o runtime.Object) (*unstructured.Unstructured, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("server-side apply returned a %T", o)
	}
	return u, nil
}

// newFieldManager is the API server's part of server-side apply, for one of the operator's kinds.
func newFieldManager(kind schema.GroupVersionKind) (*managedfields.FieldManager, error) {
	types, err := newTypeConverter()
	if err != nil {
		return nil, err
	}
	one := oneVersion{}
	manager, err := managedfields.NewDefaultCRDFieldManager(types, one, one, one, kind, kind.GroupVersion(), "", nil)
	if err != nil {
		return nil, fmt.Errorf("prepare server-side apply: %w", err)
	}
	return manager, nil
}

// oneVersion is the converter and defaulter of a kind with one version: it changes nothing.
type oneVersion struct{}

func (oneVersion) Convert(_, _, _ any) error { return errors.New("there is one version") }

func (oneVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (oneVersion) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (oneVersion) Default(runtime.Object) {}

func (oneVersion) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	return o, nil
}

// become turns a live object, or a new one with metadata only, into its future state. It reports
// whether the spec changes. In that case the generation increases.
func become[T any, P interface {
	*T
	client.Object
}](s *scene, kind string, live, manifest P) (changes bool, err error) {
	have, err := unstructuredOf(kind, live)
	if err != nil {
		return false, err
	}
	want, err := unstructuredOf(kind, manifest)
	if err != nil {
		return false, err
	}
	got, err := s.applier.apply(have, want)
	switch {
	case apierrors.IsConflict(err):
		s.refuseApply(kind, want, err)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s %s: what %s makes of it: %w", kind, resolve.KeyOf(want), s.applier.spoken(), err)
	}
	s.warnOfRemains(kind, want, got)
	if equality.Semantic.DeepEqual(have.Object["spec"], got.Object["spec"]) {
		return false, nil
	}
	raw, err := json.Marshal(got.Object)
	if err != nil {
		return false, fmt.Errorf("encode %s %s: %w", kind, resolve.KeyOf(want), err)
	}
	var next T // a new one: what is not in the JSON would stay in the old one
	if err := json.Unmarshal(raw, &next); err != nil {
		return false, fmt.Errorf("decode %s %s: %w", kind, resolve.KeyOf(want), err)
	}
	// JSON has whole seconds: a new object would be as old as an existing one.
	created := live.GetCreationTimestamp()
	*live = next
	live.SetCreationTimestamp(created)
	live.SetGeneration(live.GetGeneration() + 1)
	return true, nil
}

func unstructuredOf(kind string, typed client.Object) (*unstructured.Unstructured, error) {
	typed, _ = typed.DeepCopyObject().(client.Object)
	// Elements of a list have no kind.
	typed.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	raw, err := json.Marshal(typed)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", kind, resolve.KeyOf(typed), err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", kind, resolve.KeyOf(typed), err)
	}
	return o, nil
}

// refuseApply warns that an object stays as it is, because somebody else owns fields of the
// manifest.
func (s *scene) refuseApply(kind string, manifest *unstructured.Unstructured, conflict error) {
	s.warn("%s would be refused for %s %s, so the plan uses the object as it is: %v. To take over the fields of other owners, apply and plan with --force-conflicts",
		s.applier.spoken(), kind, resolve.KeyOf(manifest), conflict)
	s.miss("the manifest of %s %s, which has fields of other owners", kind, resolve.KeyOf(manifest))
}

// warnOfRemains warns of fields that are not in the manifest and stay in the object, because the
// applier leaves the fields of others.
func (s *scene) warnOfRemains(kind string, manifest, result *unstructured.Unstructured) {
	want, _, _ := unstructured.NestedMap(manifest.Object, "spec")
	got, _, _ := unstructured.NestedMap(result.Object, "spec")
	if remains := remainsIn("spec", want, got); len(remains) > 0 {
		s.warn("%s keeps fields in %s %s that neither the manifest nor the last applied one has: %s",
			s.applier.spoken(), kind, resolve.KeyOf(manifest), strings.Join(remains, ", "))
	}
}

// remainsIn are the members of an object that another one lacks. Lists are compared whole.
func remainsIn(path string, want, got map[string]any) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(got)) {
		below := path + member(name)
		value, has := want[name]
		if !has {
			found = append(found, below)
			continue
		}
		wanted, isMap := value.(map[string]any)
		if have, also := got[name].(map[string]any); isMap && also {
			found = append(found, remainsIn(below, wanted, have)...)
		}
	}
	return found
}
