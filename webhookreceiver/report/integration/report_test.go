// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

func TestManagerAndReceiverWriteSideBySide(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.manager("Accepted")
	f.start()
	at := f.notify(1, "dogs/rex")
	f.attempt(1, "catalog", delivery.OutcomeDelivered, at)
	f.eventually(func() error {
		return errors.Join(f.condition("Verifying", "True/Verified"), f.condition("Delivering", "True/Delivered"))
	})
	f.manager("AcceptedAgain")
	f.recorder.Rejected(f.route, "stale", true)
	f.eventually(func() error {
		if r := f.endpoint.Status.Receiver.Rejected; len(r) != 1 || r[0].Count != 1 || r[0].Reason != "stale" {
			return fmt.Errorf("rejected is %+v", r)
		}
		if f.trigger.Status.LastNotification == nil {
			return errors.New("the trigger has no last notification")
		}
		return nil
	})
	var types []string
	for _, c := range f.endpoint.Status.Conditions {
		types = append(types, c.Type+"="+c.Reason)
	}
	want := []string{"Accepted=AcceptedAgain", "Ready=AcceptedAgain", "Verifying=Verified", "Delivering=Delivered"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("conditions (-want +got)\n%s", diff)
	}
	if f.endpoint.Status.URL == "" || *f.endpoint.Status.ObservedGeneration != 1 {
		t.Errorf("the manager's fields are %q and %v", f.endpoint.Status.URL, f.endpoint.Status.ObservedGeneration)
	}
	if n := len(f.trigger.Status.Conditions); n != 2 {
		t.Errorf("the trigger has %d conditions", n)
	}
	f.rest()

	f.stop()
	before := f.client.writes.Load()
	f.start()
	f.rest()
	if n := f.client.writes.Load() - before; n > 0 {
		t.Errorf("%d writes after a restart", n)
	}
}

var space = regexp.MustCompile(` +`)

func (f *fixture) describe(kind, name string) string {
	f.Helper()
	config := filepath.Join(f.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, api.Kubeconfig, 0o600); err != nil {
		f.Fatal(err)
	}
	command := exec.CommandContext(f.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "describe", kind, name, "--namespace", f.namespace)
	command.Env = append(os.Environ(), "KUBECONFIG="+config)
	out, err := command.CombinedOutput()
	if err != nil {
		f.Fatalf("kubectl: %v\n%s", err, out)
	}
	f.Logf("kubectl describe %s\n%s", kind, out)
	return space.ReplaceAllString(string(out), " ")
}

func TestDescribeTellsTheStoryOfTheLastDelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.manager("Accepted")
	f.start()
	first := f.notify(1, "dogs/rex")
	f.attempt(1, "catalog", delivery.OutcomeDelivered, first)
	at := f.notify(2, "cats/tom")
	f.queue.set(func(q *queued) {
		q.lanes = []delivery.LaneStats{{Endpoint: queue.Endpoint{Namespace: f.namespace, Name: "media"}, Target: "catalog", Waiting: 1, Retrying: 1, PausedUntil: time.Now()}}
	})
	f.attempt(2, "catalog", delivery.OutcomeRetried, at)
	f.eventually(func() error {
		if last := f.trigger.Status.LastNotification; last == nil || last.Summary != `upload: image "cats/tom"` {
			return fmt.Errorf("the trigger's last notification is %+v", last)
		}
		return f.condition("Delivering", "False/TargetFailing")
	})

	for kind, wanted := range map[string][]string{
		"notificationendpoint": {
			"Message: Deliveries fail to the target catalog: the Service catalog answered 503. They are tried again, ever less often, until spec.receiver.retry.maxAge.",
			"Reason: TargetFailing", "Received: 2", `Summary: upload: image "cats/tom"`, "State: Retrying", "State: Delivered", "Message: the Service catalog answered 503",
			"Retrying: 1", "Status Code: 503",
			"Warning TargetFailing", "notifications.cloudinary.dev/receiver Deliveries fail to the target catalog: the Service catalog answered 503.",
		},
		"cloudinarytrigger": {
			"Event Type: upload", `Summary: upload: image "cats/tom"`, "Target: catalog", "State: Retrying", "Message: the Service catalog answered 503",
			"Normal Upload", `notifications.cloudinary.dev/receiver upload: image "dogs/rex"`, `notifications.cloudinary.dev/receiver upload: image "cats/tom"`,
		},
	} {
		name := "media"
		if kind == "cloudinarytrigger" {
			name = "images"
		}
		described := f.describe(kind, name)
		for _, text := range wanted {
			if !strings.Contains(described, text) {
				t.Errorf("kubectl describe %s does not say %q", kind, text)
			}
		}
	}
}

func TestARedriveIsCarriedOutAndSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.queue.dead = []queue.Item{{ID: 1, Endpoint: queue.Endpoint{Namespace: f.namespace, Name: "media"}, Target: "catalog", Dead: true}}
	f.start()
	f.eventually(func() error { return f.condition("Delivering", "False/DeadLetters") })
	redriven := *f.route
	redriven.Redrive = "2026-07-01"
	f.recorder.Sync(route.NewTable([]*route.Endpoint{&redriven}))
	f.eventually(func() error {
		if r := f.endpoint.Status.Receiver; r == nil || r.LastHandledRedrive != "2026-07-01" {
			return fmt.Errorf("status is %+v", r)
		}
		return f.condition("Delivering", "True/Delivered")
	})
	if described := f.describe("notificationendpoint", "media"); !strings.Contains(described, "Redriven") {
		t.Error("there is no Event")
	}
}

func TestAnEndpointMadeAnewIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	at := f.notify(1, "dogs/rex")
	f.eventually(func() error { return f.condition("Verifying", "True/Verified") })
	if err := api.Client.Delete(t.Context(), f.endpoint); err != nil {
		t.Fatal(err)
	}
	again := &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "media"}, Spec: f.endpoint.Spec}
	if err := api.Client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	f.attempt(1, "catalog", delivery.OutcomeDelivered, at) // the routes do not know of the new one yet
	f.eventually(func() error {
		if last := f.trigger.Status.LastNotification; last == nil || last.Deliveries[0].State != v1alpha1.DeliveryDelivered {
			return fmt.Errorf("the trigger, which is the same, has %+v", last)
		}
		return nil
	})
	f.rest()
	if err := api.Client.Get(t.Context(), client.ObjectKeyFromObject(again), again); err != nil {
		t.Fatal(err)
	}
	if again.Status.Receiver != nil || len(again.Status.Conditions) > 0 {
		t.Errorf("the new endpoint has the status of the old one: %+v", again.Status)
	}
}
