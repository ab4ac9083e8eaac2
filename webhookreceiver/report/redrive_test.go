// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

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
	f.queue.items = append(f.queue.items, queue.Item{ID: id, Endpoint: ofMedia("").Endpoint, Target: "catalog", Dead: true, Reason: "answered 422"})
	f.pass(2 * time.Second)
	if got := f.server.endpoints[f.media.Key].Status; *got.Receiver.Targets[0].DeadLetters != 1 {
		f.Fatalf("status.receiver is %+v", got.Receiver)
	}
}

func TestChosenDeadLettersAreRedriven(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.deadLetter(7)
	done, err := f.writer.Redrive(t.Context(), ofMedia("catalog"))
	if done.Count != 1 || done.Kept != 0 || err != nil {
		t.Fatalf("%+v were redriven, %v", done, err)
	}
	f.pass(time.Minute + 2*time.Second)
	status := f.server.endpoints[f.media.Key].Status
	if got := status.Receiver; *got.Targets[0].DeadLetters != 0 || got.LastHandledRedrive != "" || *got.Targets[0].Discarded != 0 {
		t.Errorf("status.receiver is %+v", got)
	}
	if told := f.redriven(); len(told) != 1 || told[0].Note != "Dead letters that are delivered again: 1" {
		t.Errorf("Events: %+v", f.server.events)
	}
	if done, err := f.writer.Redrive(t.Context(), ofMedia("")); done.Count != 0 || err != nil {
		t.Errorf("%+v were redriven again, %v", done, err)
	}
	f.pass(time.Minute)
	if len(f.redriven()) != 1 {
		t.Errorf("an Event tells of nothing: %+v", f.server.events)
	}
}

func TestWhatNobodyServesIsNotRedriven(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.deadLetter(7)
	gone := queue.Selection{Endpoint: queue.Endpoint{Namespace: "shop", Name: "press"}}
	for _, which := range []queue.Selection{gone, ofMedia("former"), {}} {
		if done, err := f.writer.Redrive(t.Context(), which); done.Count != 0 || !errors.Is(err, ErrNotServed) {
			t.Errorf("%+v: %+v were redriven, %v", which, done, err)
		}
	}
	f.Sync(route.NewTable(nil))
	if done, err := f.writer.Redrive(t.Context(), ofMedia("catalog")); done.Count != 0 || !errors.Is(err, ErrNotServed) {
		t.Errorf("of an endpoint that was deleted %+v were redriven, %v", done, err)
	}
	if f.queue.redriven != 0 {
		t.Error("the queue was asked")
	}
}

func TestDeadLettersOfFormerTargetsAreKept(t *testing.T) {
	t.Parallel()
	at := ofMedia("").Endpoint
	letters := func() []queue.Item {
		return []queue.Item{
			{ID: 7, Endpoint: at, Target: "catalog", Dead: true},
			{ID: 7, Endpoint: at, Target: "former", Dead: true},
			{ID: 8, Endpoint: at, Target: "old", Dead: true},
			{ID: 9, Endpoint: at, Target: "former", Dead: true},
		}
	}
	for name, test := range map[string]struct {
		redrive func(*writerFixture) (Redriven, error)
		want    Redriven
		event   string
	}{
		"by the annotation": {
			redrive: func(f *writerFixture) (Redriven, error) {
				f.media = testRoute()
				f.media.Redrive = "please"
				f.Sync(route.NewTable([]*route.Endpoint{f.media}))
				return Redriven{}, nil
			},
			event: "Dead letters that are delivered again: 1; kept, since the endpoint does not have their targets any more: 3. " +
				"Bring the targets back, or discard them",
		},
		"by request": {
			redrive: func(f *writerFixture) (Redriven, error) { return f.writer.Redrive(t.Context(), ofMedia("")) },
			want:    Redriven{Count: 1, Kept: 3, KeptFor: []string{"former", "old"}},
			event: "Dead letters that are delivered again: 1; kept, since the endpoint does not have their targets any more: 3. " +
				"Bring the targets back, or discard them",
		},
		"by request, chosen": {
			redrive: func(f *writerFixture) (Redriven, error) {
				which := ofMedia("")
				which.IDs = []queue.ID{7, 8}
				return f.writer.Redrive(t.Context(), which)
			},
			want: Redriven{Count: 1, Kept: 2, KeptFor: []string{"former", "old"}},
			event: "Dead letters that are delivered again: 1; kept, since the endpoint does not have their targets any more: 2. " +
				"Bring the targets back, or discard them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newWriterFixture(t)
			f.queue.items = letters()
			f.pass(2 * time.Second)
			before := meta.FindStatusCondition(f.server.endpoints[f.media.Key].Status.Conditions, v1alpha1.ConditionDelivering)
			done, err := test.redrive(f)
			if diff := cmp.Diff(test.want, done); diff != "" || err != nil {
				t.Errorf("error %v (-want +got)\n%s", err, diff)
			}
			f.pass(2 * time.Second)
			if diff := cmp.Diff(letters()[1:], f.queue.items); diff != "" {
				t.Errorf("dead letters afterwards (-want +got)\n%s", diff)
			}
			if told := f.redriven(); len(told) != 1 || told[0].Note != test.event {
				t.Errorf("Events: %+v", f.server.events)
			}
			f.pass(time.Minute)
			after := meta.FindStatusCondition(f.server.endpoints[f.media.Key].Status.Conditions, v1alpha1.ConditionDelivering)
			if before.Reason != v1alpha1.ReasonDeadLetters || !strings.Contains(before.Message, v1alpha1.AnnotationRedrive) {
				t.Errorf("before: %+v", before)
			}
			if after.Reason != v1alpha1.ReasonDeadLetters || strings.Contains(after.Message, v1alpha1.AnnotationRedrive) ||
				!strings.Contains(after.Message, "the targets former, old") {
				t.Errorf("after: %+v", after)
			}
		})
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
	if len(f.redriven()) > 0 {
		t.Errorf("Events: %+v", f.server.events)
	}
}
