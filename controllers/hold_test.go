// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// version is an object's, with its finalizers: one that was not touched keeps it.
func (f *fixture) version(o client.Object) string {
	f.Helper()
	f.get(o)
	return fmt.Sprintf("%s, finalizers %v", o.GetResourceVersion(), o.GetFinalizers())
}

// Who may write endpoints may name any Secret of the namespace. Nothing of somebody else's is held by that.
func TestOnlyCredentialsAreHeld(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]corev1.Secret{
		"a certificate": {Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("y")}},
		"a pull secret": {Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{}}`)}},
		"a token of a service account": {
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}}, Type: corev1.SecretTypeServiceAccountToken,
		},
		"a release of Helm's":                 {Type: "helm.sh/release.v1", Data: map[string][]byte{"release": []byte("x")}},
		"a login with what looks like a URL":  {Type: corev1.SecretTypeBasicAuth, Data: map[string][]byte{"username": []byte("x"), "CLOUDINARY_URL": []byte("cloudinary://1:2@demo")}},
		"an opaque one without Cloudinary's":  {Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"password": []byte("x")}},
		"one that is empty":                   {Type: corev1.SecretTypeOpaque},
		"one with a URL that cannot be":       {Data: map[string][]byte{"CLOUDINARY_URL": []byte("postgres://user:password@db/app")}},
		"one whose signing keys cannot be":    {Data: map[string][]byte{"CLOUDINARY_URL": []byte("cloudinary://1:2@demo"), "signing.": []byte("x")}},
		"one with a server that is not meant": {Data: map[string][]byte{"CLOUDINARY_URL": []byte("cloudinary://1:2@demo?upload_prefix=https://vault.internal")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.allow(f.url)
			f.start()
			secret.Name, secret.Namespace = "cloudinary", f.namespace
			if secret.Type == corev1.SecretTypeServiceAccountToken {
				account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: f.namespace}}
				if err := client.IgnoreAlreadyExists(api.Client.Create(f.Context(), account)); err != nil {
					t.Fatal(err)
				}
			}
			f.create(&secret)
			before := f.version(&secret)
			ep := f.endpoint("media", hook)
			f.create(ep)
			f.eventually(func() error {
				f.get(ep)
				if len(ep.Status.Conditions) == 0 {
					return fmt.Errorf("the endpoint was not looked at")
				}
				return nil
			})
			becomesNotReady(f, ep)
			if after := f.version(&secret); after != before {
				t.Errorf("the Secret was %s, and is %s", before, after)
			}
			f.delete(&secret)
			f.gone(&secret)
		})
	}
}

func becomesNotReady(f *fixture, ep *v1alpha1.NotificationEndpoint) {
	f.Helper()
	f.eventually(func() error {
		f.get(ep)
		for _, c := range ep.Status.Conditions {
			if c.Type == v1alpha1.ConditionAccepted && (c.Reason == v1alpha1.ReasonSecretInvalid || c.Reason == v1alpha1.ReasonAPIBaseNotAllowed) {
				return nil
			}
		}
		return fmt.Errorf("the endpoint has the conditions %+v", ep.Status.Conditions)
	})
}

// A slip while somebody edits a Secret must not lose what its triggers are deleted with.
func TestCredentialsThatWroteTriggersStayHeldWhileTheyAreWrong(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.start()
	f.create(secret, ep, trigger)
	ready(f, trigger)
	change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte("cloudinary://1:2")} })
	becomesNotReady(f, ep)
	if f.get(secret); !controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		t.Error("it is not held any more, and a trigger is left")
	}
	change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(f.secretURL)} })
	ready(f, trigger)
	f.delete(trigger)
	f.gone(trigger)
}

// An earlier version held whatever an endpoint named.
func TestWhatIsNoCredentialsIsLetGo(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]corev1.Secret{
		"a certificate": {Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("y")}},
		"a password":    {Data: map[string][]byte{"password": []byte("x")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			secret.Name, secret.Namespace, secret.Finalizers = "cloudinary", f.namespace, []string{v1alpha1.Finalizer}
			f.create(&secret, f.endpoint("media", hook))
			f.start()
			f.eventually(func() error {
				if f.get(&secret); controllerutil.ContainsFinalizer(&secret, v1alpha1.Finalizer) {
					return fmt.Errorf("it is still held")
				}
				return nil
			})
		})
	}
}

// A base that was allowed once may be so no more. What was written there is told of, and how the wait ends.
func TestTriggersAtABaseThatIsNotAllowedAnyMoreWait(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.start()
	f.create(secret, ep, trigger)
	ready(f, trigger)
	f.stop()
	calls := len(f.sim.Calls().Calls)
	f.allow()
	f.start()
	becomesNotReady(f, ep)
	f.delete(trigger)
	message := becomes(f, trigger, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsMissing)
	for _, part := range []string{v1alpha1.AnnotationAbandon, "--allowed-api-bases="} {
		f.contains(message, part)
	}
	if n := len(f.sim.Calls().Calls); n != calls {
		t.Errorf("%d calls were made, want none", n-calls)
	}
	if f.get(secret); !controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		t.Error("the Secret is not held any more, and a trigger is left")
	}
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) {
		t.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
	})
	f.gone(trigger)
}
