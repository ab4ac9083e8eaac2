// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const megabyte = 1 << 20

func fatText() string { return `{"a":"` + strings.Repeat("x", megabyte) + `"}` }

// bulk is metadata of which the manager needs nothing, and its own beside it.
func bulk(o client.Object) {
	long := strings.Repeat("x", megabyte)
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1(long)}})
	o.SetOwnerReferences([]metav1.OwnerReference{{Name: long}})
	o.SetLabels(map[string]string{"a": long})
	o.SetAnnotations(map[string]string{"a": long, v1alpha1.AnnotationAbandon: "true", v1alpha1.GroupVersion.Group + "/other": long})
	o.SetFinalizers([]string{"example.com/" + long, v1alpha1.Finalizer})
}

func TestTheCacheKeepsLittleOfAnObject(t *testing.T) {
	t.Parallel()
	kept := metav1.ObjectMeta{
		Name: "a", Namespace: "n", Generation: 3, ResourceVersion: "7", Finalizers: []string{v1alpha1.Finalizer},
		Annotations: map[string]string{v1alpha1.AnnotationAbandon: "true", annotationAbridged: "true"},
	}
	trigger := &v1alpha1.CloudinaryTrigger{
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EventTypes: []string{"upload"}, Filter: rawJSON(fatText()), PayloadTemplate: rawJSON(`{"a":"b"}`),
		},
		Status: v1alpha1.CloudinaryTriggerStatus{LastNotification: &v1alpha1.NotificationStatus{}, Registrations: []v1alpha1.Registration{{CloudName: "c"}}},
	}
	endpoint := &v1alpha1.NotificationEndpoint{
		Spec: v1alpha1.NotificationEndpointSpec{URL: hook, AllowedTriggers: &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": strings.Repeat("x", resolve.MaxSelector)}},
		}}},
		Status: v1alpha1.NotificationEndpointStatus{Receiver: &v1alpha1.ReceiverStatus{}, URL: hook},
	}
	wantTrigger, wantEndpoint, wantSecret := trigger.DeepCopy(), endpoint.DeepCopy(), metadataOf("Secret")
	wantTrigger.Spec.Filter = rawJSON(string(plan.Abridge([]byte(fatText()))))
	wantTrigger.Status.LastNotification = nil
	wantEndpoint.Status.Receiver = nil
	wantEndpoint.Spec.AllowedTriggers.Namespaces.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "has 4097 bytes of keys and values, but the maximum is 4096", Operator: resolve.AbridgedSelector},
	}}
	for _, c := range []struct{ given, want client.Object }{{trigger, wantTrigger}, {endpoint, wantEndpoint}, {metadataOf("Secret"), wantSecret}} {
		for _, o := range []client.Object{c.given, c.want} {
			o.SetName("a")
			o.SetNamespace("n")
			o.SetGeneration(3)
			o.SetResourceVersion("7")
		}
		bulk(c.given)
		c.want.SetFinalizers(kept.Finalizers)
		c.want.SetAnnotations(kept.Annotations)
		for range 2 { // what is stripped already stays as it is
			if _, err := Strip(c.given); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.given); diff != "" {
				t.Errorf("in the cache (-want +got):\n%s", diff)
			}
		}
		if !large(c.given) {
			t.Errorf("%T: the whole of it is not known to be large", c.given)
		}
	}
}

func TestWhatIsNotTooLargeIsKept(t *testing.T) {
	t.Parallel()
	trigger := &v1alpha1.CloudinaryTrigger{Spec: v1alpha1.CloudinaryTriggerSpec{
		EventTypes: []string{"upload"}, Filter: rawJSON(`{"==":[1,1]}`), PayloadTemplate: rawJSON(`{"a":"` + strings.Repeat("x", 16000) + `"}`),
	}}
	trigger.Namespace, trigger.Finalizers = "n", []string{"example.com/a", v1alpha1.Finalizer}
	want := trigger.DeepCopy()
	if _, err := Strip(trigger); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, trigger); diff != "" || large(trigger) {
		t.Errorf("large: %t (-want +got):\n%s", large(trigger), diff)
	}
}

// pagedLister has fat triggers, and notes how it is asked for them.
type pagedLister struct {
	total int
	asked []metav1.ListOptions
}

func (p *pagedLister) ListWithContext(_ context.Context, o metav1.ListOptions) (runtime.Object, error) {
	p.asked = append(p.asked, o)
	from := 0
	if _, err := fmt.Sscan(o.Continue, &from); o.Continue != "" && err != nil {
		return nil, err
	}
	to := min(from+int(o.Limit), p.total)
	list := &v1alpha1.CloudinaryTriggerList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}}
	for i := from; i < to; i++ {
		t := v1alpha1.CloudinaryTrigger{Spec: v1alpha1.CloudinaryTriggerSpec{Filter: rawJSON(fatText())}}
		t.Name = fmt.Sprint(i)
		list.Items = append(list.Items, t)
	}
	if to < p.total {
		list.Continue = fmt.Sprint(to)
	}
	return list, nil
}

func (p *pagedLister) List(o metav1.ListOptions) (runtime.Object, error) {
	return p.ListWithContext(context.Background(), o)
}

func (p *pagedLister) WatchWithContext(context.Context, metav1.ListOptions) (watch.Interface, error) {
	return nil, fmt.Errorf("the API server cannot stream a list")
}

func (p *pagedLister) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return p.WatchWithContext(context.Background(), o)
}

// An API server that cannot stream a list sends all of it at once if it may.
func TestAListIsReadInSmallPages(t *testing.T) {
	t.Parallel()
	lister := &pagedLister{total: 3*objectsPerPage + 1}
	list, err := new(Lists).list(t.Context(), lister, metav1.ListOptions{ResourceVersion: "0", ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, FieldSelector: "a=b"})
	if err != nil {
		t.Fatal(err)
	}
	all, ok := list.(*metav1.List)
	if !ok || len(all.Items) != lister.total || all.ResourceVersion != "9" {
		t.Fatalf("%d objects at version %q, want %d", len(all.Items), all.ResourceVersion, lister.total)
	}
	for i, item := range all.Items {
		if trigger, ok := item.Object.(*v1alpha1.CloudinaryTrigger); !ok || trigger.Name != fmt.Sprint(i) || len(trigger.Spec.Filter.Raw) > 1000 {
			t.Fatalf("object %d is %.100v, want what Strip leaves of it", i, item.Object)
		}
	}
	if len(lister.asked) != 4 {
		t.Fatalf("%d pages, want 4", len(lister.asked))
	}
	for i, o := range lister.asked {
		if o.Limit != objectsPerPage || o.ResourceVersion != "" || o.ResourceVersionMatch != "" || o.FieldSelector != "a=b" {
			t.Errorf("page %d is asked for with %+v", i, o)
		}
	}
	var _ toolscache.ListerWatcherWithContext = lister
}

// Whoever may write a trigger can add any number of finalizers to it. They are not the manager's to remove.
func TestFinalizersOfOthersStayHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	var others []string
	for i := range 500 {
		others = append(others, fmt.Sprintf("example.com/held-by-somebody-else-%d", i))
	}
	trigger := f.trigger("images", "media", "upload")
	trigger.Finalizers = others
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	f.start()
	ready(f, trigger)
	if !slices.Equal(trigger.Finalizers, append(slices.Clone(others), v1alpha1.Finalizer)) {
		t.Fatalf("%d finalizers, want all of the others' and the manager's", len(trigger.Finalizers))
	}
	f.delete(trigger)
	f.eventually(func() error {
		f.get(trigger)
		if slices.Contains(trigger.Finalizers, v1alpha1.Finalizer) {
			return fmt.Errorf("the manager holds it still: %+v", trigger.Status.Conditions)
		}
		return nil
	})
	if !slices.Equal(trigger.Finalizers, others) {
		t.Errorf("%d finalizers are left, want all of the others'", len(trigger.Finalizers))
	}
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Finalizers = nil })
	f.gone(trigger)
}

// A trigger that was fine and becomes too large keeps its place at Cloudinary, is told so, and can be deleted or mended.
func TestATriggerThatBecomesTooLargeKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	trigger := f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), trigger)
	f.start()
	ready(f, trigger)
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.PayloadTemplate = rawJSON(fatText()) })
	message := becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidPayloadTemplate)
	if want := fmt.Sprintf("spec.payloadTemplate: has %d bytes, but the maximum is 16384 as compact JSON.", len(fatText())); message != want {
		t.Errorf("message %q, want %q", message, want)
	}
	if got := len(f.places()); got != 1 {
		t.Errorf("%d triggers at Cloudinary, want the one that was there", got)
	}
	f.get(trigger)
	if got := len(trigger.Spec.PayloadTemplate.Raw); got != len(fatText()) {
		t.Errorf("%d bytes of the template are left in the spec", got)
	}
	f.delete(trigger)
	f.gone(trigger)
	if got := f.places(); len(got) > 0 {
		t.Errorf("%v are left at Cloudinary", got)
	}
}
