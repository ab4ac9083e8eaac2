// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

const someoneElses = "example.com/theirs"

// A role that lets the manager put its finalizer on a Secret lets it write the whole Secret. A policy takes that back.
func TestTheManagerMayChangeNothingOfASecretButItsFinalizer(t *testing.T) {
	env := installed(t)
	c := as(t, env, manager)
	users := secretOf("shop", "cloudinary")
	users.Finalizers, users.Labels, users.Data = []string{someoneElses}, map[string]string{"team": "shop"}, map[string][]byte{"CLOUDINARY_URL": []byte("y")}
	if err := env.Client.Update(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	awaitPolicy(t, c)
	both := func(first, second string) string {
		return fmt.Sprintf(`{"metadata":{"finalizers":[%q,%q]}}`, first, second)
	}
	patch := func(namespace, name, merge string) func(context.Context) error {
		return func(ctx context.Context) error { return mergeSecret(ctx, c, namespace, name, merge) }
	}
	own := v1alpha1.Finalizer
	// In this order, since some change what the next begins with.
	for _, test := range []struct {
		name    string
		do      func(context.Context) error
		refused bool
	}{
		{name: "add its finalizer", do: patch("shop", "cloudinary", both(someoneElses, own))},
		{name: "add it once more, in another place", do: patch("shop", "cloudinary", both(own, someoneElses))},
		{name: "change the data", refused: true, do: patch("shop", "cloudinary", `{"data":{"CLOUDINARY_URL":"eA=="}}`)},
		{name: "change the data as text", refused: true, do: patch("shop", "cloudinary", `{"stringData":{"CLOUDINARY_URL":"x"}}`)},
		{name: "make it immutable", refused: true, do: patch("shop", "cloudinary", `{"immutable":true}`)},
		{name: "add a label", refused: true, do: patch("shop", "cloudinary", `{"metadata":{"labels":{"a":"b"}}}`)},
		{name: "remove a label", refused: true, do: patch("shop", "cloudinary", `{"metadata":{"labels":null}}`)},
		{name: "add an annotation", refused: true, do: patch("shop", "cloudinary", `{"metadata":{"annotations":{"a":"b"}}}`)},
		{name: "add an owner", refused: true, do: patch("shop", "cloudinary", `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"1"}]}}`)},
		{name: "remove somebody else's finalizer", refused: true, do: patch("shop", "cloudinary", fmt.Sprintf(`{"metadata":{"finalizers":[%q]}}`, own))},
		{name: "add another finalizer", refused: true, do: patch("shop", "cloudinary", fmt.Sprintf(`{"metadata":{"finalizers":[%q,%q,"example.com/new"]}}`, own, someoneElses))},
		{name: "remove its finalizer and change the data", refused: true, do: patch("shop", "cloudinary", fmt.Sprintf(`{"metadata":{"finalizers":[%q]},"data":{"a":"eA=="}}`, someoneElses))},
		{name: "remove its finalizer", do: patch("shop", "cloudinary", fmt.Sprintf(`{"metadata":{"finalizers":[%q]}}`, someoneElses))},
		{name: "write the verification keys", do: patch(system, verification.SecretName, `{"data":{"a":"eA=="},"metadata":{"labels":{"a":"b"}}}`)},
		{name: "write a Secret of that name in a user's namespace", refused: true, do: patch("shop", verification.SecretName, `{"data":{"a":"eA=="}}`)},
		{name: "change the key of addresses", refused: true, do: patch(system, verification.PathKeySecretName, `{"data":{"key":"eA=="}}`)},
		{name: "write another Secret of its own namespace", refused: true, do: patch(system, "other", `{"data":{"a":"eA=="}}`)},
		{name: "create another Secret in its own namespace", refused: true, do: create(c, secretOf(system, "new"))},
		{name: "create one whose name is made up by the server", refused: true, do: create(c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, GenerateName: verification.SecretName}})},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.do(t.Context()); (err != nil) != test.refused || (err != nil && !apierrors.IsInvalid(err)) {
				t.Errorf("refused by the policy: %v, want %v: %v", apierrors.IsInvalid(err), test.refused, err)
			}
		})
	}
	createsItsKeysAlone(t, env, c)
	holdsCredentialsAlone(t, env, c)
}

func holdsCredentialsAlone(t *testing.T, env *testenv.Env, c client.Client) {
	t.Helper()
	hold, letGo := fmt.Sprintf(`{"metadata":{"finalizers":[%q]}}`, v1alpha1.Finalizer), `{"metadata":{"finalizers":null}}`
	for name, test := range map[string]struct {
		of      corev1.SecretType
		data    map[string]string
		refused bool
	}{
		"a URL":                        {"Opaque", map[string]string{"CLOUDINARY_URL": "x"}, false},
		"separate keys":                {"", map[string]string{"cloud_name": "x", "api_key": "y"}, false},
		"the SDKs' names":              {"Opaque", map[string]string{"CLOUDINARY_CLOUD_NAME": "x", "CLOUDINARY_API_KEY": "y"}, false},
		"something else":               {"Opaque", map[string]string{"password": "x"}, true},
		"nothing":                      {"Opaque", nil, true},
		"a certificate":                {corev1.SecretTypeTLS, map[string]string{"tls.crt": "x", "tls.key": "y"}, true},
		"a URL in another type":        {"example.com/login", map[string]string{"CLOUDINARY_URL": "x"}, true},
		"a pull secret":                {corev1.SecretTypeDockerConfigJson, map[string]string{corev1.DockerConfigJsonKey: "{}"}, true},
		"a release of Helm's":          {"helm.sh/release.v1", map[string]string{"release": "x"}, true},
		"a key that begins like a URL": {"Opaque", map[string]string{"CLOUDINARY_URL_OLD": "x"}, true},
	} {
		t.Run("hold "+name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", GenerateName: "held-"}, Type: test.of, StringData: test.data}
			if err := env.Client.Create(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			err := mergeSecret(t.Context(), c, "shop", secret.Name, hold)
			if (err != nil) != test.refused || (err != nil && !apierrors.IsInvalid(err)) {
				t.Errorf("refused by the policy: %v, want %v: %v", apierrors.IsInvalid(err), test.refused, err)
			}
			// One that is held already, as by an earlier version, can be let go.
			if err := errors.Join(mergeSecret(t.Context(), env.Client, "shop", secret.Name, hold), mergeSecret(t.Context(), c, "shop", secret.Name, letGo)); err != nil {
				t.Errorf("it cannot be let go: %v", err)
			}
		})
	}
}

func createsItsKeysAlone(t *testing.T, env *testenv.Env, c client.Client) {
	t.Helper()
	for what, name := range map[string]string{"the verification keys": verification.SecretName, "the key of addresses": verification.PathKeySecretName} {
		t.Run("create "+what, func(t *testing.T) {
			if err := env.Client.Delete(t.Context(), secretOf(system, name)); err != nil {
				t.Fatal(err)
			}
			if err := c.Create(t.Context(), secretOf(system, name)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("others change Secrets as ever", func(t *testing.T) {
		if err := mergeSecret(t.Context(), env.Client, "shop", "cloudinary", `{"data":{"a":"eA=="},"metadata":{"finalizers":null}}`); err != nil {
			t.Error(err)
		}
		if err := env.Client.Create(t.Context(), secretOf("shop", "new")); err != nil {
			t.Error(err)
		}
	})
}

// Helm puts a release's name before the account's where all is in one namespace, and the policy is installed beside it.
func TestThePolicyKnowsManagersUnderOtherNames(t *testing.T) {
	env := installed(t)
	awaitPolicy(t, as(t, env, manager))
	for account, held := range map[string]bool{
		manager:               true,
		"team-a-" + manager:   true,
		"my-" + manager:       true,
		"cloudinary-operator": false,
		"somebody":            false,
		manager + "-bot":      false,
	} {
		t.Run(account, func(t *testing.T) {
			binding := &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: account},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: manager},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "shop", Name: account}},
			}
			inSystem := binding.DeepCopy()
			inSystem.Namespace = system
			for _, b := range []*rbacv1.RoleBinding{binding, inSystem} {
				if err := env.Client.Create(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			c := asAnother(t, env, "shop", account)
			testenv.Eventually(t, 2*time.Minute, func() error { // until the bindings are known
				patch := fmt.Sprintf(`{"metadata":{"finalizers":[%q]}}`, v1alpha1.Finalizer)
				return errors.Join(mergeSecret(t.Context(), c, "shop", "cloudinary", patch), mergeSecret(t.Context(), c, system, "other", patch))
			})
			for what, test := range map[string]struct {
				namespace, name string
				refused         bool
			}{
				"a user's Secret":                     {"shop", "cloudinary", held},
				"the verification keys":               {"shop", verification.SecretName, false},
				"another manager's verification keys": {system, verification.SecretName, held},
			} {
				err := mergeSecret(t.Context(), c, test.namespace, test.name, fmt.Sprintf(`{"data":{%q:"eA=="}}`, account))
				if apierrors.IsInvalid(err) != test.refused || (err != nil && !apierrors.IsInvalid(err)) {
					t.Errorf("write %s: refused by the policy: %v, want %v: %v", what, apierrors.IsInvalid(err), test.refused, err)
				}
			}
		})
	}
}

// awaitPolicy waits until the policy counts, which is some moments after it was written, on a Secret of its own. What gets through until then
// must not be what is tried next: a patch that changes nothing is never refused.
func awaitPolicy(t *testing.T, c client.Client) {
	t.Helper()
	tries := 0
	testenv.Eventually(t, 2*time.Minute, func() error {
		tries++
		err := mergeSecret(t.Context(), c, system, "other", fmt.Sprintf(`{"metadata":{"labels":{"not":"yet-%d"}}}`, tries))
		if err == nil {
			return errors.New("the manager may label a Secret")
		}
		if !apierrors.IsInvalid(err) {
			return err
		}
		return nil
	})
}

func secretOf(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func mergeSecret(ctx context.Context, c client.Client, namespace, name, merge string) error {
	return c.Patch(ctx, secretOf(namespace, name), client.RawPatch(types.MergePatchType, []byte(merge)))
}
