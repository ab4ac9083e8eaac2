// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

func TestNothingIsWrittenBeforeTheObjectsWereRead(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	endpoint, trigger := f.server.endpoints[f.media.Key], f.server.triggers[f.media.Triggers[0].Key]
	delete(f.server.endpoints, f.media.Key)
	delete(f.server.triggers, f.media.Triggers[0].Key)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(10 * time.Minute)
	f.server.endpoints[f.media.Key], f.server.triggers[f.media.Triggers[0].Key] = endpoint, trigger
	if writes := f.pass(2 * time.Second); len(writes) != 2 {
		t.Errorf("then %v are written", keys(writes))
	}
}

func TestNoMoreThanFiveObjectsAreWrittenASecondConditionsFirst(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	var endpoints []*route.Endpoint
	for i := range 40 {
		e := testRoute()
		e.Key.Name, e.UID, e.Triggers = fmt.Sprintf("e%d", i), types.UID(fmt.Sprintf("uid-e%d", i)), nil
		endpoints = append(endpoints, e)
		f.add(e)
	}
	f.restart(endpoints...)
	stored := func(id queue.ID) {
		for _, e := range endpoints {
			record, n := testRecord("upload", "a", f.clock.Now())
			f.Stored(e, id, record, n)
		}
	}
	stored(1)
	writes := f.pass(10 * time.Second)
	if len(writes) != 40 {
		t.Errorf("%d of 40 endpoints in 10 s", len(writes))
	}
	for i := range writes {
		if i >= 5 && writes[i].at.Sub(writes[i-5].at) < time.Second {
			t.Errorf("writes %d to %d took %s", i-5, i, writes[i].at.Sub(writes[i-5].at))
		}
	}
	f.pass(2 * time.Minute)
	stored(2)
	f.pass(3200 * time.Millisecond)
	f.queue.items = []queue.Item{{Endpoint: queue.Endpoint{Namespace: "shop", Name: "e39"}, Target: "catalog", Dead: true}}
	for i, w := range f.pass(2 * time.Second) {
		if strings.Contains(conditionsOf(w), v1alpha1.ReasonDeadLetters) {
			if w.Metadata.Name != "e39" || i > 4 {
				t.Errorf("the condition of %s was written as number %d", w.Metadata.Name, i)
			}
			return
		}
	}
	t.Error("the condition was not written among the numbers of others")
}

func TestNothingIsLostWhileTheAPIServerIsAway(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.pass(time.Second)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.server.err = errors.New("connection refused")
	f.pass(10 * time.Minute)
	if n := f.writer.back.failures; n < 10 || n > 40 {
		t.Errorf("%d attempts in 10 minutes", n)
	}
	f.server.err = nil
	writes := f.pass(40 * time.Second)
	if diff := cmp.Diff([]string{"CloudinaryTrigger shop/images", "NotificationEndpoint shop/media"}, keys(writes)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAWriteWaitsForTheCacheToHaveTheWritesOfOthers(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.pass(time.Second)
	f.server.behind = 3
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(2 * time.Second)
	if f.server.behind != 1 {
		t.Errorf("%d attempts in 2 s", 3-f.server.behind)
	}
	f.pass(10 * time.Second)
	if f.server.endpoints[f.media.Key].Status.Receiver == nil || f.writer.back.failures > 0 {
		t.Error("it was not written, or a conflict counts as a fault of the API server")
	}
}

func TestDeadLettersAreCountedWhenTheirNumberChangesAndNotTooOften(t *testing.T) {
	t.Parallel()
	item := func(target string) queue.Item {
		return queue.Item{Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: target, Dead: true}
	}
	var d deadLetters
	q := &fakeQueue{}
	now := noon
	for i, step := range []struct {
		after   time.Duration
		dead    []queue.Item
		changed bool
		want    int
	}{
		{0, []queue.Item{item("catalog")}, true, 1},
		{time.Second, []queue.Item{item("catalog")}, false, 1},
		{time.Second, []queue.Item{item("catalog"), item("catalog")}, true, 2},
		// One is discarded and another dies: the total tells nothing.
		{time.Second, []queue.Item{item("catalog"), item("describe")}, false, 2},
		{time.Minute, []queue.Item{item("catalog"), item("describe")}, true, 1},
		{time.Second, nil, true, 0},
	} {
		now = now.Add(step.after)
		q.items = step.dead
		if got := len(d.count(q, now)) > 0; got != step.changed {
			t.Errorf("step %d: changed is %t", i, got)
		}
		if got := d.letters[lane{queue.Endpoint{Namespace: "shop", Name: "media"}, "catalog"}].n; got != step.want {
			t.Errorf("step %d: %d dead letters, want %d", i, got, step.want)
		}
	}
	for range 1_000_000 {
		q.items = append(q.items, item("catalog"))
	}
	now = now.Add(time.Second)
	d.count(q, now)
	q.items = q.items[1:]
	if d.count(q, now.Add(4*time.Second)) != nil {
		t.Error("a million items are gone over every few seconds")
	}
}

func TestDeadLettersAreRedrivenOnceForEachValueOfTheAnnotation(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	dead := func() {
		f.queue.items = []queue.Item{{Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: "catalog", Dead: true}}
	}
	annotate := func(value string) {
		f.media = testRoute()
		f.media.Redrive = value
		f.Sync(route.NewTable([]*route.Endpoint{f.media}))
	}
	dead()
	if writes := f.pass(2 * time.Second); len(writes) != 1 || conditionsOf(writes[0]) != "Delivering=False/DeadLetters" {
		t.Fatalf("dead letters: %+v", writes)
	}
	annotate("1")
	if writes := f.pass(2 * time.Second); len(writes) != 1 || conditionsOf(writes[0]) != "Delivering=True/Delivered" ||
		writes[0].Endpoint.Receiver.LastHandledRedrive != "1" || *writes[0].Endpoint.Receiver.Targets[0].DeadLetters != 0 {
		t.Errorf("after the redrive: %+v", writes)
	}
	if told := f.redriven(); len(told) != 1 || told[0].Note != "Dead letters that are delivered again: 1" {
		t.Errorf("Events: %+v", f.server.events)
	}
	dead()
	f.restart()
	f.pass(time.Minute)
	f.store, f.Recorder = &memory{}, nil // the store is lost
	f.restart()
	f.pass(time.Minute)
	if f.queue.redriven != 1 {
		t.Errorf("redriven %d times for one value", f.queue.redriven)
	}
	annotate(strings.Repeat("ü", 200))
	f.pass(time.Minute)
	f.restart()
	f.pass(time.Minute)
	if f.queue.redriven != 2 {
		t.Errorf("redriven %d times for two values", f.queue.redriven)
	}
	if got := f.server.endpoints[f.media.Key].Status.Receiver.LastHandledRedrive; got != strings.Repeat("ü", 128) {
		t.Errorf("handled %q", got)
	}
	annotate("")
	f.pass(time.Minute)
	if f.queue.redriven != 2 {
		t.Error("redriven without an annotation")
	}
}

func TestAnEndpointThatLosesItsReceiverLosesItsStatus(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("while the receiver is away %t", away), func(t *testing.T) {
			t.Parallel()
			f := newWriterFixture(t)
			f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
			f.pass(2 * time.Second)
			object := f.server.endpoints[f.media.Key]
			object.Spec.Receiver = nil
			if away {
				other := testRoute()
				other.Key.Name = "other"
				f.add(other)
				f.restart(other)
			} else {
				f.Sync(route.NewTable(nil))
			}
			writes := f.pass(70 * time.Second)
			if len(writes) != 1 || writes[0].RawStatus != "{}" {
				t.Errorf("wrote %+v", writes)
			}
			if writes := f.pass(5 * time.Minute); len(writes) > 0 {
				t.Errorf("and then %+v", writes)
			}
		})
	}
}

func TestObjectsThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.notify(1, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(2 * time.Second)
	delete(f.server.endpoints, f.media.Key)
	delete(f.server.triggers, f.media.Triggers[0].Key)
	f.notify(2, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(5 * time.Minute)
	if f.writer.back.failures > 0 {
		t.Error("what is gone counts as a fault of the API server")
	}
	// Another one has the name, and the routes do not know yet.
	other := testRoute()
	other.UID = "uid-of-another"
	f.add(other)
	f.notify(3, delivery.OutcomeDelivered, delivery.OutcomeDelivered)
	f.pass(5 * time.Minute)
	if f.server.endpoints[f.media.Key].Status.Receiver != nil {
		t.Error("the status of what is gone was written to another object")
	}
	f.Sync(route.NewTable(nil))
	f.pass(5 * time.Second)
	if len(f.writer.endpoints)+len(f.writer.triggers) > 0 {
		t.Errorf("%d endpoints and %d triggers are kept", len(f.writer.endpoints), len(f.writer.triggers))
	}
	// One of the same name is another one.
	again := testRoute()
	again.UID = "uid-2"
	f.add(again)
	f.Sync(route.NewTable([]*route.Endpoint{again}))
	f.media = again
	f.notify(3, delivery.OutcomeDelivered)
	f.pass(5 * time.Second)
	if got := f.server.endpoints[again.Key].Status.Receiver; got == nil || *got.Received != 1 {
		t.Errorf("the new one has %+v", got)
	}
}

func TestMissingKeysShowAfterAMoment(t *testing.T) {
	t.Parallel()
	f := newWriterFixture(t)
	f.media = testRoute()
	f.media.Policy = nil
	f.Sync(route.NewTable([]*route.Endpoint{f.media}))
	if writes := f.pass(9 * time.Second); len(writes) > 0 {
		t.Errorf("wrote %+v at once", writes)
	}
	writes := f.pass(5 * time.Second)
	if len(writes) != 1 || conditionsOf(writes[0]) != "Verifying=False/VerificationKeysMissing" || writes[0].Endpoint.Receiver != nil {
		t.Errorf("wrote %+v", writes)
	}
	f.Sync(route.NewTable([]*route.Endpoint{testRoute()}))
	if writes := f.pass(5 * time.Second); len(writes) != 1 || meta.FindStatusCondition(writes[0].Endpoint.Conditions, "Verifying") != nil {
		t.Errorf("with keys: %+v", writes)
	}
}
