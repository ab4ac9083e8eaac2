// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// worldOf has product environments that are named for their namespaces, each with an endpoint and
// some triggers.
func worldOf(environments, triggersEach int, change func(*v1alpha1.CloudinaryTrigger)) *World {
	w := &World{
		Endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{},
		Accepted:  func(cloudinary.Credentials) bool { return true },
		Secret: func(k plan.Key) (Secret, bool) {
			return Secret{Credentials: cloudinary.Credentials{APIBase: cloudinary.DefaultAPIBase, CloudName: k.Namespace, APIKey: "k", APISecret: "s"}}, true
		},
	}
	for i := range environments {
		namespace := fmt.Sprintf("n%d", i)
		key := plan.Key{Namespace: namespace, Name: "media"}
		w.Endpoints[key] = &v1alpha1.NotificationEndpoint{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: key.Name},
			Spec:       v1alpha1.NotificationEndpointSpec{CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "s"}, URL: "https://hooks.example.com/" + namespace},
		}
		for j := range triggersEach {
			t := &v1alpha1.CloudinaryTrigger{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("t%d", j)},
				Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: key.Name}, EventTypes: []string{"upload", "delete"}},
			}
			change(t)
			w.Triggers = append(w.Triggers, t)
		}
	}
	return w
}

func cloud(name string) cloudinary.Environment {
	return cloudinary.Environment{APIBase: cloudinary.DefaultAPIBase, CloudName: name}
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

func withTemplate(bytes int) func(*v1alpha1.CloudinaryTrigger) {
	const tag = "{{asset.public_id}} "
	return func(t *v1alpha1.CloudinaryTrigger) {
		t.Spec.Filter = raw(`{"and":[{"==":[{"var":"resource_type"},"image"]},{"in":[{"var":"type"},["upload","private"]]}]}`)
		t.Spec.PayloadTemplate = raw(`{"a":"` + strings.Repeat(tag, bytes/len(tag)) + `"}`)
	}
}

// What other tenants write into their objects, a pass does not read: it would cost each of their
// neighbors seconds a minute.
func TestAPassReadsNoSpecOfAnotherEnvironment(t *testing.T) {
	cost := func(change func(*v1alpha1.CloudinaryTrigger)) float64 {
		w := worldOf(20, 10, change)
		for i := range 5 { // and none of those that lead nowhere
			nowhere := w.Triggers[len(w.Triggers)-1].DeepCopy()
			nowhere.Name, nowhere.Spec.EndpointRef.Name = fmt.Sprintf("nowhere-%d", i), "no-such"
			w.Triggers = append(w.Triggers, nowhere)
		}
		return testing.AllocsPerRun(3, func() {
			if g := w.Gather(cloud("n0")); len(g.Objects) != 10 {
				t.Fatalf("%d objects, want 10", len(g.Objects))
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
	w.Accepted = func(cloudinary.Credentials) bool {
		looks++
		return looks == 1 // refused by another pass while this one gathers
	}
	g := w.Gather(cloud("n0"))
	if len(g.Endpoints) != 1 || len(g.Objects) != 3 || looks != 1 {
		t.Errorf("%d endpoints, %d objects after %d looks; want 1 and 3 after 1", len(g.Endpoints), len(g.Objects), looks)
	}
	for _, state := range g.Triggers {
		if !state.IsPrimary {
			t.Errorf("%s is taken for one that leads elsewhere", state.Key)
		}
	}
}

// BenchmarkGather is what each pass of any environment costs for all objects of the cluster, and
// those of its own.
func BenchmarkGather(b *testing.B) {
	for _, environments := range []int{1, 300} {
		b.Run(fmt.Sprintf("%d environments of 10 triggers", environments), func(b *testing.B) {
			w := worldOf(environments, 10, withTemplate(2000))
			for b.Loop() {
				w.Gather(cloud("n0"))
			}
		})
	}
}
