// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

func TestNothingIsWrittenWhereNothingHappens(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	if writes := f.pass(10 * time.Minute); len(writes) > 0 {
		t.Errorf("wrote %v", keys(writes))
	}
}

func TestAFirstNotificationShowsWithinSeconds(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.pass(time.Second)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	writes := f.pass(2 * time.Second)
	if diff := cmp.Diff([]string{"CloudinaryTrigger shop/images", "NotificationEndpoint shop/media"}, keys(writes)); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	endpoint := writes[0]
	if got := conditionsOf(endpoint); got != "Verifying=True/Verified Delivering=True/Delivered" {
		t.Errorf("conditions are %s", got)
	}
	if c := endpoint.Endpoint.Conditions[0]; c.ObservedGeneration != 3 || !c.LastTransitionTime.Equal(at(noon.Add(time.Second))) {
		t.Errorf("the condition is %+v", c)
	}
	for _, w := range writes {
		last := w.Trigger.LastNotification
		if w.Kind == "NotificationEndpoint" {
			last = w.Endpoint.Receiver.LastNotification
		}
		if last.Summary != `upload: image "asset-1"` || last.Deliveries[0].State != v1alpha1.DeliveryDelivered {
			t.Errorf("%s: %+v", w.key(), last)
		}
	}
	if writes := f.pass(10 * time.Minute); len(writes) > 0 {
		t.Errorf("wrote %v at rest", keys(writes))
	}
}

func TestNumbersAreWrittenOnceAMinuteAndInTheEnd(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	var writes []applied
	id := queue.ID(0)
	for range 300 { // five minutes
		id++
		f.notify(id, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
		writes = append(writes, f.pass(time.Second)...)
	}
	if n := len(writes); n < 10 || n > 14 {
		t.Errorf("%d writes of two objects in five minutes", n)
	}
	writes = append(writes, f.pass(2*time.Minute)...)
	last := map[string]time.Time{}
	for _, w := range writes {
		if before, known := last[w.key()]; known && w.at.Sub(before) < time.Minute {
			t.Errorf("%s was written after %s", w.key(), w.at.Sub(before))
		}
		last[w.key()] = w.at
	}
	if got := *f.server.endpoints[f.media.Key].Status.Receiver.Received; got != 300 {
		t.Errorf("in the end %d were received", got)
	}
	if got := f.server.triggers[f.media.Triggers[0].Key].Status.LastNotification.Summary; got != `upload: image "asset-300"` {
		t.Errorf("the trigger's last one is %s", got)
	}
}

func TestAConditionIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(5 * time.Second)

	f.lanes = []delivery.LaneStats{{Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: "catalog", Waiting: 3, Retrying: 1}}
	for id := queue.ID(2); id < 5; id++ {
		f.notify(id, delivery.OutcomeRetried)
	}
	writes := f.pass(time.Second)
	if len(writes) != 1 || conditionsOf(writes[0]) != "Verifying=True/Verified Delivering=False/TargetFailing" {
		t.Fatalf("a failing target: %+v", writes)
	}
	failing := writes[0].Endpoint.Conditions[1]
	if !strings.Contains(failing.Message, "target catalog") || !strings.Contains(failing.Message, "503") {
		t.Errorf("the message is %q", failing.Message)
	}
	if c := writes[0].Endpoint.Conditions[0]; !c.LastTransitionTime.Equal(at(noon)) {
		t.Errorf("Verifying did not change, and has the time %s", c.LastTransitionTime)
	}

	f.lanes = nil
	f.AttemptEnded(testAttempt(4, "catalog", delivery.OutcomeDelivered, f.clock.Now()))
	if writes := f.pass(time.Second); len(writes) != 1 || conditionsOf(writes[0]) != "Verifying=True/Verified Delivering=True/Delivered" {
		t.Errorf("a target that works again: %+v", writes)
	}
	// The words of a condition are no news that could not wait.
	f.lanes = []delivery.LaneStats{{Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: "catalog", Waiting: 3, PausedUntil: noon}}
	f.notify(5, delivery.OutcomeRetried)
	f.pass(time.Second)
	changed := testAttempt(5, "catalog", delivery.OutcomeRetried, f.clock.Now())
	changed.Message = "the Service answered 500"
	f.AttemptEnded(changed)
	if writes := f.pass(30 * time.Second); slices.ContainsFunc(writes, func(a applied) bool { return a.Kind == "NotificationEndpoint" }) {
		t.Errorf("other words: %v", keys(writes))
	}
}

func TestWhatATargetRefusesIsNotSaidToBeTriedAgain(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	for id := queue.ID(1); id <= 5; id++ {
		f.notify(id, delivery.OutcomeDead, delivery.OutcomeDelivered)
		f.queue.items = append(f.queue.items, queue.Item{
			ID: id, Endpoint: ofMedia("").Endpoint, Target: "catalog", Dead: true, Reason: fmt.Sprintf("answered %d", 420+id),
		})
		f.pass(2 * time.Second)
	}
	// The next one has just arrived, and is no reason to say that those before it are tried again.
	f.lanes = []delivery.LaneStats{{Endpoint: ofMedia("").Endpoint, Target: "catalog", Waiting: 1}}
	f.notify(6)
	f.pass(5 * time.Minute)
	conditions := f.server.endpoints[f.media.Key].Status.Conditions
	got := meta.FindStatusCondition(conditions, v1alpha1.ConditionDelivering)
	want := "Notifications were given up for the target catalog: answered 425. They are kept as dead letters and not tried again. " +
		"See them: kubectl cloudinary deadletters list media -n shop. " +
		"Once the cause is gone, deliver them: kubectl cloudinary deadletters redrive media -n shop, " +
		"or give this object the annotation notifications.cloudinary.dev/redrive with a new value."
	if got == nil || got.Reason != v1alpha1.ReasonDeadLetters || got.Message != want {
		t.Errorf("got %+v\nwant %s: %s", got, v1alpha1.ReasonDeadLetters, want)
	}
}

// refuse has requests refused, one a second.
func (f *writerFixture) refuse(reason notification.Rejection, guessed bool, d time.Duration) []applied {
	var writes []applied
	for range d / time.Second {
		f.Rejected(f.media, string(reason), guessed)
		writes = append(writes, f.pass(time.Second)...)
	}
	return writes
}

func TestRefusedRequestsChangeVerifyingAloneAndOnlyToUnknown(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(10 * time.Second)
	writes := f.refuse(notification.RejectedBadSignature, true, 70*time.Second)
	if i := slices.IndexFunc(writes, func(a applied) bool {
		return conditionsOf(a) == "Verifying=Unknown/SignaturesDoNotMatch Delivering=True/Delivered"
	}); i < 0 {
		t.Fatal("the condition did not change")
	}
	f.restart()
	if writes := f.pass(10 * time.Minute); len(writes) > 1 {
		t.Errorf("after a restart: %v", keys(writes))
	}
	f.notify(2, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	if writes := f.pass(time.Second); len(writes) == 0 || conditionsOf(writes[0]) != "Verifying=True/Verified Delivering=True/Delivered" {
		t.Errorf("after a verified one: %+v", writes)
	}
}

func TestAKeyThatNeverMatchedIsSaidOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason  notification.Rejection
		guessed bool
		want    string
	}{
		"at an address that nobody can guess":         {notification.RejectedBadSignature, false, "Verifying=Unknown/SignaturesDoNotMatch"},
		"at an address that anybody can guess":        {notification.RejectedBadSignature, true, "Verifying=Unknown/NothingVerified"},
		"without the headers, where nobody can guess": {notification.RejectedMissingSignature, false, "Verifying=Unknown/SignatureHeadersMissing"},
		"without the headers, where anybody can":      {notification.RejectedMissingSignature, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newWriterFixture(t)
			var seen []string
			note := func(writes []applied) {
				for _, w := range writes {
					if is := conditionsOf(w); w.Kind == "NotificationEndpoint" && (len(seen) == 0 || seen[len(seen)-1] != is) {
						seen = append(seen, is)
					}
				}
			}
			note(f.refuse(test.reason, test.guessed, 5*time.Minute))
			f.restart()
			note(f.pass(10 * time.Minute))
			note(f.refuse(notification.RejectedBadSignature, true, 2*time.Second)) // a stranger's
			note(f.pass(10 * time.Minute))
			f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
			note(f.pass(time.Minute + time.Second))
			want := []string{"", test.want, "Verifying=True/Verified Delivering=True/Delivered"}
			if test.want == "" {
				want = want[1:]
			}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Errorf("conditions (-want +got)\n%s", diff)
			}
		})
	}
}

func TestARestartWritesNothingThatIsThere(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeRetried)
	f.Rejected(f.media, string(notification.RejectedStale), true)
	f.lanes = []delivery.LaneStats{{Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: "describe", Waiting: 1, Retrying: 1}}
	f.pass(2 * time.Minute)
	f.restart()
	if writes := f.pass(10 * time.Minute); len(writes) > 0 {
		t.Errorf("wrote %v", keys(writes))
	}
	f.AttemptEnded(testAttempt(1, "describe", delivery.OutcomeDelivered, noon))
	f.lanes = nil
	f.pass(5 * time.Second)
	for name, last := range map[string]*v1alpha1.NotificationStatus{
		"endpoint": f.server.endpoints[f.media.Key].Status.Receiver.LastNotification,
		"trigger":  f.server.triggers[f.media.Triggers[0].Key].Status.LastNotification,
	} {
		if last.Deliveries[1].State != v1alpha1.DeliveryDelivered {
			t.Errorf("%s: the delivery that ended after the restart is %s", name, last.Deliveries[1].State)
		}
	}
}

func TestALostStoreGoesOnFromStatus(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeRetried)
	f.Duplicate(f.media)
	f.Rejected(f.media, string(notification.RejectedStale), true)
	f.pass(2 * time.Minute)
	before := f.server.endpoints[f.media.Key].Status.DeepCopy()
	f.store, f.Recorder = &memory{}, nil
	f.restart()
	f.Duplicate(f.media) // before status was read
	f.pass(2 * time.Minute)
	after := f.server.endpoints[f.media.Key].Status.DeepCopy()
	if *after.Receiver.Duplicates != 2 {
		t.Errorf("%d duplicates, want 2", *after.Receiver.Duplicates)
	}
	after.Receiver.Duplicates = before.Receiver.Duplicates
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}

	// What is still on its way is known by when it came, and changes nothing of what the other target has.
	f.AttemptEnded(testAttempt(1, "describe", delivery.OutcomeDelivered, noon.Add(time.Millisecond)))
	f.pass(2 * time.Minute)
	for name, last := range map[string]*v1alpha1.NotificationStatus{
		"endpoint": f.server.endpoints[f.media.Key].Status.Receiver.LastNotification,
		"trigger":  f.server.triggers[f.media.Triggers[0].Key].Status.LastNotification,
	} {
		want := before.Receiver.LastNotification.DeepCopy()
		want.Deliveries[1] = v1alpha1.DeliveryStatus{Target: "describe", State: v1alpha1.DeliveryDelivered, Attempts: new(int32(1))}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
