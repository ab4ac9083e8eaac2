// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
)

// receiverManager is the field manager by which the receiver writes its parts of status.
const receiverManager = client.FieldOwner(statusapply.Receiver)

// received writes the receiver's part of an endpoint's status, as the receiver does.
func (f *fixture) received(ctx context.Context, ep *v1alpha1.NotificationEndpoint, n int64, conditions ...string) error {
	at := metav1.Now()
	status := v1alpha1.NotificationEndpointStatus{Receiver: &v1alpha1.ReceiverStatus{
		Received: &n, LastNotification: &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at},
	}}
	for _, c := range conditions {
		status.Conditions = append(status.Conditions, metav1.Condition{
			Type: c, Status: metav1.ConditionTrue, Reason: "Delivered", Message: "from the receiver", LastTransitionTime: at, ObservedGeneration: 1,
		})
	}
	part := statusapply.Endpoint(nameOnly(ep), status)
	return api.Client.Status().Apply(ctx, part, receiverManager, client.ForceOwnership)
}

// fired writes the receiver's part of a trigger's status.
func (f *fixture) fired(ctx context.Context, t *v1alpha1.CloudinaryTrigger, summary string) error {
	at := metav1.Now()
	part := statusapply.Trigger(nameOnly(t), v1alpha1.CloudinaryTriggerStatus{
		LastNotification: &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at, Summary: summary},
	})
	return api.Client.Status().Apply(ctx, part, receiverManager, client.ForceOwnership)
}

// nameOnly is an object of which nobody knows the resourceVersion: it is written whatever became of it.
func nameOnly(o client.Object) metav1.Object {
	return &metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName()}
}

func (f *fixture) receiverEndpoint(name string) *v1alpha1.NotificationEndpoint {
	ep := f.endpoint(name, "")
	ep.Spec.Receiver = &v1alpha1.ReceiverSpec{}
	return ep
}

// statusFieldsOf are the fields and conditions of status that a field manager owns.
func statusFieldsOf(t *testing.T, o client.Object, manager client.FieldOwner) []string {
	t.Helper()
	for _, entry := range o.GetManagedFields() {
		if entry.Manager != string(manager) || entry.Subresource != "status" {
			continue
		}
		var owned struct {
			Status map[string]json.RawMessage `json:"f:status"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			t.Fatal(err)
		}
		fields := slices.Collect(maps.Keys(owned.Status))
		var conditions map[string]json.RawMessage
		if raw := owned.Status["f:conditions"]; raw != nil {
			if err := json.Unmarshal(raw, &conditions); err != nil {
				t.Fatal(err)
			}
		}
		for key := range conditions {
			fields = append(fields, key)
		}
		slices.Sort(fields)
		return fields
	}
	return nil
}

func conditionTypes(o any) []string {
	var types []string
	for _, c := range conditionsOf(o) {
		types = append(types, c.Type)
	}
	slices.Sort(types)
	return types
}

func TestTheReceiversPartOfStatusIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	ep, trigger := f.receiverEndpoint("media"), f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)

	t.Log("the receiver was first, then the manager comes")
	f.must(f.received(t.Context(), ep, 7, v1alpha1.ConditionDelivering, v1alpha1.ConditionVerifying))
	f.must(f.fired(t.Context(), trigger, "first"))
	f.start()
	ready(f, ep)
	ready(f, trigger)
	f.receiversPartIs(ep, 7, trigger, "first")

	t.Log("the receiver writes in between, and the manager has something to write")
	f.must(f.received(t.Context(), ep, 8, v1alpha1.ConditionDelivering, v1alpha1.ConditionVerifying))
	f.must(f.fired(t.Context(), trigger, "second"))
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.BaseURL = "https://other.example.com" })
	ready(f, ep)
	ready(f, trigger)
	f.receiversPartIs(ep, 8, trigger, "second")
	f.rests(ep, trigger)

	t.Log("what the receiver takes back is gone, and the manager's conditions stay")
	f.must(f.received(t.Context(), ep, 9, v1alpha1.ConditionVerifying))
	f.get(ep)
	if diff := cmp.Diff([]string{"Accepted", "Ready", "Synced", "Verifying"}, conditionTypes(ep)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	f.rests(ep, trigger)
}

func (f *fixture) receiversPartIs(ep *v1alpha1.NotificationEndpoint, received int64, trigger *v1alpha1.CloudinaryTrigger, summary string) {
	f.Helper()
	f.get(ep)
	f.get(trigger)
	if ep.Status.Receiver == nil || ptr.Deref(ep.Status.Receiver.Received, 0) != received || ep.Status.Receiver.LastNotification == nil {
		f.Errorf("status.receiver is %+v, want received %d", ep.Status.Receiver, received)
	}
	if n := trigger.Status.LastNotification; n == nil || n.Summary != summary {
		f.Errorf("status.lastNotification is %+v, want %q", n, summary)
	}
	for _, c := range []string{v1alpha1.ConditionDelivering, v1alpha1.ConditionVerifying} {
		if found := meta.FindStatusCondition(ep.Status.Conditions, c); found == nil || found.Message != "from the receiver" {
			f.Errorf("condition %s is %+v", c, found)
		}
	}
	for _, o := range []client.Object{ep, trigger} {
		for _, field := range statusFieldsOf(f.T, o, fieldManager) {
			if field == "f:receiver" || field == "f:lastNotification" || strings.Contains(field, `"Verifying"`) || strings.Contains(field, `"Delivering"`) {
				f.Errorf("the manager took over %s of %s", field, o.GetName())
			}
		}
	}
}

// passesOf counts the passes of one kind of unit.
func (f *fixture) passesOf(kind resolve.UnitKind) int {
	f.Helper()
	families, err := f.registry.Gather()
	f.must(err)
	n := 0
	for _, family := range families {
		if family.GetName() != "cloudinary_manager_pass_duration_seconds" {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == string(kind) {
				n += int(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return n
}

func TestTheReceiversWritesCauseNoPass(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.SyncInterval = time.Hour
	f.start()
	ep, trigger := f.receiverEndpoint("media"), f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, ep)
	ready(f, trigger)
	f.settled()
	before := f.passesOf(resolve.EnvironmentUnit)
	for i := range 10 {
		f.must(f.received(t.Context(), ep, int64(i), v1alpha1.ConditionVerifying))
		f.must(f.fired(t.Context(), trigger, fmt.Sprint(i)))
	}
	// Events of one kind come in order: when these have been seen, so have the ones before.
	orphan, lost := f.trigger("orphan", "nowhere", "upload"), f.receiverEndpoint("lost")
	lost.Spec.CredentialsSecretRef.Name = "missing"
	f.create(orphan, lost)
	becomes(f, orphan, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
	becomes(f, lost, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	if n := f.passesOf(resolve.EnvironmentUnit) - before; n != 0 {
		t.Errorf("%d passes over the environment for changes of the receiver's part of status", n)
	}
	f.receiversPartIsOwned(ep)
}

// settled waits until no pass was made for a moment: the last ones write nothing that could be waited for.
func (f *fixture) settled() {
	f.Helper()
	last, since := -1, time.Now()
	f.eventually(func() error {
		if n := f.passes(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < time.Second {
			return fmt.Errorf("passes go on: %d", last)
		}
		return nil
	})
}

func (f *fixture) receiversPartIsOwned(ep *v1alpha1.NotificationEndpoint) {
	f.Helper()
	f.get(ep)
	if fields := statusFieldsOf(f.T, ep, receiverManager); !slices.Contains(fields, "f:receiver") {
		f.Errorf("the receiver owns %q", fields)
	}
}

// A notification that arrives while the manager works on the same object makes its resourceVersion old, again and again.
func TestAReceiverThatWritesAllTheTimeDelaysNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{Latency: 20 * time.Millisecond})
	f.start()
	ep, trigger := f.receiverEndpoint("media"), f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, trigger)
	ready(f, ep)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	ownEp, ownTrigger := ep.DeepCopy(), trigger.DeepCopy()
	go func() {
		writes := 0
		for ctx.Err() == nil {
			if f.fired(ctx, ownTrigger, fmt.Sprint(writes)) == nil && f.received(ctx, ownEp, int64(writes), v1alpha1.ConditionVerifying) == nil {
				writes++
			}
		}
		ended <- writes
	}()
	passes, begun := f.passes(), time.Now()
	types := []string{"upload", "delete", "rename", "move", "eager", "info", "error", "multi", "publish", "report"}
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = types })
	ready(f, trigger)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.BaseURL = "https://other.example.com" })
	ready(f, ep)
	ready(f, trigger)
	took, extra := time.Since(begun), f.passes()-passes
	cancel()
	writes := <-ended
	t.Logf("%d writes of the receiver, %d passes, %s", writes, extra, took)

	if got := len(f.sim.Triggers()); got != len(types) {
		t.Errorf("%d triggers at Cloudinary, want %d", got, len(types))
	}
	creates := 0
	for _, c := range f.sim.Calls().Calls {
		if c.Method == http.MethodPost {
			creates += c.Count
		}
	}
	if creates != len(types) {
		t.Errorf("%d creates for %d triggers", creates, len(types))
	}
	// One a second is the sync's; a conflict that is not healed in place costs one each 100 ms.
	if most := 20 + 3*int(took/time.Second); extra > most {
		t.Errorf("%d passes in %s, want at most %d", extra, took, most)
	}
}
