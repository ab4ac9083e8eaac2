// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var (
	api    *testenv.Env
	client *Client
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, func(e *testenv.Env) {
		api = e
		var err error
		if client, err = New(e.Config); err != nil {
			panic(err)
		}
	}))
}

const soon = 10 * time.Second

func secret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"name": name}}}
}

func create(t *testing.T, o Object) {
	t.Helper()
	if err := api.Client.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// Each kind is asked for under the name that the API server has for it.
func TestKindsAreWhereTheAPIServerHasThem(t *testing.T) {
	namespace := api.NewNamespace(t)
	for _, k := range kinds() {
		if !slices.Contains([]string{"TokenReview", "SubjectAccessReview"}, k.kind) {
			object, err := client.scheme.New(k.gv.WithKind(k.kind))
			if err != nil {
				t.Errorf("%s: %v", k.kind, err)
				continue
			}
			err = client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "none"}, object.(Object))
			if status := apierrors.APIStatus(nil); !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details.Name != "none" {
				t.Errorf("%s: error %v, want that there is none: a wrong path is not found either, but has no name", k.kind, err)
			}
		}
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "guessed"}}
	if err := client.Create(t.Context(), review); err != nil || review.Status.Authenticated {
		t.Errorf("the review of a token says %v, %v", review.Status, err)
	}
}

func TestWhatIsNotKnownIsAnError(t *testing.T) {
	if err := client.Get(t.Context(), types.NamespacedName{Name: "x"}, &corev1.Pod{}); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("error %v, want one that says so", err)
	}
}

func TestObjectsAreRead(t *testing.T) {
	namespace := api.NewNamespace(t)
	create(t, secret(namespace, "a"))
	create(t, secret(namespace, "b"))
	var got corev1.Secret
	if err := client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "a"}, &got); err != nil || got.Name != "a" {
		t.Errorf("got %q, %v", got.Name, err)
	}
	for labels, want := range map[string][]string{"": {"a", "b"}, "name=b": {"b"}, "name=c": nil} {
		var list corev1.SecretList
		if err := client.List(t.Context(), namespace, labels, &list); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, namesOf(list.Items)); diff != "" {
			t.Errorf("with the labels %q (-want +got):\n%s", labels, diff)
		}
	}
	var everywhere corev1.SecretList
	if err := client.List(t.Context(), "", "name=a", &everywhere); err != nil || !slices.Contains(namesOf(everywhere.Items), "a") {
		t.Errorf("in all namespaces there are %v, %v", namesOf(everywhere.Items), err)
	}
}

func namesOf(secrets []corev1.Secret) []string {
	var names []string
	for i := range secrets {
		names = append(names, secrets[i].Name)
	}
	slices.Sort(names)
	return names
}

func TestObjectsAreWritten(t *testing.T) {
	namespace := api.NewNamespace(t)
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "e"}, EventTime: metav1.NowMicro(), ReportingController: "example.com/test",
		ReportingInstance: "i", Action: "Test", Reason: "Tested", Type: corev1.EventTypeNormal,
		Regarding: corev1.ObjectReference{Namespace: namespace, Kind: "NotificationEndpoint", Name: "media"},
	}
	if err := client.Create(t.Context(), event.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	if err := client.Create(t.Context(), event); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a second time: %v, want that it exists", err)
	}
	create(t, &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "media"},
		Spec:       v1alpha1.NotificationEndpointSpec{CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "x"}, URL: "https://hooks.example.com/"},
	})
	key := types.NamespacedName{Namespace: namespace, Name: "media"}
	part := statusapply.Endpoint(&metav1.ObjectMeta{Namespace: namespace, Name: "media"},
		v1alpha1.NotificationEndpointStatus{Receiver: &v1alpha1.ReceiverStatus{Received: new(int64(7))}})
	if err := client.ApplyStatus(t.Context(), part, "test"); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.NotificationEndpoint
	if err := client.Get(t.Context(), key, &got); err != nil || got.Status.Receiver == nil || *got.Status.Receiver.Received != 7 {
		t.Errorf("the status is %+v, %v", got.Status.Receiver, err)
	}
	part.Name = "none"
	if err := client.ApplyStatus(t.Context(), part, "test"); !apierrors.IsNotFound(err) {
		t.Errorf("the status of nothing: %v, want that it does not exist", err)
	}
}

func TestInformerFollowsWhatItsScopeSays(t *testing.T) {
	first, second, other := api.NewNamespace(t), api.NewNamespace(t), api.NewNamespace(t)
	create(t, secret(first, "wanted"))
	create(t, secret(first, "unwanted"))
	create(t, secret(other, "wanted"))
	var changes atomic.Int64
	strip := func(s *corev1.Secret) *corev1.Secret { s.Labels = nil; return s }
	in, err := NewInformer(client, &corev1.Secret{}, &corev1.SecretList{},
		Scope{Namespaces: []string{first, second}, Fields: "metadata.name=wanted"}, strip, func() { changes.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { in.Run(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	has := func(want ...string) {
		t.Helper()
		testenv.Eventually(t, soon, func() error {
			var got []string
			for _, s := range in.All() {
				got = append(got, s.Namespace)
				if s.Name != "wanted" || s.Labels != nil || s.ManagedFields != nil {
					return fmt.Errorf("%s was kept as %v", s.Name, s.ObjectMeta)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" || !in.HasSynced() {
				return fmt.Errorf("synced %v, namespaces (-want +got):\n%s", in.HasSynced(), diff)
			}
			return nil
		})
	}
	has(first)
	create(t, secret(second, "wanted"))
	has(first, second)
	if _, ok := in.Get(types.NamespacedName{Namespace: second, Name: "wanted"}); !ok {
		t.Error("it is not found by name")
	}
	if _, ok := in.Get(types.NamespacedName{Namespace: other, Name: "wanted"}); ok {
		t.Error("one of another namespace is found")
	}
	before := changes.Load()
	if err := api.Client.Delete(t.Context(), secret(first, "wanted")); err != nil {
		t.Fatal(err)
	}
	has(second)
	testenv.Eventually(t, soon, func() error {
		if changes.Load() == before {
			return fmt.Errorf("nobody was told that an object is gone")
		}
		return nil
	})
}

// Where the API server does not stream, all are read in pages, and of each what is kept.
func TestAListIsReadInPages(t *testing.T) {
	namespace := api.NewNamespace(t)
	const many = 2*pageSize + 1
	for i := range many {
		create(t, secret(namespace, fmt.Sprintf("s-%03d", i)))
	}
	pages, most := 0, 0
	transform := func(object any) (any, error) {
		s := object.(*corev1.Secret)
		s.Labels = nil
		return s, nil
	}
	all, err := kept(transform, func(continued string) (runtime.Object, error) {
		pages++
		var list corev1.SecretList
		o := metav1.ListOptions{Limit: pageSize, Continue: continued}
		err := api.Client.List(t.Context(), &list, &crclient.ListOptions{Namespace: namespace, Raw: &o, Limit: o.Limit, Continue: o.Continue})
		most = max(most, len(list.Items))
		return &list, err
	})
	if err != nil || pages != 3 || most != pageSize {
		t.Errorf("%d pages, %d objects at once, %v", pages, most, err)
	}
	lw, err := client.listWatch(&corev1.Secret{}, &corev1.SecretList{}, namespace, "", transform)
	if err != nil {
		t.Fatal(err)
	}
	// A reflector asks so at first: it may have any version.
	listed, err := lw.ListWithContext(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string]runtime.Object{"by pages": all, "as a reflector lists": listed} {
		objects, err := meta.ExtractList(list)
		head, errHead := meta.ListAccessor(list)
		if err != nil || errHead != nil || len(objects) != many || head.GetResourceVersion() == "" || head.GetContinue() != "" {
			t.Fatalf("%s: %d objects of %d, version %q, continue %q, %v, %v", name, len(objects), many, head.GetResourceVersion(), head.GetContinue(), err, errHead)
		}
		for i, object := range objects {
			if s, ok := object.(*corev1.Secret); !ok || s.Name != fmt.Sprintf("s-%03d", i) || s.Labels != nil {
				t.Fatalf("%s: object %d is %v", name, i, object)
			}
		}
	}
}
