// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// orphaned is a namespace whose manager is gone: every object has the finalizer, and one also
// somebody else's.
func (f *fixture) orphaned() (*v1alpha1.CloudinaryTrigger, *v1alpha1.NotificationEndpoint, *corev1.Secret) {
	f.Helper()
	secret, ep, t := f.secret(), f.endpoint("media", "https://example.com/hook?token=t0ken"), f.trigger("uploads", "media", "upload", "delete")
	for _, o := range []client.Object{secret, ep, t} {
		o.SetFinalizers([]string{v1alpha1.Finalizer})
	}
	t.SetFinalizers([]string{"example.com/other", v1alpha1.Finalizer})
	t.Status = v1alpha1.CloudinaryTriggerStatus{ObservedGeneration: new(int64(1)), Registrations: []v1alpha1.Registration{{
		APIBase: "https://api.cloudinary.com", CloudName: "my-cloud", URL: "https://example.com/hook?token=t0ken",
		SecretRef: v1alpha1.NamespacedSecretReference{Namespace: f.namespace, Name: "cloudinary"},
		Triggers: []v1alpha1.RegisteredTrigger{
			{EventType: "upload", ID: "0123456789abcdef", Origin: v1alpha1.OriginCreated},
			{EventType: "delete", Origin: v1alpha1.OriginCreated, IntendedAt: new(metav1.NewMicroTime(noon))},
		},
	}}}
	f.create(secret, ep)
	f.withStatus(t)
	return t, ep, secret
}

func (f *fixture) delete(objects ...client.Object) {
	f.Helper()
	for _, o := range objects {
		f.must(api.Client.Delete(f.Context(), o))
	}
}

// finalizers are those of an object; nil: it does not exist.
func (f *fixture) finalizers(o client.Object) []string {
	f.Helper()
	err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(o), o)
	if apierrors.IsNotFound(err) {
		return nil
	}
	f.must(err)
	return slices.Clip(append([]string{}, o.GetFinalizers()...))
}

func TestReleaseTellsPrograms(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	trigger, ep, secret := f.orphaned()
	f.delete(trigger, ep, secret)
	f.golden("release-dry-run.json", f.succeeds("release", "--all", "--dry-run", "-o", "json"))
	if diff := cmp.Diff([]string{v1alpha1.Finalizer}, f.finalizers(ep)); diff != "" {
		t.Errorf("a dry run changed something (-want +got):\n%s", diff)
	}
	f.golden("release.yaml", f.succeeds("release", "cldt/uploads", "--yes", "-o", "yaml"))
	f.fails([]string{"release", "--all", "-o", "wide"}, "is not one of json, yaml")
}

func TestReleaseOfOneTrigger(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	trigger, ep, secret := f.orphaned()
	f.delete(trigger, ep, secret)
	f.golden("release.txt", f.succeeds("release", "cldt/uploads", "--yes"))
	if diff := cmp.Diff([]string{"example.com/other"}, f.finalizers(trigger)); diff != "" {
		t.Errorf("the trigger's finalizers (-want +got):\n%s", diff)
	}
	for _, other := range []client.Object{ep, secret} {
		if diff := cmp.Diff([]string{v1alpha1.Finalizer}, f.finalizers(other)); diff != "" {
			t.Errorf("%T was not named; finalizers (-want +got):\n%s", other, diff)
		}
	}
}

func TestReleaseOfAllThatIsBeingDeleted(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	trigger, ep, secret := f.orphaned()
	f.delete(trigger, ep)
	out := f.succeeds("release", "--all", "--yes")
	if f.finalizers(ep) != nil {
		t.Error("the endpoint is still there")
	}
	if diff := cmp.Diff([]string{"example.com/other"}, f.finalizers(trigger)); diff != "" {
		t.Errorf("the trigger's finalizers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1alpha1.Finalizer}, f.finalizers(secret)); diff != "" {
		t.Errorf("the Secret is not being deleted; finalizers (-want +got):\n%s", diff)
	}
	if strings.Count(out, "0123456789abcdef") != 1 || strings.Contains(out, "t0ken") {
		t.Errorf("want each id once, and no token:\n%s", out)
	}
}

func TestReleaseOfAllWithoutSightOfSecrets(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	trigger, ep, secret := f.orphaned()
	f.delete(trigger, ep, secret)
	user := "releaser-" + f.namespace
	f.grant(f.namespace, user, rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"*"}, Verbs: []string{"*"}})
	r := f.call("release", "--all", "--yes", "--as", user)
	if want := "warning: Secrets of namespace " + f.namespace + " cannot be listed"; r.code != 0 || !strings.Contains(r.err, want) {
		t.Errorf("%+v, want %q", r, want)
	}
	if got := f.finalizers(trigger); !slices.Equal(got, []string{"example.com/other"}) {
		t.Errorf("the trigger has %q", got)
	}
	if got := f.finalizers(ep); got != nil {
		t.Errorf("the endpoint has %q", got)
	}
	if got := f.finalizers(secret); !slices.Equal(got, []string{v1alpha1.Finalizer}) {
		t.Errorf("the Secret has %q", got)
	}
}

func TestReleaseWithDeletion(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	trigger, ep, secret := f.orphaned()
	f.succeeds("release", "--all", "--delete", "--yes")
	if f.finalizers(ep) != nil {
		t.Error("the endpoint is still there")
	}
	if got := f.finalizers(trigger); trigger.DeletionTimestamp == nil || len(got) != 1 {
		t.Errorf("the trigger is not being deleted, or not released: %v", got)
	}
	if diff := cmp.Diff([]string{}, f.finalizers(secret)); diff != "" || secret.DeletionTimestamp != nil {
		t.Errorf("the Secret is to be kept, without the finalizer (-want +got):\n%s", diff)
	}
	f.succeeds("release", "secret/cloudinary", "--delete", "--yes")
	if f.finalizers(secret) != nil {
		t.Error("the Secret that was named is still there")
	}
}

func TestReleaseChangesNothing(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	trigger, ep, _ := f.orphaned()
	f.fails([]string{"release", "cldt/uploads", "--yes"}, "cldt/uploads is not being deleted", "--delete")
	f.fails([]string{"release"}, "use --all")
	f.fails([]string{"release", "--all", "cldt/uploads"}, "use --all")
	f.fails([]string{"release", "uploads"}, "cldt/NAME")
	f.fails([]string{"release", "pod/uploads"}, `"pod" is not a kind`)
	f.fails([]string{"release", "nep/nosuch"}, "there is no nep/nosuch in namespace "+f.namespace)
	f.delete(trigger, ep)
	f.succeeds("release", "--all", "--dry-run")
	f.fails([]string{"release", "--all"}, "--yes") // nobody answers
	for answer, want := range map[string]string{"n\n": "canceled", "\n": "canceled", "yep\n": "canceled"} {
		if r := f.callWith(answer, "release", "--all"); r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("answered %q: %+v", answer, r)
		}
	}
	for _, o := range []client.Object{trigger, ep} {
		if !slices.Contains(f.finalizers(o), v1alpha1.Finalizer) {
			t.Errorf("%T lost its finalizer", o)
		}
	}
	if r := f.callWith("y\n", "release", "--all"); r.code != 0 || f.finalizers(ep) != nil {
		t.Errorf("answered y: %+v", r)
	}
}

func TestReleaseOfNothing(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	if r := f.call("release", "--all", "--yes"); r.code != 0 || !strings.Contains(r.err, "Nothing to release") {
		t.Errorf("got %+v", r)
	}
}
