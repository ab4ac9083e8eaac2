// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// The manager keeps the metadata of all Secrets of the cluster, most of which are nothing to it.
func TestTheCacheHasNoContentOfASecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	secret := f.secret("unrelated")
	secret.Labels = map[string]string{"team": "a"}
	secret.Finalizers = []string{"example.com/held"}
	secret.Annotations = map[string]string{
		corev1.LastAppliedConfigAnnotation: `{"apiVersion":"v1","data":{"password":"aHVudGVyMg=="},"kind":"Secret"}`,
		v1alpha1.AnnotationAbandon:         "true",
	}
	f.create(secret)
	defer change(f, secret.DeepCopy(), func(s *corev1.Secret) { s.Finalizers = nil })
	kept, err := cache.New(rest.CopyConfig(api.Config), cache.Options{
		Scheme: api.Scheme, DefaultTransform: Strip, DefaultNamespaces: map[string]cache.Config{f.namespace: {}},
	})
	f.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- kept.Start(ctx) }()
	defer func() {
		cancel()
		f.must(<-ended)
	}()
	seen := metadataOf("Secret")
	f.must(kept.Get(ctx, client.ObjectKeyFromObject(secret), seen))
	want := metadataOf("Secret")
	want.ObjectMeta = metav1.ObjectMeta{
		Name: secret.Name, Namespace: secret.Namespace, UID: secret.UID, ResourceVersion: secret.ResourceVersion, CreationTimestamp: secret.CreationTimestamp,
		Finalizers: secret.Finalizers, Annotations: map[string]string{v1alpha1.AnnotationAbandon: "true"},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("in the cache (-want +got):\n%s", diff)
	}
}
