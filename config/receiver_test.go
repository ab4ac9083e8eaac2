// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

const (
	system   = "cloudinary-operator-system"
	receiver = "cloudinary-operator-receiver"
	manager  = "cloudinary-operator-manager"
)

// installed is an API server with config/default, and what the receiver meets: an endpoint, a trigger, Secrets.
func installed(t *testing.T) *testenv.Env {
	t.Helper()
	env := testenv.Start(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "apply", "--kubeconfig", kubeconfig, "--server-side", "-k", "default")
	secret := func(namespace, name string) client.Object {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"CLOUDINARY_URL": []byte("x")}}
	}
	endpoint := &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "media"},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, Receiver: &v1alpha1.ReceiverSpec{},
		},
	}
	trigger := func(name string) client.Object {
		return &v1alpha1.CloudinaryTrigger{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"}},
		}
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		secret(system, verification.SecretName), secret(system, "other"), secret("shop", "cloudinary"), secret("shop", verification.SecretName),
		secret(system, verification.PathKeySecretName), endpoint, trigger("uploads"), trigger("forged"),
	} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
	return env
}

// as is a client with the rights of one of our service accounts.
func as(t *testing.T, env *testenv.Env, account string) client.WithWatch {
	t.Helper()
	return asAnother(t, env, system, account)
}

// asAnother is a client with the rights of a service account of any namespace.
func asAnother(t *testing.T, env *testenv.Env, namespace, account string) client.WithWatch {
	t.Helper()
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: env.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheReceiverMayDoWhatItNeedsAndNothingElse(t *testing.T) {
	env := installed(t)
	c := as(t, env, receiver)
	named := func(name string) client.ListOption { return client.MatchingFields{"metadata.name": name} }
	secrets := func(opts ...client.ListOption) func(context.Context) error {
		return func(ctx context.Context) error { return c.List(ctx, &corev1.SecretList{}, opts...) }
	}
	get := func(object client.Object, namespace, name string) func(context.Context) error {
		return func(ctx context.Context) error {
			return client.IgnoreNotFound(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object))
		}
	}
	watch := func(list client.ObjectList, opts ...client.ListOption) func(context.Context) error {
		return func(ctx context.Context) error {
			w, err := c.Watch(ctx, list, opts...)
			if err == nil {
				w.Stop()
			}
			return err
		}
	}
	list := func(list client.ObjectList, opts ...client.ListOption) func(context.Context) error {
		return func(ctx context.Context) error { return c.List(ctx, list, opts...) }
	}
	tests := map[string]struct {
		do      func(context.Context) error
		refused bool
	}{
		"list the Secret with verification keys by its name":   {do: secrets(client.InNamespace(system), named(verification.SecretName))},
		"watch it by its name":                                 {do: watch(&corev1.SecretList{}, client.InNamespace(system), named(verification.SecretName))},
		"read it without a list":                               {refused: true, do: get(&corev1.Secret{}, system, verification.SecretName)},
		"list the Secrets of its namespace":                    {refused: true, do: secrets(client.InNamespace(system))},
		"watch the Secrets of its namespace":                   {refused: true, do: watch(&corev1.SecretList{}, client.InNamespace(system))},
		"list the key of addresses by its name":                {refused: true, do: secrets(client.InNamespace(system), named(verification.PathKeySecretName))},
		"list another Secret by its name":                      {refused: true, do: secrets(client.InNamespace(system), named("other"))},
		"read another Secret":                                  {refused: true, do: get(&corev1.Secret{}, system, "other")},
		"list the Secret's name in all namespaces":             {refused: true, do: secrets(named(verification.SecretName))},
		"read a Secret of the same name in a user's namespace": {refused: true, do: get(&corev1.Secret{}, "shop", verification.SecretName)},
		"read a user's credentials":                            {refused: true, do: get(&corev1.Secret{}, "shop", "cloudinary")},
		"list endpoints everywhere":                            {do: list(&v1alpha1.NotificationEndpointList{})},
		"watch endpoints everywhere":                           {do: watch(&v1alpha1.NotificationEndpointList{})},
		"read an endpoint without a list":                      {refused: true, do: get(&v1alpha1.NotificationEndpoint{}, "shop", "media")},
		"list triggers everywhere":                             {do: list(&v1alpha1.CloudinaryTriggerList{})},
		"watch triggers everywhere":                            {do: watch(&v1alpha1.CloudinaryTriggerList{})},
		"read a Service":                                       {do: get(&corev1.Service{}, "shop", "catalog")},
		"list Services":                                        {refused: true, do: list(&corev1.ServiceList{}, client.InNamespace("shop"))},
		"list a Service's EndpointSlices":                      {do: list(&discoveryv1.EndpointSliceList{}, client.InNamespace("shop"), client.MatchingLabels{discoveryv1.LabelServiceName: "catalog"})},
		"read a ConfigMap":                                     {refused: true, do: get(&corev1.ConfigMap{}, "shop", "any")},
		"list Pods":                                            {refused: true, do: list(&corev1.PodList{})},
		"ask who reads its metrics": {do: func(ctx context.Context) error {
			return c.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "any"}})
		}},
		"create a Secret":              {refused: true, do: create(c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "new"}})},
		"change the verification keys": {refused: true, do: relabel(c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: verification.SecretName}})},
		"create an Event":              {do: create(c, event("shop"))},
		"change an endpoint's spec":    {refused: true, do: relabel(c, &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "media"}})},
		"change a trigger's spec":      {refused: true, do: relabel(c, &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "uploads"}})},
		"delete an endpoint": {refused: true, do: func(ctx context.Context) error {
			return c.Delete(ctx, &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "media"}})
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.do(t.Context())
			if refused := apierrors.IsForbidden(err); refused != test.refused || (err != nil && !refused) {
				t.Errorf("refused %v, want %v: %v", refused, test.refused, err)
			}
		})
	}
}

func create(c client.Client, object client.Object) func(context.Context) error {
	return func(ctx context.Context) error { return c.Create(ctx, object) }
}

// relabel tries a merge patch, which is what a right to write an object would allow.
func relabel(c client.Client, object client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		return c.Patch(ctx, object, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`)))
	}
}

func event(namespace string) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "uploads.1"},
		EventTime:  metav1.NewMicroTime(time.Unix(1, 0)), Type: corev1.EventTypeNormal, Reason: "Upload", Action: "Notify",
		ReportingController: "notifications.cloudinary.dev/receiver", ReportingInstance: "receiver",
		Regarding: corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CloudinaryTrigger", Namespace: namespace, Name: "uploads"},
	}
}

// A status has two writers, and only one of them is on the internet.
func TestTheReceiverMayWriteItsPartOfAStatusAlone(t *testing.T) {
	env := installed(t)
	managers, receivers := as(t, env, manager), as(t, env, receiver)
	apply := func(c client.Client, owner string, object runtime.ApplyConfiguration) error {
		return c.Status().Apply(t.Context(), object, client.FieldOwner(owner), client.ForceOwnership)
	}
	managersPart := func(conditions ...metav1.Condition) v1alpha1.NotificationEndpointStatus {
		return v1alpha1.NotificationEndpointStatus{
			URL:         "https://hooks.example.com/v1/notifications/shop/media",
			Environment: &v1alpha1.EnvironmentStatus{APIBase: "https://api.cloudinary.com", CloudName: "shop"},
			Conditions:  append([]metav1.Condition{condition("Ready", "Ready"), condition("Accepted", "Accepted")}, conditions...),
		}
	}
	registration := func(cloud string) v1alpha1.CloudinaryTriggerStatus {
		return v1alpha1.CloudinaryTriggerStatus{Registrations: []v1alpha1.Registration{{
			APIBase: "https://api.cloudinary.com", CloudName: cloud, URL: "https://hooks.example.com/",
			SecretRef: v1alpha1.NamespacedSecretReference{Namespace: "shop", Name: "cloudinary"},
			Triggers:  []v1alpha1.RegisteredTrigger{{EventType: "upload", ID: strings.Repeat("0", 32), Origin: v1alpha1.OriginCreated}},
		}}}
	}
	endpoint := func(s v1alpha1.NotificationEndpointStatus) *statusapply.Configuration {
		return statusapply.Endpoint(&metav1.ObjectMeta{Namespace: "shop", Name: "media"}, s)
	}
	trigger := func(s v1alpha1.CloudinaryTriggerStatus) *statusapply.Configuration {
		return statusapply.Trigger(&metav1.ObjectMeta{Namespace: "shop", Name: "uploads"}, s)
	}
	if err := apply(managers, "manager", endpoint(managersPart())); err != nil {
		t.Fatalf("the manager writes an endpoint's status: %v", err)
	}
	if err := apply(managers, "manager", trigger(registration("shop"))); err != nil {
		t.Fatalf("the manager writes a trigger's status: %v", err)
	}
	// A policy counts some moments after it was written. What gets through until then must not be what is tried next.
	tries := 0
	testenv.Eventually(t, time.Minute, func() error {
		tries++
		forged := trigger(registration(fmt.Sprintf("another-%d", tries)))
		forged.Name = "forged"
		err := apply(receivers, "receiver", forged)
		if !apierrors.IsInvalid(err) {
			return fmt.Errorf("a forged registration is not refused as invalid: %v", err) //nolint:errorlint // there may be none
		}
		return nil
	})

	own := v1alpha1.NotificationEndpointStatus{
		Conditions: []metav1.Condition{condition("Verifying", "Verified"), condition("Delivering", "Delivered")},
		Receiver:   &v1alpha1.ReceiverStatus{Received: new(int64(3))},
	}
	if err := apply(receivers, "receiver", endpoint(own)); err != nil {
		t.Errorf("the receiver writes its part of an endpoint's status: %v", err)
	}
	fired := v1alpha1.CloudinaryTriggerStatus{
		LastNotification: &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: new(metav1.Unix(1, 0))},
	}
	if err := apply(receivers, "receiver", trigger(fired)); err != nil {
		t.Errorf("the receiver writes its part of a trigger's status: %v", err)
	}
	// Both go on, each beside what the other has written.
	if err := apply(managers, "manager", endpoint(managersPart(condition("Synced", "Synced")))); err != nil {
		t.Errorf("the manager goes on after the receiver: %v", err)
	}
	own.Receiver.Received = new(int64(4))
	if err := apply(receivers, "receiver", endpoint(own)); err != nil {
		t.Errorf("the receiver goes on after the manager: %v", err)
	}
	var is v1alpha1.NotificationEndpoint
	if err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "media"}, &is); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{"Ready", "Accepted", "Synced", "Verifying", "Delivering"} {
		if meta.FindStatusCondition(is.Status.Conditions, wanted) == nil {
			t.Errorf("the condition %s is gone", wanted)
		}
	}

	if err := apply(receivers, "receiver", trigger(registration("another"))); !apierrors.IsInvalid(err) {
		t.Errorf("the receiver may write what the operator takes for its own: %v", err)
	}
	for what, forgery := range map[string]v1alpha1.NotificationEndpointStatus{
		"the condition Ready": {Conditions: []metav1.Condition{condition("Ready", "Forged")}},
		"the environment, and so the keys it is served with": {
			Environment: &v1alpha1.EnvironmentStatus{APIBase: "https://api.cloudinary.com", CloudName: "attackers"},
		},
		"the URL":                 {URL: "https://attacker.example.com/"},
		"the observed generation": {ObservedGeneration: new(int64(99))},
	} {
		if err := apply(receivers, "receiver", endpoint(forgery)); !apierrors.IsInvalid(err) {
			t.Errorf("the receiver may write %s: %v", what, err)
		}
	}
}

func condition(kind, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.Unix(1, 0)}
}

// A second process would wait for the first one's store, which a rolling update ends only after the second is ready.
func TestTheReceiverIsNeverTwo(t *testing.T) {
	for _, folder := range []string{"default", "trial"} {
		spec := receiverDeployment(t, folder).Spec
		if *spec.Replicas != 1 || spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			t.Errorf("config/%s: %d replicas, strategy %s", folder, *spec.Replicas, spec.Strategy.Type)
		}
	}
}

// The trial says that it is one, and asks for no volume.
func TestTheTrialHasNoVolume(t *testing.T) {
	claims := func(o unstructured.Unstructured) bool { return o.GetKind() == "PersistentVolumeClaim" }
	if slices.ContainsFunc(render(t, "trial"), claims) {
		t.Error("config/trial asks for a volume")
	}
	if !slices.ContainsFunc(render(t, "default"), claims) {
		t.Error("config/default asks for no volume")
	}
	if !slices.Contains(receiverContainer(t, "trial").Args, "--store-durable=false") {
		t.Error("the receiver is not told that its store goes with the Pod")
	}
	if slices.Contains(receiverContainer(t, "default").Args, "--store-durable=false") {
		t.Error("the receiver is told that its store goes with the Pod")
	}
}

// receiverContainer is the receiver's, as a folder installs it.
func receiverContainer(t *testing.T, folder string) corev1.Container {
	t.Helper()
	return receiverDeployment(t, folder).Spec.Template.Spec.Containers[0]
}

func receiverDeployment(t *testing.T, folder string) *appsv1.Deployment {
	t.Helper()
	for _, object := range render(t, folder) {
		if object.GetKind() != "Deployment" || object.GetName() != receiver {
			continue
		}
		deployment := &appsv1.Deployment{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment); err != nil {
			t.Fatal(err)
		}
		return deployment
	}
	t.Fatalf("config/%s has no receiver", folder)
	return nil
}
