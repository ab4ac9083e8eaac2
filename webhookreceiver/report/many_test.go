// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var manyTypes = []string{"upload", "delete", "rename", "resource_tags_changed", "moderation"}

// manyRoutes are endpoints of as many teams, each with three targets and five triggers.
func manyRoutes(n int) []*route.Endpoint {
	endpoints := make([]*route.Endpoint, n)
	for i := range endpoints {
		e := testRoute()
		e.Key = types.NamespacedName{Namespace: fmt.Sprintf("team-%04d", i), Name: "media"}
		e.UID = types.UID(fmt.Sprintf("%08d-97ab-4a8d-bd0c-d5de7a4c0a7c", i))
		e.Targets, e.Triggers = nil, nil
		for j := range 3 {
			e.Targets = append(e.Targets, route.Target{Name: fmt.Sprintf("target-%d", j), Service: &route.Service{Name: "catalog"}})
		}
		for j, eventType := range manyTypes {
			e.Triggers = append(e.Triggers, route.Trigger{
				Key: types.NamespacedName{Namespace: e.Key.Namespace, Name: "on-" + eventType}, EventTypes: []string{eventType},
				UID: types.UID(fmt.Sprintf("%08d-97ab-4a8d-bd0c-d5de7a4c0a7%d", i, j)),
			})
		}
		endpoints[i] = e
	}
	return endpoints
}

// outage lets a notification of each type arrive for an endpoint, and all of its deliveries fail.
func outage(r *Recorder, e *route.Endpoint, at time.Time) {
	for i, eventType := range manyTypes {
		record, n := testRecord(eventType, "products/2026/winter/dogs/rex_aa30f6fa3739", at)
		record.Endpoint, record.Targets = queue.Endpoint{Namespace: e.Key.Namespace, Name: e.Key.Name}, []string{"target-0", "target-1", "target-2"}
		id := queue.ID(i + 1)
		r.Stored(e, id, record, n)
		for _, target := range record.Targets {
			a := testAttempt(id, target, delivery.OutcomeRetried, at)
			a.Endpoint, a.EventType, a.Message = record.Endpoint, eventType, "Service "+e.Key.Namespace+"/catalog has no ready endpoints"
			r.AttemptEnded(a)
		}
	}
}

func openQueue(tb testing.TB) *queue.Store {
	tb.Helper()
	q, err := queue.Open(tb.Context(), queue.Options{Dir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Close() })
	return q
}

// The queue itself refuses what is too large for it.
func TestTotalsOfAThousandFailingEndpointsAreSaved(t *testing.T) {
	t.Parallel()
	q, endpoints := openQueue(t), manyRoutes(1000)
	before := newTestRecorder(t, q, time.Now)
	before.Sync(route.NewTable(endpoints))
	for _, e := range endpoints {
		outage(before, e, noon)
		before.lookup(e.Key).redriven = "of " + e.Key.Namespace
	}
	begun := time.Now()
	if err := before.Save(); err != nil {
		t.Fatal(err)
	}
	saved := time.Now()
	after := newTestRecorder(t, q, time.Now)
	t.Logf("saved in %s, loaded in %s, saved again after %s", saved.Sub(begun), time.Since(saved), before.nextSave.Sub(saved).Round(time.Second))
	after.Sync(route.NewTable(endpoints))
	for _, e := range endpoints {
		is := after.lookup(e.Key)
		if is.received.Load() != 5 || is.redriven != "of "+e.Key.Namespace || is.targets["target-2"].failures != 5 || len(is.triggers) != 5 {
			t.Fatalf("%s: %d received, redriven %q, %+v", e.Key, is.received.Load(), is.redriven, is.targets["target-2"])
		}
		for _, trigger := range is.triggers {
			if trigger.last.empty() {
				t.Fatalf("%s: the trigger %s has no last notification", e.Key, trigger.key)
			}
		}
	}
}

func mustSave(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatChangedIsSaved(t *testing.T) {
	t.Parallel()
	store, c, endpoints := &memory{}, &clock{now: noon}, manyRoutes(1000)
	r := newTestRecorder(t, store, c.Now)
	r.Sync(route.NewTable(endpoints))
	for _, e := range endpoints {
		outage(r, e, noon)
	}
	mustSave(t, r)
	if n, pause := len(store.wrote()), r.nextSave.Sub(noon); n != 1000 || store.bytes > saveTogether || pause < 10*time.Second || pause > maxSaveEvery {
		t.Errorf("%d values, at most %d bytes at once, and then nothing for %s", n, store.bytes, pause)
	}
	r.Duplicate(endpoints[7])
	mustSave(t, r)
	if got, pause := store.wrote(), r.nextSave.Sub(noon); !slices.Equal(got, []string{stateName(endpoints[7].UID)}) || pause != saveEvery {
		t.Errorf("one changed: wrote %v, and then nothing for %s", got, pause)
	}
	// New routes that say the same, and a restart, change nothing that is saved.
	r.Sync(route.NewTable(manyRoutes(1000)))
	mustSave(t, r)
	r = newTestRecorder(t, store, c.Now)
	mustSave(t, r)
	r.Sync(route.NewTable(endpoints))
	mustSave(t, r)
	if got := store.wrote(); len(got) > 0 {
		t.Errorf("nothing changed, and %d values were written", len(got))
	}
}

func TestWhatWasSavedBeforeAnErrorIsNotSavedAgain(t *testing.T) {
	t.Parallel()
	store, endpoints := &memory{err: errors.New("disk full"), errAfter: 3}, manyRoutes(300)
	r := newTestRecorder(t, &memory{}, (&clock{now: noon}).Now)
	r.Store = store
	r.Sync(route.NewTable(endpoints))
	for _, e := range endpoints {
		outage(r, e, noon)
	}
	if err := r.Save(); !errors.Is(err, store.err) {
		t.Fatalf("error %v", err)
	}
	first := store.wrote()
	if len(first) == 0 || len(first) == 300 {
		t.Fatalf("%d values were written before the error", len(first))
	}
	store.err = nil
	mustSave(t, r)
	names := append(first, store.wrote()...)
	slices.Sort(names)
	if len(names) != 300 || len(slices.Compact(names)) != 300 {
		t.Errorf("%d values were written in all, want each once", len(names))
	}
}

func TestWhatIsForgottenIsTakenOutOfTheStore(t *testing.T) {
	t.Parallel()
	q, c, endpoints := openQueue(t), &clock{now: noon}, manyRoutes(3)
	names := func() (names []string) {
		t.Helper()
		if err := q.States("", func(name string, _ []byte) bool { names = append(names, name); return true }); err != nil {
			t.Fatal(err)
		}
		return names
	}
	want := func(why string, uids ...types.UID) {
		t.Helper()
		var want []string
		for _, uid := range uids {
			want = append(want, stateName(uid))
		}
		if diff := cmp.Diff(want, names()); diff != "" {
			t.Errorf("%s: the store has (-want +got)\n%s", why, diff)
		}
	}
	r := newTestRecorder(t, q, c.Now)
	r.Sync(route.NewTable(endpoints))
	mustSave(t, r)
	want("all are there", endpoints[0].UID, endpoints[1].UID, endpoints[2].UID)

	again := manyRoutes(1)[0]
	again.UID = "made-anew"
	r.Sync(route.NewTable([]*route.Endpoint{again, endpoints[1]}))
	mustSave(t, r)
	want("one was made anew, and one is gone", endpoints[1].UID, endpoints[2].UID, again.UID)

	// That it is gone is remembered however often the receiver is restarted.
	for range 3 {
		c.pass(9 * time.Hour)
		r = newTestRecorder(t, q, c.Now)
		r.Sync(route.NewTable([]*route.Endpoint{again, endpoints[1]}))
		mustSave(t, r)
	}
	want("one was gone for a day", endpoints[1].UID, again.UID)

	c.pass(remember)
	r = newTestRecorder(t, q, c.Now)
	mustSave(t, r)
	want("before the routes are known nothing is forgotten", endpoints[1].UID, again.UID)
	r.Sync(route.NewTable(nil))
	c.pass(remember)
	mustSave(t, r)
	want("all are gone")
}

func TestNoMoreThanAThousandAreRemembered(t *testing.T) {
	t.Parallel()
	store, c, endpoints := &memory{}, &clock{now: noon}, manyRoutes(maxGone+10)
	r := newTestRecorder(t, store, c.Now)
	r.Sync(route.NewTable(endpoints))
	mustSave(t, r)
	r = newTestRecorder(t, store, c.Now) // which knows them all, and not yet which are still there
	r.Sync(route.NewTable(endpoints[5:]))
	c.pass(time.Hour)
	r.Sync(route.NewTable(nil))
	mustSave(t, r)
	if n := len(store.values); n != maxGone {
		t.Errorf("%d are remembered", n)
	}
	for _, e := range endpoints[:5] {
		if store.values[stateName(e.UID)] != nil {
			t.Errorf("%s went first, and is remembered", e.Key)
		}
	}
}

// What does not fit must not keep the rest from being saved.
func TestAnEndpointWithVeryManyTriggersIsSavedWithoutTheirLastNotifications(t *testing.T) {
	t.Parallel()
	q, media := openQueue(t), testRoute()
	media.Triggers = nil
	for i := range 2000 {
		name := fmt.Sprintf("trigger-%04d", i)
		media.Triggers = append(media.Triggers, route.Trigger{
			Key: types.NamespacedName{Namespace: "shop", Name: name}, UID: types.UID(name), EventTypes: []string{name},
		})
	}
	r := newTestRecorder(t, q, time.Now)
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	for i := range media.Triggers {
		record, n := testRecord(media.Triggers[i].EventTypes[0], "products/2026/winter/dogs/rex_aa30f6fa3739", noon)
		r.Stored(media, queue.ID(i+1), record, n)
	}
	r.lookup(media.Key).redriven = "please"
	mustSave(t, r)
	after := newTestRecorder(t, q, time.Now)
	after.Sync(route.NewTable([]*route.Endpoint{media}))
	e := after.lookup(media.Key)
	if e.received.Load() != 2000 || e.redriven != "please" || e.last.empty() {
		t.Errorf("%d received, redriven %q", e.received.Load(), e.redriven)
	}
	if !e.triggers[media.Triggers[0].Key].last.empty() {
		t.Error("the test is too small: everything was saved")
	}
}
