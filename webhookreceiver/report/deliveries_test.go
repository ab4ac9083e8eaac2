// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

func TestDeliveriesAreKnownUntilALaterNotificationCame(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	at := ofMedia("").Endpoint
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeRetried)
	want := []v1alpha1.DeliveryStatus{
		{Target: "catalog", State: v1alpha1.DeliveryDelivered, Attempts: new(int32(1))},
		{Target: "describe", State: v1alpha1.DeliveryRetrying, Attempts: new(int32(1)), Message: "the Service answered 503"},
	}
	if diff := cmp.Diff(want, f.writer.Deliveries(at, 1)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	f.notify(2)
	for _, id := range []queue.ID{0, 1, 3} {
		if got := f.writer.Deliveries(at, id); len(got) > 0 {
			t.Errorf("%d: %+v", id, got)
		}
	}
	if got := f.writer.Deliveries(queue.Endpoint{Namespace: "shop", Name: "other"}, 2); len(got) > 0 {
		t.Errorf("of another endpoint: %+v", got)
	}
}
