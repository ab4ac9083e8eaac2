// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, api.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+config)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func makeTrigger(t *testing.T, namespace, name string) route.Trigger {
	t.Helper()
	trigger := &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"}},
	}
	if err := api.Client.Create(t.Context(), trigger); err != nil {
		t.Fatal(err)
	}
	made := testTrigger(namespace, name, "all")
	made.UID = trigger.UID
	return made
}

func newSender() *Sender {
	o := DefaultOptions()
	o.Client, o.Instance = writing, "receiver-0"
	o.PerEndpoint = Rate{Burst: 1000, Every: time.Second}
	o.PerReceiver = Rate{Burst: 1000, Every: time.Millisecond}
	return NewSender(o)
}

var eventRow = regexp.MustCompile(`(?m)^  (Normal|Warning) +(\S+) +(\S+) +(\S+) +(.+)$`)

// TestDescribeShowsEventsInTheOrderOfTime has more than twelve Events, since Go's sort keeps the order of fewer in any case.
func TestDescribeShowsEventsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	namespace := api.NewNamespace(t)
	// A name that is cut, at a hyphen, with an Event of the manager's beside.
	name := strings.Repeat("a", 199) + "-" + strings.Repeat("b", 20)
	endpoint := testEndpoint(namespace, makeTrigger(t, namespace, name))
	s := newSender()
	const n = 40
	at := time.Now().Add(-n * time.Minute).Truncate(time.Minute)
	var want [][]string
	order := rand.Perm(n)
	for i := range n {
		want = append(want, []string{"Normal", "Upload", "notifications.cloudinary.dev/receiver", fmt.Sprintf(`upload: asset "asset-%d"`, i)})
	}
	for _, i := range order {
		out := s.Write(t.Context(), endpoint, Notification{
			Key: [32]byte{byte(rand.IntN(256))}, ReceivedAt: at.Add(time.Duration(i) * time.Minute), EventType: "upload",
			Body: fmt.Appendf(nil, `{"public_id":"asset-%d"}`, i),
		})
		if out.Err != nil || out.Suppressed != "" {
			t.Fatalf("got %+v", out)
		}
	}
	described := kubectl(t, "describe", "cloudinarytrigger", name, "--namespace", namespace)
	var got [][]string
	var ages []string
	for _, row := range eventRow.FindAllStringSubmatch(described, -1) {
		got = append(got, []string{row[1], row[2], row[4], row[5]})
		ages = append(ages, row[3])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, described)
	}
	if !strings.HasPrefix(ages[0], fmt.Sprint(n)) || slices.Contains(ages, "<unknown>") {
		t.Errorf("ages are %v", ages)
	}
	listed := kubectl(t, "events", "--for", "cloudinarytrigger/"+name, "--namespace", namespace)
	if strings.Contains(listed, "<unknown>") || strings.Count(listed, "\n") != n+1 {
		t.Errorf("kubectl events prints\n%s", listed)
	}
}

func TestTheAPIServerAcceptsWhateverIsStored(t *testing.T) {
	t.Parallel()
	namespace := api.NewNamespace(t)
	endpoint := testEndpoint(namespace, makeTrigger(t, namespace, "images"))
	s := newSender()
	for i, n := range []Notification{
		{EventType: "unknown", Body: []byte(`[]`)},
		{EventType: strings.Repeat("a", 64), Body: []byte(`{}`)},
		{EventType: "upload", Body: []byte(`{"public_id":"` + strings.Repeat("猫", 3000) + `"}`)},
		{EventType: "upload", Body: []byte(`{"public_id":"a\nb\u0000\u001b[31m"}`)},
		{EventType: "upload", Body: []byte("{\"public_id\":\"\xff\xfe\"}")},
		{EventType: "upload", Body: nil},
	} {
		n.Key, n.ReceivedAt = [32]byte{byte(i)}, time.Now()
		if out := s.Write(t.Context(), endpoint, n); out.Err != nil || out.StatusCode != http.StatusCreated {
			t.Errorf("%.80q: %+v", n.Body, out)
		}
	}
}

func TestASecondWriteOfTheSameNotificationMakesNoSecondEvent(t *testing.T) {
	t.Parallel()
	namespace := api.NewNamespace(t)
	endpoint := testEndpoint(namespace, makeTrigger(t, namespace, "images"))
	n := Notification{Key: [32]byte{1}, ReceivedAt: time.Now(), EventType: "upload", Body: []byte(uploadBody)}
	for range 2 { // two processes, as after a crash
		if out := newSender().Write(t.Context(), endpoint, n); out.Err != nil || out.Suppressed != "" {
			t.Fatalf("got %+v", out)
		}
	}
	var list eventsv1.EventList
	if err := api.Client.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Errorf("%d Events", len(list.Items))
	}
}

func TestEventsOfANamespaceThatGoesAreSuppressed(t *testing.T) {
	t.Parallel()
	namespace := api.NewNamespace(t)
	// A finalizer keeps the namespace terminating for as long as the test needs.
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "held", Finalizers: []string{"example.com/held"}}}
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := api.Client.Create(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := api.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		out := newSender().Write(t.Context(), testEndpoint(namespace), Notification{Key: [32]byte{byte(rand.IntN(256))}, ReceivedAt: time.Now(), EventType: "upload"})
		if out.Suppressed != SuppressedByNamespace {
			return fmt.Errorf("got %+v", out)
		}
		return nil
	}
	testenv.Eventually(t, time.Minute, write)
	held.Finalizers = nil
	if err := api.Client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, func() error {
		err := api.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		if client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Errorf("the namespace is there still: %w", err)
		}
		return write()
	})
}
