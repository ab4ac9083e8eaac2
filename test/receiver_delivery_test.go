// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// condition waits until the endpoint has a condition.
func (s *receiverSetting) condition(conditionType string, status metav1.ConditionStatus, reason string) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		c := meta.FindStatusCondition(s.readEndpoint().Status.Conditions, conditionType)
		if c == nil || c.Status != status || c.Reason != reason {
			return errNot("%s is %v, want %s %s", conditionType, c, status, reason)
		}
		return nil
	})
}

func (s *receiverSetting) trigger(name, endpoint string, eventTypes ...string) {
	s.Helper()
	s.must(cluster.Client.Create(s.Context(), &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: eventTypes},
	}))
}

func TestNotificationsBecomeEventsOfTheTriggerThatFired(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media", v1alpha1.DeliveryTarget{Name: "describe", Event: &v1alpha1.EventTarget{}})
	s.trigger("images", "media", "upload", "delete")
	s.startReady("media")
	for _, n := range []string{"upload", "rename"} {
		s.send("media", signedNow(`{"notification_type":"`+n+`","resource_type":"image","type":"upload","public_id":"shoe"}`))
	}
	want := map[string]string{"Upload": "CloudinaryTrigger/images", "Rename": "NotificationEndpoint/media"}
	testenv.Eventually(t, soon, func() error {
		var list eventsv1.EventList
		if err := cluster.Client.List(t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		got := map[string]string{}
		for _, e := range list.Items {
			got[e.Reason] = e.Regarding.Kind + "/" + e.Regarding.Name
			if !strings.Contains(e.Note, "shoe") {
				return errNot("the Event's note %q does not name the asset", e.Note)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return errNot("Events by reason (-want +got):\n%s", diff)
		}
		return nil
	})
	testenv.Eventually(t, patience, func() error {
		var trigger v1alpha1.CloudinaryTrigger
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "images"}, &trigger); err != nil {
			return err
		}
		if last := trigger.Status.LastNotification; last == nil || last.EventType != "upload" || len(last.Deliveries) != 1 ||
			last.Deliveries[0].State != v1alpha1.DeliveryDelivered {
			return errNot("the trigger's last notification is %+v", last)
		}
		return nil
	})
}

func TestCloudEventReachesItsTarget(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	to := toCatalog()
	to.Service.Format, to.EventTypes = v1alpha1.FormatCloudEvents, []string{"upload"}
	e := s.endpoint("media", to)
	s.startReady("media")
	n := upload("asset", 1)
	s.send("media", signedNow(`{"notification_type":"delete"}`)) // not for this target
	s.send("media", n)
	testenv.Eventually(t, soon, func() error { return s.arrived(catalog, 1) })
	got := catalog.got()[0]
	if got.body != string(n.body) || !got.genuine {
		t.Errorf("the body is %q, genuine: %v", got.body, got.genuine)
	}
	want := map[string]string{
		"Ce-Specversion": "1.0", "Ce-Type": "com.cloudinary.notification.upload", "Ce-Id": got.header.Get("Idempotency-Key"),
		"Ce-Source": "/apis/notifications.cloudinary.dev/v1alpha1/namespaces/" + e.Namespace + "/notificationendpoints/media",
	}
	for name, value := range want {
		if got.header.Get(name) != value || value == "" {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), value)
		}
	}
}

func TestNotificationsOfAnAssetWaitForOneAnother(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	s.startReady("media")
	catalog.answers(func(a arrival) int {
		if a.asset == "stuck" && a.seq == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	for seq := 1; seq <= 3; seq++ {
		s.send("media", upload("stuck", seq))
		s.send("media", upload("other", seq))
	}
	reached := func(asset string, seq int) (n int) {
		for _, a := range catalog.got() {
			if a.asset == asset && a.seq == seq {
				n++
			}
		}
		return n
	}
	testenv.Eventually(t, patience, func() error {
		if tries, others := reached("stuck", 1), reached("other", 3); tries < 2 || others == 0 {
			return errNot("the one that fails was tried %d times, and the last one about another asset arrived %d times", tries, others)
		}
		return nil
	})
	if reached("stuck", 2)+reached("stuck", 3) > 0 {
		t.Error("a notification has overtaken an earlier one about its asset")
	}
	catalog.answers(nil)
	testenv.Eventually(t, patience, func() error {
		if reached("stuck", 3) == 0 {
			return errNot("what waited has not arrived")
		}
		return nil
	})
	var order []int
	for _, a := range catalog.got() {
		if a.asset == "stuck" && a.seq > 1 {
			order = append(order, a.seq)
		}
	}
	if diff := cmp.Diff([]int{2, 3}, order); diff != "" {
		t.Errorf("order of what waited (-want +got):\n%s", diff)
	}
}

func TestDeadLettersAreRedriven(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	p := s.startReady("media")
	catalog.answers(always(http.StatusUnprocessableEntity))
	n := upload("asset", 1)
	s.send("media", n)
	s.condition(v1alpha1.ConditionVerifying, metav1.ConditionTrue, v1alpha1.ReasonVerified)
	s.condition(v1alpha1.ConditionDelivering, metav1.ConditionFalse, v1alpha1.ReasonDeadLetters)
	p.terminate()
	catalog.answers(nil)
	s.startReady("media")
	s.must(s.arrived(catalog, 1)) // a restart is no redrive
	e := s.readEndpoint()
	before := e.DeepCopy()
	e.Annotations = map[string]string{v1alpha1.AnnotationRedrive: "now"}
	s.must(cluster.Client.Patch(t.Context(), e, client.MergeFrom(before)))
	testenv.Eventually(t, patience, func() error { return s.arrived(catalog, 2) })
	if got := catalog.got()[1]; got.body != string(n.body) || !got.genuine {
		t.Errorf("what was redriven is %q, genuine: %v", got.body, got.genuine)
	}
	s.condition(v1alpha1.ConditionDelivering, metav1.ConditionTrue, v1alpha1.ReasonDelivered)
	testenv.Eventually(t, patience, func() error {
		if r := s.readEndpoint().Status.Receiver; r == nil || r.LastHandledRedrive != "now" {
			return errNot("status.receiver is %+v", r)
		}
		return nil
	})
}

func TestConditionsFollowWhatHappens(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.endpoint("media", toCatalog())
	s.ready(s.start())
	s.condition(v1alpha1.ConditionVerifying, metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysMissing)
	s.keys(theKey())
	s.served("media")
	catalog.answers(always(http.StatusInternalServerError))
	begin := time.Now()
	for seq := range 6 {
		s.send("media", upload("asset"+string(rune('a'+seq)), 1))
	}
	s.condition(v1alpha1.ConditionVerifying, metav1.ConditionTrue, v1alpha1.ReasonVerified)
	s.condition(v1alpha1.ConditionDelivering, metav1.ConditionFalse, v1alpha1.ReasonTargetFailing)
	t.Logf("Delivering turned %s after the first notification", time.Since(begin).Round(time.Millisecond))
	catalog.answers(nil)
	s.condition(v1alpha1.ConditionDelivering, metav1.ConditionTrue, v1alpha1.ReasonDelivered)
}
