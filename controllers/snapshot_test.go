// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// worldOf has product environments that are named for their namespaces, each with an endpoint and some triggers.
func worldOf(environments, triggersEach int, change func(*v1alpha1.CloudinaryTrigger)) *world {
	options := DefaultOptions()
	w := &world{
		endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{}, options: &options,
		accepted: func(cloudinary.Credentials) bool { return true },
		secret: func(k plan.Key) (secretState, bool) {
			return secretState{credentials: cloudinary.Credentials{APIBase: cloudinary.DefaultAPIBase, CloudName: k.Namespace, APIKey: "k", APISecret: "s"}}, true
		},
	}
	for i := range environments {
		namespace := fmt.Sprintf("n%d", i)
		key := plan.Key{Namespace: namespace, Name: "media"}
		w.endpoints[key] = &v1alpha1.NotificationEndpoint{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: key.Name},
			Spec:       v1alpha1.NotificationEndpointSpec{CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "s"}, URL: "https://hooks.example.com/" + namespace},
		}
		for j := range triggersEach {
			t := &v1alpha1.CloudinaryTrigger{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("t%d", j)},
				Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: key.Name}, EventTypes: []string{"upload", "delete"}},
			}
			change(t)
			w.triggers = append(w.triggers, t)
		}
	}
	return w
}

func cloud(name string) cloudinary.Environment {
	return cloudinary.Environment{APIBase: cloudinary.DefaultAPIBase, CloudName: name}
}

func withTemplate(bytes int) func(*v1alpha1.CloudinaryTrigger) {
	const tag = "{{asset.public_id}} "
	return func(t *v1alpha1.CloudinaryTrigger) {
		t.Spec.Filter = rawJSON(`{"and":[{"==":[{"var":"resource_type"},"image"]},{"in":[{"var":"type"},["upload","private"]]}]}`)
		t.Spec.PayloadTemplate = rawJSON(`{"a":"` + strings.Repeat(tag, bytes/len(tag)) + `"}`)
	}
}

// What other tenants write into their objects, a pass does not read: it would cost each of their neighbors seconds a minute.
func TestAPassReadsNoSpecOfAnotherEnvironment(t *testing.T) {
	cost := func(change func(*v1alpha1.CloudinaryTrigger)) float64 {
		w := worldOf(20, 10, change)
		for i := range 5 { // and none of those that lead nowhere
			nowhere := w.triggers[len(w.triggers)-1].DeepCopy()
			nowhere.Name, nowhere.Spec.EndpointRef.Name = fmt.Sprintf("nowhere-%d", i), "no-such"
			w.triggers = append(w.triggers, nowhere)
		}
		return testing.AllocsPerRun(3, func() {
			if g := w.gather(cloud("n0")); len(g.objects) != 10 {
				t.Fatalf("%d objects, want 10", len(g.objects))
			}
		})
	}
	large := withTemplate(15000)
	bare := cost(func(*v1alpha1.CloudinaryTrigger) {})
	loaded := cost(func(t *v1alpha1.CloudinaryTrigger) {
		if t.Namespace != "n0" {
			large(t)
		}
	})
	if loaded > 1.2*bare {
		t.Errorf("with templates in other environments a pass costs %g allocations, without them %g", loaded, bare)
	}
}

func TestASnapshotLooksAtEachSecretOnce(t *testing.T) {
	t.Parallel()
	w := worldOf(1, 3, func(*v1alpha1.CloudinaryTrigger) {})
	looks := 0
	w.accepted = func(cloudinary.Credentials) bool {
		looks++
		return looks == 1 // refused by another pass while this one gathers
	}
	g := w.gather(cloud("n0"))
	if len(g.endpoints) != 1 || len(g.objects) != 3 || looks != 1 {
		t.Errorf("%d endpoints, %d objects after %d looks; want 1 and 3 after 1", len(g.endpoints), len(g.objects), looks)
	}
	for _, state := range g.triggers {
		if !state.isPrimary {
			t.Errorf("%s is taken for one that leads elsewhere", state.key)
		}
	}
}

// BenchmarkGather is what each pass of any environment costs for all objects of the cluster, and those of its own.
func BenchmarkGather(b *testing.B) {
	for _, environments := range []int{1, 300} {
		b.Run(fmt.Sprintf("%d environments of 10 triggers", environments), func(b *testing.B) {
			w := worldOf(environments, 10, withTemplate(2000))
			for b.Loop() {
				w.gather(cloud("n0"))
			}
		})
	}
}
