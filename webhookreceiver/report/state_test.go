// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

func jsonSize(tb testing.TB, v any) int {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return len(raw)
}

// busy lets something of everything happen at an endpoint.
func busy(r *Recorder, media *route.Endpoint) {
	record, n := testRecord("upload", "dogs/rex", noon.Add(123456789))
	r.Stored(media, 41, record, n)
	r.Duplicate(media)
	r.Rejected(media, "stale", true)
	r.AttemptEnded(testAttempt(41, "catalog", delivery.OutcomeRetried, record.ReceivedAt))
	r.AttemptEnded(testAttempt(41, "describe", delivery.OutcomeDelivered, record.ReceivedAt))
	e := r.lookup(media.Key)
	e.mu.Lock()
	e.redriven = "please"
	e.mu.Unlock()
}

func TestARestartGoesOnCounting(t *testing.T) {
	t.Parallel()
	store, c, media := &memory{}, &clock{now: noon}, testRoute()
	table := route.NewTable([]*route.Endpoint{media})
	before := newTestRecorder(t, store, c.Now)
	before.Sync(table)
	busy(before, media)
	want, wantTrigger := before.view(before.lookup(media.Key), nil), before.lastOf("images")
	if err := before.Save(); err != nil {
		t.Fatal(err)
	}

	after := newTestRecorder(t, store, c.Now)
	after.Sync(table)
	got := after.view(after.lookup(media.Key), nil)
	want.version, got.version = 0, 0
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(view{}, health{}, evidence{}, refusals{})); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(wantTrigger, after.lastOf("images")); diff != "" {
		t.Errorf("the trigger (-before +after)\n%s", diff)
	}
	// What is still on its way is known by its ID.
	after.AttemptEnded(testAttempt(41, "catalog", delivery.OutcomeDelivered, noon))
	if got := after.lastOf("images").Deliveries[0].State; got != v1alpha1.DeliveryDelivered {
		t.Errorf("a delivery that ends after the restart is %s", got)
	}
}

func TestAnEndpointMadeAnewStartsAtZero(t *testing.T) {
	t.Parallel()
	store, c, media := &memory{}, &clock{now: noon}, testRoute()
	r := newTestRecorder(t, store, c.Now)
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	busy(r, media)
	again := testRoute()
	again.UID = "uid-2"
	r.Sync(route.NewTable([]*route.Endpoint{again}))
	if got := r.statusOf(nil); *got.Received != 0 || got.LastNotification != nil || got.LastHandledRedrive != "" {
		t.Errorf("got %+v", got)
	}
}

func TestAnEndpointThatIsGoneIsRememberedForADay(t *testing.T) {
	t.Parallel()
	for away, want := range map[time.Duration]int64{23 * time.Hour: 1, 25 * time.Hour: 0} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %t", away, restart), func(t *testing.T) {
				t.Parallel()
				store, c, media := &memory{}, &clock{now: noon}, testRoute()
				r := newTestRecorder(t, store, c.Now)
				r.Sync(route.NewTable([]*route.Endpoint{media}))
				busy(r, media)
				r.Sync(route.NewTable(nil))
				if restart {
					if err := r.Save(); err != nil {
						t.Fatal(err)
					}
					c.pass(time.Hour)
					r = newTestRecorder(t, store, c.Now)
					r.Sync(route.NewTable(nil))
				}
				c.pass(noon.Add(away).Sub(c.Now()))
				r.Sync(route.NewTable(nil))
				r.Sync(route.NewTable([]*route.Endpoint{media}))
				if got := *r.statusOf(nil).Received; got != want {
					t.Errorf("%d received, want %d", got, want)
				}
			})
		}
	}
}

func TestTotalsAreSavedWhenTheyChangedAtMostOnceASecondAndAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, media := &memory{}, testRoute()
		r := newTestRecorder(t, store, time.Now)
		r.Sync(route.NewTable([]*route.Endpoint{media}))
		ended := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- r.Run(ctx) }()
		for range 100 {
			busy(r, media)
			time.Sleep(100 * time.Millisecond)
		}
		if store.written() < 8 || store.written() > 11 {
			t.Errorf("%d writes in 10 s", store.written())
		}
		time.Sleep(time.Minute)
		before := store.written()
		time.Sleep(time.Minute)
		if store.written() != before {
			t.Errorf("%d writes at rest", store.written()-before)
		}
		r.Duplicate(media)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if store.written() != before+1 {
			t.Errorf("%d writes at the end", store.written()-before)
		}
	})
}

func TestTotalsThatCannotBeSavedAreSavedLater(t *testing.T) {
	t.Parallel()
	store, media := &memory{}, testRoute()
	r := newTestRecorder(t, store, (&clock{now: noon}).Now)
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	busy(r, media)
	store.err = errors.New("disk full")
	if err := r.Save(); err == nil {
		t.Error("no error")
	}
	store.err = nil
	if err := r.Save(); err != nil || store.written() != 1 {
		t.Errorf("%d writes, %v", store.written(), err)
	}
}

func TestTotalsThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]*memory{
		"the store fails":   {err: errors.New("damaged")},
		"no JSON":           {values: map[string][]byte{"report/1": []byte(`{"version":1`)}},
		"a version to come": {values: map[string][]byte{"report/1": []byte(`{"version":2}`)}},
	} {
		if _, err := NewRecorder(RecorderOptions{Store: store, Now: time.Now, Logger: logr.Discard()}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// hangingStore has a disk that hangs.
type hangingStore struct {
	memory
	begun, goOn chan struct{}
}

func (s *hangingStore) SetStates(values map[string][]byte) error {
	close(s.begun)
	<-s.goOn
	return s.memory.SetStates(values)
}

// While the disk hangs under the totals, changes of routes are followed, and status is written.
func TestADiskThatHangsHoldsUpNoRoutes(t *testing.T) {
	t.Parallel()
	store, c, media := &hangingStore{begun: make(chan struct{}), goOn: make(chan struct{})}, &clock{now: noon}, testRoute()
	r := newTestRecorder(t, store, c.Now)
	r.Sync(route.NewTable([]*route.Endpoint{media}))
	busy(r, media)
	saved := make(chan error, 1)
	go func() { saved <- r.Save() }()
	<-store.begun

	followed := make(chan struct{})
	go func() {
		defer close(followed)
		r.Sync(route.NewTable(nil))
		_ = r.left()
	}()
	select {
	case <-followed:
	case <-time.After(10 * time.Second):
		t.Fatal("a change of routes waits for the disk")
	}
	close(store.goOn)
	if err := <-saved; err != nil {
		t.Fatal(err)
	}
	if len(r.left()) != 1 {
		t.Error("the endpoint that has gone is not remembered")
	}
}
