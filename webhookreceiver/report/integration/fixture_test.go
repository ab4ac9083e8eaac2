// SPDX-License-Identifier: Apache-2.0

// Package integration holds the tests of package report that need an API server.
package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var api *testenv.Env

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(testenv.Run(m, func(e *testenv.Env) { api = e }))
}

const patience = 2 * time.Minute

// countingClient counts status writes, and reads what is there now.
type countingClient struct {
	*kube.Client
	writes atomic.Int64
}

func (c *countingClient) ApplyStatus(ctx context.Context, part *statusapply.Configuration, fieldManager string) error {
	c.writes.Add(1)
	return c.Client.ApplyStatus(ctx, part, fieldManager)
}

func (c *countingClient) Endpoint(key types.NamespacedName) *v1alpha1.NotificationEndpoint {
	var object v1alpha1.NotificationEndpoint
	if c.Get(context.Background(), key, &object) != nil {
		return nil
	}
	return &object
}

func (c *countingClient) Trigger(key types.NamespacedName) *v1alpha1.CloudinaryTrigger {
	var object v1alpha1.CloudinaryTrigger
	if c.Get(context.Background(), key, &object) != nil {
		return nil
	}
	return &object
}

// queued is a queue that has dead letters alone, a store, and the lanes. It counts how often the Writer looks.
type queued struct {
	mu     sync.Mutex
	values map[string][]byte
	dead   []queue.Item
	lanes  []delivery.LaneStats
	looks  int
}

func (q *queued) States(prefix string, yield func(name string, value []byte) bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, value := range q.values {
		if strings.HasPrefix(name, prefix) && !yield(name, value) {
			break
		}
	}
	return nil
}

func (q *queued) SetStates(values map[string][]byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.Copy(q.values, values)
	return nil
}

func (q *queued) Stats() queue.Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.looks++
	return queue.Stats{Dead: len(q.dead)}
}

func (q *queued) Items(yield func(queue.Item) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range q.dead {
		if !yield(item) {
			return
		}
	}
}

func (q *queued) Redrive(context.Context, queue.Selection) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.dead)
	q.dead = nil
	return n, nil
}

func (q *queued) Discard(context.Context, queue.Selection, func(queue.Item)) (int, error) {
	return 0, errors.New("nobody discards anything here")
}

func (q *queued) Lanes(visit func(delivery.LaneStats)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		visit(l)
	}
}

func (q *queued) set(change func(*queued)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(q)
}

// fixture is an endpoint with a trigger, and a receiver that reports on them.
type fixture struct {
	*testing.T
	namespace string
	endpoint  *v1alpha1.NotificationEndpoint
	trigger   *v1alpha1.CloudinaryTrigger
	queue     *queued
	client    *countingClient
	recorder  *report.Recorder
	route     *route.Endpoint
	stop      func()
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	namespace := api.NewNamespace(t)
	f := &fixture{T: t, namespace: namespace, queue: &queued{values: map[string][]byte{}}}
	writing, err := kube.New(api.Config)
	if err != nil {
		t.Fatal(err)
	}
	f.client = &countingClient{Client: writing}
	f.endpoint = &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "media"},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"},
			Receiver: &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com", DeliverTo: []v1alpha1.DeliveryTarget{
				{Name: "catalog", Service: &v1alpha1.ServiceTarget{Name: "catalog", Port: intstr.FromInt32(80)}}, {Name: "describe", Event: &v1alpha1.EventTarget{}},
			}},
		},
	}
	f.trigger = &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "images"},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"}},
	}
	for _, object := range []client.Object{f.endpoint, f.trigger} {
		if err := api.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	f.route = &route.Endpoint{
		Key: client.ObjectKeyFromObject(f.endpoint), UID: f.endpoint.UID, Generation: f.endpoint.Generation, Policy: &notification.Policy{},
		Targets: []route.Target{{Name: "catalog", Service: &route.Service{Name: "catalog"}}, {Name: "describe", Event: true}},
		Triggers: []route.Trigger{{
			Key: types.NamespacedName{Namespace: namespace, Name: "images"}, UID: f.trigger.UID, EventTypes: []string{"upload"},
		}},
	}
	return f
}

// start starts a receiver's reporting, until stop or the end of the test.
func (f *fixture) start() {
	f.Helper()
	var err error
	f.recorder, err = report.NewRecorder(report.RecorderOptions{
		Store: f.queue, Reasons: []string{"bad_signature", "stale"}, Now: time.Now, Logger: logr.Discard(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.recorder.Sync(route.NewTable([]*route.Endpoint{f.route}))
	o := report.DefaultWriterOptions()
	o.Recorder, o.Objects, o.Client, o.Events, o.Queue, o.Lanes = f.recorder, f.client, f.client, f.client, f.queue, f.queue.Lanes
	o.Logger, o.Instance = logr.Discard(), "receiver-0"
	o.Pace, o.Look, o.Settle, o.Numbers = 20*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond, time.Second
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = f.recorder.Run(ctx) })
	running.Go(func() { _ = report.NewWriter(o).Run(ctx) })
	f.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	f.Cleanup(f.stop)
}

// notify lets a notification arrive; its Event is written.
func (f *fixture) notify(id queue.ID, publicID string) time.Time {
	f.Helper()
	now := time.Now()
	body := fmt.Appendf(nil, `{"notification_type":"upload","resource_type":"image","public_id":%q}`, publicID)
	n, err := notification.Decode(body)
	if err != nil {
		f.Fatal(err)
	}
	record := &queue.Record{
		Key: [32]byte{byte(id)}, Endpoint: queue.Endpoint{Namespace: f.namespace, Name: "media"}, ReceivedAt: now, EventType: "upload", Body: body,
		Targets: []string{"catalog", "describe"},
	}
	f.recorder.Stored(f.route, id, record, &n)
	options := events.DefaultOptions()
	options.Client, options.Instance = f.client, "receiver-0"
	result := events.NewSender(options).Send(f.Context(), &delivery.Delivery{ID: id, Record: record, Endpoint: f.route, Target: &f.route.Targets[1], Attempt: 1})
	if result.Verdict != delivery.Delivered {
		f.Fatalf("the Event: %+v", result)
	}
	f.attempt(id, "describe", delivery.OutcomeDelivered, now)
	return now
}

func (f *fixture) attempt(id queue.ID, target string, outcome delivery.Outcome, receivedAt time.Time) {
	a := delivery.Attempt{
		ID: id, Endpoint: queue.Endpoint{Namespace: f.namespace, Name: "media"}, Target: target, EventType: "upload", ReceivedAt: receivedAt,
		Number: 1, Tried: true, StatusCode: 200, EndedAt: time.Now(), Outcome: outcome,
	}
	if outcome != delivery.OutcomeDelivered {
		a.StatusCode, a.Message = 503, "the Service catalog answered 503"
	}
	f.recorder.AttemptEnded(a)
}

// eventually waits until a check of the objects passes.
func (f *fixture) eventually(check func() error) {
	f.Helper()
	testenv.Eventually(f.T, patience, func() error {
		for _, object := range []client.Object{f.endpoint, f.trigger} {
			if err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
		}
		return check()
	})
}

func (f *fixture) condition(conditionType, want string) error {
	c := meta.FindStatusCondition(f.endpoint.Status.Conditions, conditionType)
	if c == nil {
		return errors.New(conditionType + " is absent")
	}
	if got := string(c.Status) + "/" + c.Reason; got != want {
		return fmt.Errorf("%s is %s, want %s", conditionType, got, want)
	}
	return nil
}

// rest waits until the Writer has looked often, and fails if it wrote.
func (f *fixture) rest() {
	f.Helper()
	before := f.client.writes.Load()
	looks := 0
	f.queue.set(func(q *queued) { looks = q.looks })
	testenv.Eventually(f.T, patience, func() error {
		now := 0
		f.queue.set(func(q *queued) { now = q.looks })
		if now < looks+100 { // two seconds: twice the least time between two writes
			return errors.New("it has not looked often enough")
		}
		return nil
	})
	if n := f.client.writes.Load() - before; n > 0 {
		f.Errorf("%d writes at rest", n)
	}
}

// manager writes what the manager writes.
func (f *fixture) manager(reason string) {
	f.Helper()
	condition := func(kind string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: "As it should be.",
			LastTransitionTime: metav1.Now(), ObservedGeneration: f.endpoint.Generation,
		}
	}
	conditions := []metav1.Condition{condition("Accepted"), condition("Ready")}
	endpoint := statusapply.Endpoint(&metav1.ObjectMeta{Namespace: f.namespace, Name: "media"}, v1alpha1.NotificationEndpointStatus{
		Conditions: conditions, URL: "https://hooks.example.com/v1/notifications/x/media", ObservedGeneration: new(int64(1)),
	})
	trigger := statusapply.Trigger(&metav1.ObjectMeta{Namespace: f.namespace, Name: "images"}, v1alpha1.CloudinaryTriggerStatus{
		Conditions: conditions, ObservedGeneration: new(int64(1)),
	})
	for _, part := range []*statusapply.Configuration{endpoint, trigger} {
		if err := api.Client.Status().Apply(f.Context(), part, client.FieldOwner(statusapply.Manager), client.ForceOwnership); err != nil {
			f.Fatal(err)
		}
	}
}
