// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestAnyOrderOfSyncingAndPruningEndsClean(t *testing.T) {
	byKind := func(kinds ...string) func(*repository) {
		return func(r *repository) {
			slices.SortStableFunc(r.objects, func(a, b *unstructured.Unstructured) int {
				return slices.Index(kinds, a.GetKind()) - slices.Index(kinds, b.GetKind())
			})
			r.prune()
		}
	}
	cases := map[string]func(*repository){
		"the Secret goes first": byKind("Secret", "NotificationEndpoint", "CloudinaryTrigger", "Service"),
		"endpoints go first":    byKind("NotificationEndpoint", "CloudinaryTrigger", "Service", "Secret"),
		"triggers go first":     byKind("CloudinaryTrigger", "NotificationEndpoint", "Secret", "Service"),
		"endpoints are gone before triggers and Secret go": func(r *repository) {
			r.pruneInWaves("NotificationEndpoint", "CloudinaryTrigger", "Secret", "Service")
		},
		"each kind is gone before what it needs goes": func(r *repository) {
			r.pruneInWaves("CloudinaryTrigger", "NotificationEndpoint", "Secret", "Service")
		},
		"any goes first": func(r *repository) {
			r.shuffle(7)
			r.prune()
		},
		"the namespaces go, with all that is in them": func(r *repository) {
			for _, o := range r.namespaces {
				r.must(cluster.Client.Delete(r.Context(), o.DeepCopy()))
			}
			r.gone(r.namespaces...)
		},
	}
	for name, prune := range cases {
		seed := uint64(len(name)) // another one in each case, and the same in each run
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t)
			r.start()
			for _, o := range r.namespaces { // Argo CD and Flux begin with them, too.
				r.apply(o)
			}
			posts := r.calls(http.MethodPost)
			r.shuffle(seed)
			for _, o := range r.objects {
				r.apply(o)
			}
			r.healthy()
			if n := r.calls(http.MethodPost) - posts; n != sampleTriggers {
				t.Errorf("%d POSTs, want %d: an order costs no call (seed %d)", n, sampleTriggers, seed)
			}
			if n := r.calls(http.MethodDelete); n != 0 {
				t.Errorf("%d DELETEs, want none (seed %d)", n, seed)
			}
			prune(r)
			r.gone(r.objects...)
			if diff := cmp.Diff(r.foreign, r.places()); diff != "" {
				t.Errorf("triggers at Cloudinary at the end (-want +got):\n%s", diff)
			}
		})
	}
}

func (r *repository) shuffle(seed uint64) {
	rand.New(rand.NewPCG(seed, seed)).Shuffle(len(r.objects), func(i, j int) {
		r.objects[i], r.objects[j] = r.objects[j], r.objects[i]
	})
}

// prune deletes everything as Argo CD does, with the dependants first, and waits for nothing in between.
func (r *repository) prune() {
	r.Helper()
	for _, o := range r.objects {
		r.pruneOne(o)
	}
}

func (r *repository) pruneOne(o *unstructured.Unstructured) {
	r.Helper()
	err := cluster.Client.Delete(r.Context(), o.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationForeground))
	r.must(client.IgnoreNotFound(err))
}

// pruneInWaves waits until all objects of a kind are gone before it goes on with the next, as a sync with waves does.
func (r *repository) pruneInWaves(kinds ...string) {
	r.Helper()
	for _, kind := range kinds {
		wave := slices.DeleteFunc(slices.Clone(r.objects), func(o *unstructured.Unstructured) bool { return o.GetKind() != kind })
		for _, o := range wave {
			r.pruneOne(o)
		}
		r.gone(wave...)
	}
}

func (r *repository) gone(objects ...*unstructured.Unstructured) {
	r.Helper()
	for _, o := range objects {
		r.eventually(func() error { return gone(r.stage, o.DeepCopy()) })
	}
}

// gone is nil once an object does not exist any more.
func gone(s *stage, o client.Object) error {
	err := cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(o), o)
	if err == nil {
		return fmt.Errorf("%s is still there: finalizers %q, %+v", o.GetName(), o.GetFinalizers(), o)
	}
	return client.IgnoreNotFound(err)
}
