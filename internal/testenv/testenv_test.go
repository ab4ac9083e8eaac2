// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestControllerManagerDeletesNamespacesAndDependants(t *testing.T) {
	env := Start(t, WithControllerManager())
	namespace := env.NewNamespace(t)

	owner := &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: "e"},
			EventTypes:  []string{"upload"},
		},
	}
	if err := env.Client.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	dependant := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "dependant"}}
	dependant.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "CloudinaryTrigger", Name: owner.Name, UID: owner.UID,
	}}
	if err := env.Client.Create(t.Context(), dependant); err != nil {
		t.Fatal(err)
	}
	if err := env.Client.Delete(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	Eventually(t, time.Minute, func() error { return gone(t, env, dependant) })

	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := env.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	Eventually(t, time.Minute, func() error { return gone(t, env, object) })
}

func gone(t *testing.T, env *Env, object client.Object) error {
	t.Helper()
	err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if err == nil {
		return errors.New(object.GetName() + " is still there")
	}
	return client.IgnoreNotFound(err)
}

func TestStartSaysWhatToDoWithoutTheProgramsItNeeds(t *testing.T) {
	for name, folder := range map[string]string{
		"the variable is not set":    "",
		"the folder lacks a program": t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(assetsVariable, folder)
			_, err := start(nil)
			if err == nil || !strings.Contains(err.Error(), "make test") {
				t.Errorf("got error %v, want one that names make test", err)
			}
		})
	}
}

func TestAControlPlaneWhosePortIsTakenIsMadeAnew(t *testing.T) {
	assets, err := assetsFolder(options{})
	if err != nil {
		t.Fatal(err)
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }() // nobody connects
	made := 0
	environment, _, err := StartControlPlane(func() *envtest.Environment {
		made++
		e := &envtest.Environment{BinaryAssetsDirectory: assets, ControlPlaneStartTimeout: processTimeout, ControlPlaneStopTimeout: processTimeout}
		if made == 1 {
			e.ControlPlane.Etcd = &envtest.Etcd{URL: &url.URL{Scheme: "http", Host: taken.Addr().String()}}
		}
		return e
	})
	if err != nil || made != 2 {
		t.Errorf("made %d, want two: %v", made, err)
	}
	if err := environment.Stop(); err != nil {
		t.Error(err)
	}
}

func TestNamespacePrefix(t *testing.T) {
	for test, want := range map[string]string{
		"TestSync":                            "testsync-",
		"TestSync/a_trigger_is_changed":       "testsync-a-trigger-is-changed-",
		"TestX/" + strings.Repeat("long", 30): "testx-" + strings.Repeat("long", 12) + "lon-",
		"TestÜ":                               "test-",
	} {
		if got := namespacePrefix(test); got != want {
			t.Errorf("namespacePrefix(%q) = %q, want %q", test, got, want)
		}
	}
}

func TestNewNamespaceIsAnotherOneEachTime(t *testing.T) {
	env := Start(t)
	first, second := env.NewNamespace(t), env.NewNamespace(t)
	if first == second {
		t.Errorf("both are %q", first)
	}
	err := env.Client.Get(t.Context(), client.ObjectKey{Name: first}, &corev1.Namespace{})
	if apierrors.IsNotFound(err) {
		t.Errorf("namespace %q does not exist", first)
	}
}
