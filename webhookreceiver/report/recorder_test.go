// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// memory is a Store.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	writes int
	err    error
	// names are those that were written, and bytes how many were at most at once; errAfter is after how many writes err is returned.
	names    []string
	bytes    int
	errAfter int
}

func (m *memory) States(prefix string, yield func(name string, value []byte) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.values)) {
		if strings.HasPrefix(name, prefix) && !yield(name, m.values[name]) {
			break
		}
	}
	return m.err
}

func (m *memory) SetStates(values map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil && m.writes >= m.errAfter {
		return m.err
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	bytes := 0
	for name, value := range values {
		m.names = append(m.names, name)
		bytes += len(name) + len(value)
		m.bytes = max(m.bytes, bytes)
		if m.values[name] = value; len(value) == 0 {
			delete(m.values, name)
		}
	}
	m.writes++
	return nil
}

// wrote returns the names that were written since it was called last, in order.
func (m *memory) wrote() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(slices.Values(m.names))
	m.names = nil
	return names
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// clock is set by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func reasons() []string {
	var all []string
	for _, r := range notification.Rejections() {
		all = append(all, string(r))
	}
	return all
}

func newTestRecorder(tb testing.TB, store Store, now func() time.Time) *Recorder {
	tb.Helper()
	r, err := NewRecorder(RecorderOptions{Store: store, Reasons: reasons(), Now: now, Logger: logr.Discard()})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// testRoute is the endpoint shop/media with the targets catalog and describe, and two triggers.
func testRoute() *route.Endpoint {
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: name} }
	return &route.Endpoint{
		Key: key("media"), UID: "uid-1", Generation: 3, Policy: &notification.Policy{},
		Targets: []route.Target{{Name: "catalog", Service: &route.Service{Name: "catalog"}}, {Name: "describe", Event: true}},
		Triggers: []route.Trigger{
			{Key: key("images"), UID: "uid-images", EventTypes: []string{"upload", "delete"}}, {Key: key("rest"), UID: "uid-rest", EventTypes: []string{"all"}},
		},
	}
}

func testRecord(eventType, publicID string, at time.Time) (*queue.Record, *notification.Notification) {
	return &queue.Record{
		Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, EventType: eventType, ReceivedAt: at, Targets: []string{"catalog", "describe"},
	}, &notification.Notification{Type: eventType, Assets: 1, Asset: notification.Asset{ResourceType: "image", PublicID: publicID}}
}

func testAttempt(id queue.ID, target string, outcome delivery.Outcome, at time.Time) delivery.Attempt {
	a := delivery.Attempt{
		ID: id, Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, Target: target, EventType: "upload", ReceivedAt: at,
		Number: 1, Tried: true, Outcome: outcome, EndedAt: at.Add(time.Second),
	}
	switch outcome {
	case delivery.OutcomeDelivered:
		a.StatusCode = 200
	case delivery.OutcomeRetried, delivery.OutcomeDead, delivery.OutcomeDiscarded:
		a.StatusCode, a.Message = 503, "the Service answered 503"
	}
	return a
}

func (r *Recorder) statusOf(queued map[string]queued) v1alpha1.ReceiverStatus {
	return r.view(r.lookup(types.NamespacedName{Namespace: "shop", Name: "media"}), queued).receiver
}

func (r *Recorder) lastOf(trigger string) *v1alpha1.NotificationStatus {
	e := r.lookup(types.NamespacedName{Namespace: "shop", Name: "media"})
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.triggers[types.NamespacedName{Namespace: "shop", Name: trigger}].last.status()
}

func at(t time.Time) *metav1.Time { m := metav1.NewTime(t); return &m }

func TestStatusTellsHowNotificationsFared(t *testing.T) {
	t.Parallel()
	c := &clock{now: noon}
	r := newTestRecorder(t, &memory{}, c.Now)
	media := testRoute()
	r.Sync(route.NewTable([]*route.Endpoint{media}))

	first, n := testRecord("upload", "dogs/rex", noon)
	r.Stored(media, 1, first, n)
	second, n := testRecord("delete", "cats/tom", noon.Add(1500*time.Millisecond))
	r.Stored(media, 2, second, n)
	r.Duplicate(media)
	r.Rejected(media, "bad_signature", true)
	r.Rejected(media, "bad_signature", true)
	r.Rejected(media, "not a reason", true)
	r.Rejected(nil, "bad_signature", true)
	r.Stored(&route.Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: "unknown"}}, 3, first, n)

	ended := testAttempt(2, "catalog", delivery.OutcomeRetried, noon)
	ended.EventType = "delete"
	r.AttemptEnded(testAttempt(1, "catalog", delivery.OutcomeDelivered, noon))
	r.AttemptEnded(ended)
	ended.Target, ended.Outcome, ended.StatusCode, ended.Message = "describe", delivery.OutcomeDelivered, 201, ""
	r.AttemptEnded(ended)
	r.AttemptEnded(testAttempt(1, "describe", delivery.OutcomeDiscarded, noon))

	got := r.statusOf(map[string]queued{
		"catalog": {stats: delivery.LaneStats{Waiting: 1, Retrying: 1}, dead: 2},
		"removed": {dead: 1},
		"idle":    {},
	})
	want := v1alpha1.ReceiverStatus{
		Received: new(int64(2)), Duplicates: new(int64(1)),
		Rejected: []v1alpha1.RejectionStatus{{Reason: "bad_signature", Count: 2, LastAt: at(noon)}},
		LastNotification: &v1alpha1.NotificationStatus{
			EventType: "delete", ReceivedAt: at(noon.Add(time.Second)), Summary: `delete: image "cats/tom"`,
			Deliveries: []v1alpha1.DeliveryStatus{
				{Target: "catalog", State: v1alpha1.DeliveryRetrying, Attempts: new(int32(1)), Message: "the Service answered 503"},
				{Target: "describe", State: v1alpha1.DeliveryDelivered, Attempts: new(int32(1))},
			},
		},
		Targets: []v1alpha1.TargetStatus{
			{
				Name: "catalog", Delivered: new(int64(1)), Waiting: new(int64(1)), Retrying: new(int64(1)), DeadLetters: new(int64(2)), Discarded: new(int64(0)),
				LastDeliveredAt: at(noon.Add(time.Second)),
				LastFailure:     &v1alpha1.DeliveryFailure{At: at(noon.Add(time.Second)), StatusCode: 503, Message: "the Service answered 503"},
			},
			{
				Name: "describe", Delivered: new(int64(1)), Waiting: new(int64(0)), Retrying: new(int64(0)), DeadLetters: new(int64(0)), Discarded: new(int64(1)),
				LastDeliveredAt: at(noon.Add(time.Second)),
			},
			{
				Name: "removed", Delivered: new(int64(0)), Waiting: new(int64(0)), Retrying: new(int64(0)), DeadLetters: new(int64(1)), Discarded: new(int64(0)),
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := r.lastOf("images"); got.Summary != `delete: image "cats/tom"` {
		t.Errorf("the trigger's last notification is %+v", got)
	}
	if got := r.lastOf("rest"); got != nil {
		t.Errorf("a trigger that did not fire has %+v", got)
	}
}

func TestTheLastNotificationIsOfTheTriggerThatFired(t *testing.T) {
	t.Parallel()
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	media := testRoute()
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	record, n := testRecord("rename", "a", noon)
	r.Stored(media, 1, record, n)
	if got := r.lastOf("rest"); got == nil || got.EventType != "rename" {
		t.Errorf("the trigger for all event types has %+v", got)
	}
	if got := r.lastOf("images"); got != nil {
		t.Errorf("the trigger for others has %+v", got)
	}
}

// TestAnAttemptMayEndBeforeItsNotificationCounts is the usual order under load: delivery begins as soon as the record is on disk.
func TestAnAttemptMayEndBeforeItsNotificationCounts(t *testing.T) {
	t.Parallel()
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	media := testRoute()
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	old, n := testRecord("upload", "old", noon.Add(-time.Hour))
	r.Stored(media, 6, old, n)
	r.AttemptEnded(testAttempt(7, "describe", delivery.OutcomeDelivered, noon))
	record, n := testRecord("upload", "new", noon)
	r.Stored(media, 7, record, n)
	r.AttemptEnded(testAttempt(6, "catalog", delivery.OutcomeDelivered, noon.Add(-time.Hour)))
	late, n := testRecord("upload", "late", noon)
	r.Stored(media, 5, late, n) // another goroutine, held up

	want := []v1alpha1.DeliveryStatus{
		{Target: "catalog", State: v1alpha1.DeliveryPending}, {Target: "describe", State: v1alpha1.DeliveryDelivered, Attempts: new(int32(1))},
	}
	for name, got := range map[string]*v1alpha1.NotificationStatus{"endpoint": r.statusOf(nil).LastNotification, "trigger": r.lastOf("images")} {
		if got.Summary != `upload: image "new"` {
			t.Errorf("%s: %s", name, got.Summary)
		}
		if diff := cmp.Diff(want, got.Deliveries); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestADeliveryGivenUpForItsAgeIsFoundByItsID(t *testing.T) {
	t.Parallel()
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	media := testRoute()
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	record, n := testRecord("upload", "a", noon)
	r.Stored(media, 1, record, n)
	for _, id := range []queue.ID{1, 99} {
		r.AttemptEnded(delivery.Attempt{
			ID: id, Endpoint: record.Endpoint, Target: "catalog", Outcome: delivery.OutcomeDead, EndedAt: noon.Add(time.Hour), Number: 5, Message: "too old",
		})
	}
	for name, got := range map[string]*v1alpha1.NotificationStatus{"endpoint": r.statusOf(nil).LastNotification, "trigger": r.lastOf("images")} {
		want := v1alpha1.DeliveryStatus{Target: "catalog", State: v1alpha1.DeliveryDeadLettered, Attempts: new(int32(5)), Message: "too old"}
		if diff := cmp.Diff(want, got.Deliveries[0]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestStatusIsBounded(t *testing.T) {
	t.Parallel()
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	media := testRoute()
	media.Targets = nil
	queuedUp := map[string]queued{}
	record, n := testRecord("upload", strings.Repeat("猫", 1<<20), noon)
	record.Targets = nil
	for i := range 40 {
		name := fmt.Sprintf("%02d%s", i, strings.Repeat("t", 61))
		if i < 16 {
			media.Targets = append(media.Targets, route.Target{Name: name})
		}
		record.Targets = append(record.Targets, name)
		queuedUp[name] = queued{dead: 1 << 60}
	}
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	for _, reason := range reasons() {
		r.Rejected(media, reason, true)
	}
	r.Stored(media, 1, record, n)
	if kept := r.lookup(media.Key).last.n; kept != nil {
		t.Error("the texts of a large body are kept")
	}
	for _, target := range record.Targets {
		a := testAttempt(1, target, delivery.OutcomeDead, noon)
		a.Message = strings.Repeat("ü", 1000)
		r.AttemptEnded(a)
	}
	status := r.statusOf(queuedUp)
	if len(status.Targets) != 32 || len(status.LastNotification.Deliveries) != 16 || len(status.LastNotification.Summary) > 1024 {
		t.Errorf("%d targets, %d deliveries, a summary of %d bytes", len(status.Targets), len(status.LastNotification.Deliveries), len(status.LastNotification.Summary))
	}
	if size := jsonSize(t, status); size > 48<<10 {
		t.Errorf("status has %d bytes", size)
	}
}

func TestCountingFromManyGoroutinesLosesNothing(t *testing.T) {
	t.Parallel()
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	media := testRoute()
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	const workers, each = 8, 500
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				id := queue.ID(i*workers + w + 1)
				record, n := testRecord("upload", "a", noon)
				r.Stored(media, id, record, n)
				r.Rejected(media, "stale", true)
				r.Duplicate(media)
				r.AttemptEnded(testAttempt(id, "catalog", delivery.OutcomeDelivered, noon))
				if i%100 == 0 {
					r.Sync(route.NewTable([]*route.Endpoint{testRoute()}))
					_ = r.statusOf(nil)
					if err := r.Save(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	got := r.statusOf(nil)
	const all = workers * each
	if *got.Received != all || *got.Duplicates != all || got.Rejected[0].Count != all || *got.Targets[0].Delivered != all {
		t.Errorf("got %+v", got)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	media := testRoute()
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	record, n := testRecord("upload", "a", noon)
	id := queue.ID(0)
	for name, count := range map[string]func(){
		"Stored":    func() { id++; r.Stored(media, id, record, n) },
		"Duplicate": func() { r.Duplicate(media) },
		"Rejected":  func() { r.Rejected(media, "stale", true) },
		"delivered": func() { r.AttemptEnded(testAttempt(id, "catalog", delivery.OutcomeDelivered, noon)) },
	} {
		if allocations := testing.AllocsPerRun(1000, count); allocations > 0 {
			t.Errorf("%s allocates %v times", name, allocations)
		}
	}
}

func BenchmarkRecorder(b *testing.B) {
	r := newTestRecorder(b, &memory{}, time.Now)
	var endpoints []*route.Endpoint
	for i := range 1000 {
		e := testRoute()
		e.Key.Name += fmt.Sprint(i)
		endpoints = append(endpoints, e)
	}
	r.Sync(route.NewTable(endpoints))
	record, n := testRecord("upload", "a", noon)
	for name, count := range map[string]func(id queue.ID){
		"Stored":   func(id queue.ID) { r.Stored(endpoints[7], id, record, n) },
		"Rejected": func(queue.ID) { r.Rejected(endpoints[7], "stale", true) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for id := queue.ID(1); pb.Next(); id++ {
					count(id)
				}
			})
		})
	}
}
