// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// applied is an apply configuration as it is sent.
type applied struct {
	at        time.Time
	Kind      string
	Metadata  metav1.ObjectMeta
	Endpoint  v1alpha1.NotificationEndpointStatus
	Trigger   v1alpha1.CloudinaryTriggerStatus
	RawStatus string
}

func (a applied) key() string { return a.Kind + " " + a.Metadata.Namespace + "/" + a.Metadata.Name }

// server is an API server that keeps what is applied as the objects' status.
type server struct {
	clock     *clock
	endpoints map[types.NamespacedName]*v1alpha1.NotificationEndpoint
	triggers  map[types.NamespacedName]*v1alpha1.CloudinaryTrigger
	writes    []applied
	events    []*eventsv1.Event
	err       error
	// behind is how many reads the cache is behind.
	behind int
}

func (s *server) ApplyStatus(_ context.Context, part *statusapply.Configuration, fieldManager string) error {
	if s.err != nil {
		return s.err
	}
	if fieldManager != "cloudinary-receiver" {
		return fmt.Errorf("applied by %s", fieldManager)
	}
	raw, err := json.Marshal(part)
	if err != nil {
		return err
	}
	var head struct {
		Kind     string
		Metadata metav1.ObjectMeta
		Status   json.RawMessage
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	a := applied{at: s.clock.Now(), Kind: head.Kind, Metadata: head.Metadata, RawStatus: string(head.Status)}
	key := types.NamespacedName{Namespace: head.Metadata.Namespace, Name: head.Metadata.Name}
	if head.Kind == "NotificationEndpoint" {
		err = s.applyEndpoint(key, &a, head.Status)
	} else {
		err = s.applyTrigger(key, &a, head.Status)
	}
	if err == nil {
		s.writes = append(s.writes, a)
	}
	return err
}

func (s *server) applyEndpoint(key types.NamespacedName, a *applied, status []byte) error {
	object := s.endpoints[key]
	if object == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	if err := json.Unmarshal(status, &a.Endpoint); err != nil {
		return err
	}
	if object.ResourceVersion != a.Metadata.ResourceVersion {
		return apierrors.NewConflict(schema.GroupResource{}, key.Name, errors.New("it has changed"))
	}
	object.ResourceVersion += "I"
	object.Status = a.Endpoint
	return nil
}

func (s *server) applyTrigger(key types.NamespacedName, a *applied, status []byte) error {
	object := s.triggers[key]
	if object == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	if err := json.Unmarshal(status, &a.Trigger); err != nil {
		return err
	}
	object.Status = a.Trigger
	return nil
}

func (s *server) Endpoint(key types.NamespacedName) *v1alpha1.NotificationEndpoint {
	found := s.endpoints[key].DeepCopy()
	if s.behind > 0 && found != nil {
		s.behind--
		found.ResourceVersion = "an old one"
	}
	return found
}

func (s *server) Trigger(key types.NamespacedName) *v1alpha1.CloudinaryTrigger {
	return s.triggers[key].DeepCopy()
}

func (s *server) Create(_ context.Context, object kube.Object) error {
	event, ok := object.(*eventsv1.Event)
	if !ok {
		return fmt.Errorf("%T", object)
	}
	s.events = append(s.events, event)
	return nil
}

// fakeQueue has dead letters alone.
type fakeQueue struct {
	items    []queue.Item
	redriven int
}

func (q *fakeQueue) Stats() queue.Stats { return queue.Stats{Dead: len(q.items)} }

func (q *fakeQueue) Items(yield func(queue.Item) bool) {
	for _, item := range q.items {
		if !yield(item) {
			return
		}
	}
}

func (q *fakeQueue) Redrive(_ context.Context, which queue.Selection) (int, error) {
	q.redriven++
	return q.remove(which, func(queue.Item) {}), nil
}

func (q *fakeQueue) Discard(_ context.Context, which queue.Selection, discarded func(queue.Item)) (int, error) {
	return q.remove(which, discarded), nil
}

func (q *fakeQueue) remove(which queue.Selection, removed func(queue.Item)) (n int) {
	q.items = slices.DeleteFunc(q.items, func(i queue.Item) bool {
		chosen := i.Endpoint == which.Endpoint && (which.Target == "" || i.Target == which.Target) &&
			(which.IDs == nil || slices.Contains(which.IDs, i.ID))
		if chosen {
			n++
			removed(i)
		}
		return chosen
	})
	return n
}

type writerFixture struct {
	*testing.T
	*Recorder
	clock  *clock
	store  *memory
	server *server
	queue  *fakeQueue
	lanes  []delivery.LaneStats
	writer *Writer
	media  *route.Endpoint
}

func newWriterFixture(t *testing.T) *writerFixture {
	t.Helper()
	f := &writerFixture{T: t, clock: &clock{now: noon}, store: &memory{}, queue: &fakeQueue{}, media: testRoute()}
	f.server = &server{
		clock: f.clock, endpoints: map[types.NamespacedName]*v1alpha1.NotificationEndpoint{}, triggers: map[types.NamespacedName]*v1alpha1.CloudinaryTrigger{},
	}
	f.add(f.media)
	f.restart()
	return f
}

// add makes the objects of a route.
func (f *writerFixture) add(e *route.Endpoint) {
	f.server.endpoints[e.Key] = &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.Key.Namespace, Name: e.Key.Name, UID: e.UID},
		Spec:       v1alpha1.NotificationEndpointSpec{Receiver: &v1alpha1.ReceiverSpec{}},
	}
	for _, trigger := range e.Triggers {
		f.server.triggers[trigger.Key] = &v1alpha1.CloudinaryTrigger{
			ObjectMeta: metav1.ObjectMeta{Namespace: trigger.Key.Namespace, Name: trigger.Key.Name, UID: trigger.UID},
		}
	}
}

// restart saves and starts anew, as after an orderly shutdown.
func (f *writerFixture) restart(endpoints ...*route.Endpoint) {
	f.Helper()
	if f.Recorder != nil {
		if err := f.Save(); err != nil {
			f.Fatal(err)
		}
	}
	if len(endpoints) == 0 {
		endpoints = []*route.Endpoint{f.media}
	}
	f.Recorder = newTestRecorder(f.T, f.store, f.clock.Now)
	f.Sync(route.NewTable(endpoints))
	o := DefaultWriterOptions()
	o.Recorder, o.Now, o.Logger = f.Recorder, f.clock.Now, logr.Discard()
	o.Objects, o.Client, o.Events, o.Queue, o.Instance = f.server, f.server, f.server, f.queue, "receiver-0"
	o.Lanes = func(visit func(delivery.LaneStats)) {
		for _, l := range f.lanes {
			visit(l)
		}
	}
	f.writer = NewWriter(o)
}

// pass lets time pass, and returns what was written meanwhile.
func (f *writerFixture) pass(d time.Duration) []applied {
	f.Helper()
	before := len(f.server.writes)
	for end := f.clock.Now().Add(d); f.clock.Now().Before(end); f.clock.pass(f.writer.Pace) {
		f.writer.step(f.Context())
	}
	return f.server.writes[before:]
}

// redriven are the Events of redrives.
func (f *writerFixture) redriven() []*eventsv1.Event {
	var told []*eventsv1.Event
	for _, e := range f.server.events {
		if e.Reason == events.ReasonRedriven {
			told = append(told, e)
		}
	}
	return told
}

func (f *writerFixture) notify(id queue.ID, outcomes ...delivery.Outcome) {
	now := f.clock.Now()
	record, n := testRecord("upload", fmt.Sprintf("asset-%d", id), now)
	f.Stored(f.media, id, record, n)
	for i, outcome := range outcomes {
		f.AttemptEnded(testAttempt(id, record.Targets[i], outcome, now))
	}
}

func keys(writes []applied) []string {
	var all []string
	for _, w := range writes {
		all = append(all, w.key())
	}
	slices.Sort(all)
	return all
}

func conditionsOf(a applied) string {
	var all []string
	for _, c := range a.Endpoint.Conditions {
		all = append(all, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(all, " ")
}
