// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
)

// tellings are the Events so far, and what they say.
func (f *writerFixture) tellings() []string {
	var all []string
	for _, e := range f.server.events {
		if e.Regarding.UID != f.media.UID || e.ReportingController != events.ReportingController || e.Note == "" {
			f.Errorf("an Event is not about the endpoint: %+v", e)
		}
		all = append(all, e.Type+" "+e.Reason+" "+e.Action)
	}
	return all
}

func TestATargetThatFailsAndIsWellAgainIsTold(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(2 * time.Second)
	if got := f.tellings(); len(got) > 0 {
		t.Errorf("nothing is wrong, and there are Events: %v", got)
	}
	f.deadLetter(8)
	f.pass(2 * time.Second)
	want := []string{"Warning DeadLetters Deliver"}
	if diff := cmp.Diff(want, f.tellings()); diff != "" {
		t.Errorf("after a dead letter (-want +got):\n%s", diff)
	}
	f.pass(2 * time.Minute)
	f.restart()
	f.pass(2 * time.Minute)
	if diff := cmp.Diff(want, f.tellings()); diff != "" {
		t.Errorf("nothing has changed, also by a restart (-want +got):\n%s", diff)
	}
	if _, err := f.writer.Discard(t.Context(), queue.Selection{Endpoint: ofMedia("").Endpoint}); err != nil {
		t.Fatal(err)
	}
	f.pass(2 * time.Minute)
	want = append(want, "Normal Delivered Deliver")
	if diff := cmp.Diff(want, f.tellings()); diff != "" {
		t.Errorf("once it was discarded (-want +got):\n%s", diff)
	}
}
