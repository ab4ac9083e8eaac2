// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// ofMedia chooses dead letters of the endpoint of the tests.
func ofMedia(target string) queue.Selection {
	return queue.Selection{Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: target}
}

// deadLetter has a notification given up for catalog, and status say so.
func (f *writerFixture) deadLetter(id queue.ID) {
	f.Helper()
	f.notify(id, delivery.OutcomeDead, delivery.OutcomeDelivered)
	f.queue.items = append(f.queue.items, queue.Item{ID: id, Endpoint: ofMedia("").Endpoint, Target: "catalog", Dead: true})
	f.pass(2 * time.Second)
	if got := f.server.endpoints[f.media.Key].Status; *got.Receiver.Targets[0].DeadLetters != 1 {
		f.Fatalf("status.receiver is %+v", got.Receiver)
	}
}

func TestChosenDeadLettersAreRedriven(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.deadLetter(7)
	n, err := f.writer.Redrive(t.Context(), ofMedia("catalog"))
	if n != 1 || err != nil {
		t.Fatalf("%d were redriven, %v", n, err)
	}
	f.pass(time.Minute + 2*time.Second)
	status := f.server.endpoints[f.media.Key].Status
	if got := status.Receiver; *got.Targets[0].DeadLetters != 0 || got.LastHandledRedrive != "" || *got.Targets[0].Discarded != 0 {
		t.Errorf("status.receiver is %+v", got)
	}
	if len(f.server.events) != 1 || f.server.events[0].Note != "Dead letters that are delivered again: 1" {
		t.Errorf("Events: %+v", f.server.events)
	}
	if n, err := f.writer.Redrive(t.Context(), ofMedia("")); n != 0 || err != nil {
		t.Errorf("%d were redriven again, %v", n, err)
	}
	f.pass(time.Minute)
	if len(f.server.events) != 1 {
		t.Errorf("an Event tells of nothing: %+v", f.server.events)
	}
}

func TestWhatNobodyServesIsNotRedriven(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.deadLetter(7)
	gone := queue.Selection{Endpoint: queue.Endpoint{Namespace: "shop", Name: "press"}}
	for _, which := range []queue.Selection{gone, ofMedia("former"), {}} {
		if n, err := f.writer.Redrive(t.Context(), which); n != 0 || !errors.Is(err, ErrNotServed) {
			t.Errorf("%+v: %d were redriven, %v", which, n, err)
		}
	}
	f.Sync(route.NewTable(nil))
	if n, err := f.writer.Redrive(t.Context(), ofMedia("catalog")); n != 0 || !errors.Is(err, ErrNotServed) {
		t.Errorf("of an endpoint that was deleted %d were redriven, %v", n, err)
	}
	if f.queue.redriven != 0 {
		t.Error("the queue was asked")
	}
}

func TestDiscardedDeadLettersAreCounted(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.deadLetter(7)
	n, err := f.writer.Discard(t.Context(), ofMedia(""))
	if n != 1 || err != nil {
		t.Fatalf("%d were discarded, %v", n, err)
	}
	for range 2 {
		f.pass(time.Minute + 2*time.Second)
		status := f.server.endpoints[f.media.Key].Status.Receiver
		if catalog := status.Targets[0]; *catalog.DeadLetters != 0 || *catalog.Discarded != 1 {
			t.Errorf("the target in status is %+v", catalog)
		}
		last := status.LastNotification.Deliveries[0]
		if last.State != v1alpha1.DeliveryDiscarded || last.Message != "discarded by hand" || last.Attempts == nil || *last.Attempts != 1 {
			t.Errorf("the delivery in status is %+v", last)
		}
		f.restart() // the total outlives it
	}
	if len(f.server.events) > 0 {
		t.Errorf("Events: %+v", f.server.events)
	}
}
