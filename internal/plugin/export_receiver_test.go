// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// Somebody's listener gets a receiver before it: the way that docs/migrate-listener.md describes,
// on a real API server.
func TestMoveOfAListenerKeepsItsTriggers(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	for _, eventType := range []string{"upload", "delete"} {
		f.have(`{"uri":"https://listener.example.com/cloudinary-hook?token=abc","event_type":"` + eventType + `"}`)
	}
	f.create(f.secret())
	before := idsByEventType(f)
	export := []string{"export", "--secret", "cloudinary", "--allow-insecure-api-base"}
	move := append(export, "--to-receiver", "catalog:http", "--base-url", "https://hooks.example.com")

	f.fails(move, "apply the export without --to-receiver first")
	f.kubectl(f.succeeds(export...), "apply", "-f", "-")
	f.fails(move, "has not adopted 2 of the triggers yet", "wait --for=condition=Ready")
	f.startManager()
	f.ready()
	calls := f.writes()

	moved := f.succeeds(move...)
	planned := f.callWith(moved, "plan", "-f", "-", "--exit-code", "--allow-insecure-api-base")
	if planned.code != 2 || !strings.Contains(planned.out, "Plan: 0 to create, 2 to update, 0 to replace, 0 to delete.") {
		t.Errorf("plan of the move: %+v", planned)
	}
	if got := f.kubectl(moved, "apply", "-f", "-"); strings.Contains(got, "created") {
		t.Errorf("the move makes objects anew:\n%s", got)
	}
	eventuallyAt(f, "https://hooks.example.com"+notification.Path(f.namespace, "listener-example-com-cloudinary-hook"))
	f.ready()
	if diff := cmp.Diff(before, idsByEventType(f)); diff != "" {
		t.Errorf("ids at Cloudinary (-before +after):\n%s", diff)
	}
	calls["PUT"] += 2
	if diff := cmp.Diff(calls, f.writes()); diff != "" {
		t.Errorf("writes at Cloudinary (-want +got):\n%s", diff)
	}
	var ep v1alpha1.NotificationEndpoint
	f.must(api.Client.Get(f.Context(), client.ObjectKey{Namespace: f.namespace, Name: "listener-example-com-cloudinary-hook"}, &ep))
	target := ep.Spec.Receiver.DeliverTo[0]
	got := []string{target.Name, target.Service.Name, target.Service.Port.String(), target.Service.Path, ep.Spec.URL}
	if diff := cmp.Diff([]string{"catalog", "catalog", "http", "/cloudinary-hook?token=abc", ""}, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if r := f.call(move...); r.code != 1 || !strings.Contains(r.err, "is that of a receiver already") || !strings.Contains(r.err, "there is no trigger") {
		t.Errorf("moved once more: %+v", r)
	}
}

func idsByEventType(f *fixture) map[string]string {
	ids := map[string]string{}
	for _, t := range f.sim.Triggers() {
		ids[t.EventType] = t.ID
	}
	return ids
}

// eventuallyAt waits until all triggers at Cloudinary are at URLs that begin so.
func eventuallyAt(f *fixture, prefix string) {
	f.Helper()
	testenv.Eventually(f.T, patience, func() error {
		for _, t := range f.sim.Triggers() {
			if !strings.HasPrefix(t.URI, prefix) {
				return fmt.Errorf("%s is not at %s", t.URI, prefix)
			}
		}
		return nil
	})
}

func TestMoveRefuses(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.env["CLOUDINARY_URL"] = f.secretURL
	f.fails([]string{"export", "--to-receiver", "catalog"}, "needs --secret")
	f.fails([]string{"export", "--base-url", "https://hooks.example.com"}, "--base-url is for --to-receiver")
	f.fails([]string{"export", "--secret", "s", "--observe", "--to-receiver", "catalog"}, "--observe forbids")
	for _, wrong := range []string{"Catalog", "catalog:", "catalog:0", "catalog:65536", "https://catalog", "a.b"} {
		f.fails([]string{"export", "--secret", "s", "--to-receiver", wrong}, "is not the name of a Service, or NAME:PORT")
	}
	f.create(f.secret())
	f.fails([]string{"export", "--secret", "cloudinary", "--allow-insecure-api-base", "--to-receiver", "catalog"}, "there is no trigger")
}

func TestListenersOfAMove(t *testing.T) {
	for text, want := range map[string]string{"catalog": "catalog 80", "catalog:8080": "catalog 8080", "catalog:http": "catalog http"} {
		l, err := parseListener(text)
		if got := l.name + " " + l.port.String(); err != nil || got != want {
			t.Errorf("%s: %q, want %q (%v)", text, got, want, err)
		}
	}
}

func TestAMoveOfALongPathIsRefused(t *testing.T) {
	trigger := at("1", "https://example.com/"+strings.Repeat("a", maxServicePath))
	e := export([]cloudinary.Trigger{trigger}, target{namespace: "shop", secret: "cloudinary"})
	if err := e.toReceiver(formerListener{name: "catalog"}, ""); err == nil || !strings.Contains(err.Error(), "may have 1024") || strings.Contains(err.Error(), "aaa") {
		t.Errorf("%v", err)
	}
}

func TestOnlyTheObjectOfTheManifestCounts(t *testing.T) {
	triggers := []cloudinary.Trigger{at("1", "https://example.com/")}
	e := export(triggers, target{namespace: "shop", secret: "cloudinary"})
	holder := func(name, id string) v1alpha1.CloudinaryTrigger {
		return v1alpha1.CloudinaryTrigger{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Status: v1alpha1.CloudinaryTriggerStatus{
				Registrations: []v1alpha1.Registration{{Triggers: []v1alpha1.RegisteredTrigger{{ID: id}}}},
			},
		}
	}
	for want, objects := range map[int][]v1alpha1.CloudinaryTrigger{
		0: {holder(e.triggers[0].Name, "1")},
		1: {holder("another", "1"), holder(e.triggers[0].Name, "2")},
	} {
		if got := e.notAdopted(objects, triggers); got != want {
			t.Errorf("%d are not adopted, want %d", got, want)
		}
	}
}
