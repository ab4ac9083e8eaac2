// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// repository is config/samples with a Secret, as a repository has it, and the cluster and the Cloudinary that are to become like it.
type repository struct {
	*stage
	namespaces []*unstructured.Unstructured
	objects    []*unstructured.Unstructured // all others
	foreign    []string                     // places that are nobody's here
}

// argoCD is the field manager by which Argo CD writes.
const argoCD = client.FieldOwner("argocd-controller")

// What the samples make at Cloudinary: one for each event type but the one that is only observed.
const sampleTriggers = 6

func newRepository(t *testing.T) *repository {
	t.Helper()
	keys := cluster.NewNamespace(t)
	// The samples' namespaces are renamed, so that tests do not meet.
	suffix := keys[strings.LastIndex(keys, "-"):]
	r := &repository{stage: newStage(t, simulator.Options{}, keys, "shop"+suffix, "catalog"+suffix)}
	for _, o := range renderSamples(t) {
		if o.GetKind() == "Namespace" {
			o.SetName(o.GetName() + suffix)
			r.namespaces = append(r.namespaces, o)
			continue
		}
		o.SetNamespace(o.GetNamespace() + suffix)
		if other, found, _ := unstructured.NestedString(o.Object, "spec", "endpointRef", "namespace"); found {
			r.must(unstructured.SetNestedField(o.Object, other+suffix, "spec", "endpointRef", "namespace"))
		}
		r.objects = append(r.objects, o)
	}
	r.objects = append(r.objects, r.credentials("shop"+suffix))
	// The sample that only observes is content with what it finds, and the other one is nobody's business.
	r.stage.foreign("delete", "https://moderation.example.com/hooks/cloudinary?desk=photos")
	r.stage.foreign("upload", "https://somebody.example.org/else")
	r.foreign = r.places()
	return r
}

// credentials are in the repository too, as a plugin that decrypts them would render them.
func (r *repository) credentials(namespace string) *unstructured.Unstructured {
	secret := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}}
	secret.SetName("cloudinary")
	secret.SetNamespace(namespace)
	url := base64.StdEncoding.EncodeToString([]byte(r.cloudinaryURL(simulator.DefaultAPISecret)))
	r.must(unstructured.SetNestedField(secret.Object, url, "data", "CLOUDINARY_URL"))
	return secret
}

func renderSamples(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	objects := decoded(t, kubectl(t, "kustomize", "../../config/samples"))
	for _, o := range objects {
		// Argo CD's mark by which it knows what is its own.
		o.SetAnnotations(map[string]string{"argocd.argoproj.io/tracking-id": "shop:" + o.GetKind() + "/" + o.GetName()})
	}
	return objects
}

// apply does what a sync does, and returns what the API server has then.
func (r *repository) apply(o *unstructured.Unstructured, opts ...client.ApplyOption) *unstructured.Unstructured {
	r.Helper()
	live := o.DeepCopy()
	r.must(cluster.Client.Apply(r.Context(), client.ApplyConfigurationFromUnstructured(live), append(opts, argoCD, client.ForceOwnership)...))
	return live
}

func (r *repository) live(o *unstructured.Unstructured) *unstructured.Unstructured {
	r.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(o.GroupVersionKind())
	r.must(cluster.Client.Get(r.Context(), client.ObjectKeyFromObject(o), live))
	return live
}

// difference is what Argo CD would show as OutOfSync, in both its ways of comparing: with what the API server says would become of the
// object (ServerSideDiff), and with the manifest laid over the object field by field, for which the spec must be exactly the manifest's.
func (r *repository) difference(o *unstructured.Unstructured) string {
	r.Helper()
	live, predicted := r.live(o), r.apply(o, client.DryRunAll)
	for _, side := range []*unstructured.Unstructured{live, predicted} {
		delete(side.Object, "status") // Argo CD does not compare it, and the operator may be writing it.
		side.SetResourceVersion("")
		side.SetManagedFields(nil)
	}
	diff := cmp.Diff(live.Object, predicted.Object)
	if o.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
		diff += cmp.Diff(live.Object["spec"], o.Object["spec"])
	}
	return diff
}

// healthy waits until everything is green, and Cloudinary has what the samples say.
func (r *repository) healthy() {
	r.Helper()
	r.eventually(func() error {
		for _, o := range r.objects {
			if o.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
				continue
			}
			if h := argoHealth(r.T, r.live(o)); h.Status != "Healthy" {
				return fmt.Errorf("%s %s is %s: %s", o.GetKind(), o.GetName(), h.Status, h.Message)
			}
		}
		if n := len(r.places()) - len(r.foreign); n != sampleTriggers {
			return fmt.Errorf("%d triggers at Cloudinary, want %d: %q", n, sampleTriggers, r.places())
		}
		return nil
	})
}

func TestTheSamplesStaySynced(t *testing.T) {
	r := newRepository(t)
	r.start()
	for _, o := range append(r.namespaces, r.objects...) {
		r.apply(o)
	}
	r.healthy()
	for round := range 2 {
		// Until the manager is at rest, and has had the time to undo what a sync did.
		lists := r.calls(http.MethodGet)
		r.eventually(func() error {
			if r.calls(http.MethodGet) < lists+2 {
				return errors.New("the manager has not looked twice since")
			}
			return nil
		})
		for _, o := range r.objects {
			if diff := r.difference(o); diff != "" {
				t.Errorf("round %d: %s %s is OutOfSync (-live +manifest):\n%s", round, o.GetKind(), o.GetName(), diff)
			}
			if before, after := r.live(o).GetResourceVersion(), r.apply(o).GetResourceVersion(); before != after {
				t.Errorf("round %d: %s %s was changed by a sync that had nothing to do", round, o.GetKind(), o.GetName())
			}
		}
	}
	r.seesADifference()
}

// seesADifference makes sure that what says there is none can say otherwise.
func (r *repository) seesADifference() {
	r.Helper()
	for _, o := range r.objects {
		if o.GetKind() != "CloudinaryTrigger" || o.GetName() != "images" {
			continue
		}
		edited := r.live(o)
		r.must(unstructured.SetNestedField(edited.Object, false, "spec", "additive"))
		r.must(cluster.Client.Update(r.Context(), edited, client.FieldOwner("kubectl-edit")))
		if r.difference(o) == "" {
			r.Error("an edited spec is not seen as a difference")
		}
		r.apply(o)
		if diff := r.difference(o); diff != "" {
			r.Errorf("after a sync there is still (-live +manifest):\n%s", diff)
		}
		return
	}
	r.Fatal("there is no sample named images")
}
