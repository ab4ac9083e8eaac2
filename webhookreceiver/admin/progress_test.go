// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func TestHowFarANotificationHasCome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.put(record(1, "catalog", "search"), "search")
	at := func(id queue.ID, query string) string { return fmt.Sprintf("/v1/notifications/%d%s", id, query) }
	const media = "?namespace=shop&endpoint=media"
	want := progress{ID: idText(id), Targets: []delivered{
		{Name: "catalog", State: "Pending"}, {Name: "search", State: "DeadLettered", Message: "the Service answered 400"},
	}}
	if diff := cmp.Diff(want, get[progress](f, at(id, media))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := get[progress](f, at(id, "?namespace=shop&endpoint=other")); len(got.Targets) != 0 {
		t.Errorf("at another endpoint: %+v", got)
	}
	if got := get[progress](f, at(id+1, media)); len(got.Targets) != 0 {
		t.Errorf("of one that is not there: %+v", got)
	}
	for _, path := range []string{at(id, ""), at(id, "?namespace=shop"), "/v1/notifications/x" + media} {
		if status, _ := f.ask(http.MethodGet, path, ""); status != http.StatusBadRequest {
			t.Errorf("%s is answered %d", path, status)
		}
	}
}

func TestWhatBecameOfANotificationIsMergedWithWhatIsLeft(t *testing.T) {
	t.Parallel()
	known := func(state v1alpha1.DeliveryState) []v1alpha1.DeliveryStatus {
		return []v1alpha1.DeliveryStatus{{Target: "catalog", State: state, Attempts: new(int32(2)), Message: "answered 503"}}
	}
	pending, dead := queue.Item{Target: "catalog"}, queue.Item{Target: "catalog", Dead: true, Reason: "answered 422"}
	for name, test := range map[string]struct {
		known []v1alpha1.DeliveryStatus
		left  []queue.Item
		want  []delivered
	}{
		"nothing is known":              {nil, nil, []delivered{}},
		"only the queue knows":          {nil, []queue.Item{dead}, []delivered{{"catalog", "DeadLettered", 0, "answered 422"}}},
		"it is tried again":             {known(v1alpha1.DeliveryRetrying), []queue.Item{pending}, []delivered{{"catalog", "Retrying", 2, "answered 503"}}},
		"delivered, and not noted yet":  {known(v1alpha1.DeliveryDelivered), []queue.Item{pending}, []delivered{{"catalog", "Delivered", 2, "answered 503"}}},
		"given up since":                {known(v1alpha1.DeliveryRetrying), []queue.Item{dead}, []delivered{{"catalog", "DeadLettered", 2, "answered 422"}}},
		"done, and nobody was told how": {known(v1alpha1.DeliveryRetrying), nil, []delivered{{"catalog", "Done", 2, ""}}},
	} {
		if diff := cmp.Diff(test.want, progressOf(test.known, test.left)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
