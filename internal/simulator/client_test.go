// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"testing"

	"github.com/cloudinary/cloudinary-go/v2/api"
	"github.com/cloudinary/cloudinary-go/v2/api/admin"
	"github.com/cloudinary/cloudinary-go/v2/config"
	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// sdk is Cloudinary's own Go client, pointed at the simulator.
func sdk(t *testing.T, w *world) *admin.API {
	t.Helper()
	c, err := config.NewFromURL("cloudinary://" + simulator.DefaultAPIKey + ":" + simulator.DefaultAPISecret + "@demo?upload_prefix=" + w.url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := admin.NewWithConfiguration(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestCloudinarysOwnClient(t *testing.T) {
	w := start(t, simulator.Options{})
	client := sdk(t, w)
	ctx := t.Context()

	created, err := client.CreateTrigger(ctx, admin.CreateTriggerParams{
		URI: "https://a.example/x", EventType: "upload", Additive: true, AuthScheme: "legacy_hmac",
		Filter:          map[string]any{"==": []any{map[string]any{"var": "resource_type"}, "image"}},
		PayloadTemplate: map[string]any{"id": "{{asset.public_id}}"},
	})
	if err != nil || created.Error.Message != "" {
		t.Fatalf("create: %v, %+v", err, created)
	}
	want := admin.Trigger{
		ID: w.sim.Triggers()[0].ID, URI: "https://a.example/x", EventType: "upload", Additive: true, AuthScheme: "legacy_hmac",
		Filter:               map[string]any{"==": []any{map[string]any{"var": "resource_type"}, "image"}},
		PayloadTemplate:      map[string]any{"id": "{{asset.public_id}}"},
		ProductEnvironmentID: environmentID, URIType: "webhook",
		CreatedAt: "2024-10-04T13:30:00Z", UpdatedAt: "2024-10-04T13:30:00Z",
	}
	if diff := cmp.Diff(want, created.Trigger); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}

	list, err := client.ListTriggers(ctx, admin.ListTriggersParams{})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	if diff := cmp.Diff([]admin.Trigger{want}, list.Triggers); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}

	// It sends uri where the API wants new_uri.
	updated, err := client.UpdateTrigger(ctx, admin.UpdateTriggerParams{TriggerID: want.ID, URI: "https://b.example/x", EventType: "upload"})
	if err != nil {
		t.Fatalf("update: %v", err)
	}
	if diff := cmp.Diff(api.ErrorResp{Message: "missing_attributes"}, updated.Error); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}

	deleted, err := client.DeleteTrigger(ctx, admin.DeleteTriggerParams{TriggerID: want.ID})
	if err != nil || deleted.Message != "ok" {
		t.Errorf("delete: %v, %+v", err, deleted)
	}
	if left := w.sim.Triggers(); len(left) != 0 {
		t.Errorf("left over: %+v", left)
	}
}

func TestCloudinarysOwnClientSeesErrors(t *testing.T) {
	w := start(t, simulator.Options{URLLimit: 1})
	client := sdk(t, w)
	for i, want := range []string{"", "record_already_exists"} {
		got, err := client.CreateTrigger(t.Context(), admin.CreateTriggerParams{URI: "https://a.example/x", EventType: "upload"})
		if err != nil || got.Error.Message != want {
			t.Errorf("create %d: %v, %q, want %q", i, err, got.Error.Message, want)
		}
	}
	got, err := client.CreateTrigger(t.Context(), admin.CreateTriggerParams{URI: "https://b.example/x", EventType: "upload"})
	if err != nil || got.Error.Message != "limit_reached" {
		t.Errorf("beyond the limit: %v, %q", err, got.Error.Message)
	}
}
