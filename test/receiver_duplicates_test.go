// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// templated makes a trigger whose template writes the body.
func (s *receiverSetting) templated(endpoint, template string) {
	s.Helper()
	s.must(cluster.Client.Create(s.Context(), &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: endpoint, Namespace: s.namespace},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: []string{"upload"},
			PayloadTemplate: &runtime.RawExtension{Raw: []byte(template)},
		},
	}))
}

// Cloudinary tries four times. Whether it signs anew for that is not known.
func TestNotificationSentFourTimesAroundRestarts(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	for _, name := range []string{"media", "templated", "constant"} {
		s.endpoint(name, toCatalog())
	}
	s.templated("templated", `{"id":"{{asset.public_id}}","request_id":"{{event.request_id}}"}`)
	s.templated("constant", `{"id":"{{asset.public_id}}","request_id":"the-same-each-time"}`)
	tests := []struct {
		name, endpoint, body string
		fresh                bool // a timestamp each time
		want                 int
	}{
		{"the same timestamp", "media", `{"public_id":"1"}`, false, 1},
		{"the same timestamp, templated", "templated", `{"id":"2"}`, false, 1},
		{"the same timestamp, a constant for an id", "constant", `{"id":"3","request_id":"the-same-each-time"}`, false, 1},
		{"signed anew, with the id of a call", "media", `{"public_id":"4","request_id":"6a0f2c1b8e"}`, true, 1},
		{"signed anew, with the id of a call, templated", "templated", `{"id":"5","request_id":"6a0f2c1b8e"}`, true, 1},
		{"signed anew, with an instant", "media", `{"public_id":"6","notification_context":{"triggered_at":"2026-01-02T03:04:05.678Z"}}`, true, 1},
		{"signed anew, with nothing of its own", "templated", `{"id":"7"}`, true, 4}, // in doubt more than once, rather than not at all
		{"signed anew, with a constant for an id", "constant", `{"id":"8","request_id":"the-same-each-time"}`, true, 4},
	}
	want := map[string]int{}
	first := time.Now().Add(-9 * time.Minute)
	for _, after := range []time.Duration{0, 3 * time.Minute, 6 * time.Minute, 9 * time.Minute} {
		p := s.startReady("media", "templated", "constant")
		for _, tc := range tests {
			at := first
			if tc.fresh {
				at = first.Add(after)
			}
			s.send(tc.endpoint, signedAt(tc.body, at))
			want[tc.body] = tc.want
		}
		p.terminate() // a kill might leave unrecorded what was delivered
	}
	s.startReady()
	s.settled(catalog, want)
}

func TestEqualBodiesOfTwoUploadsAreTwoNotifications(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	s.endpoint("other", toCatalog())
	s.startReady("media", "other")
	const body = `{"id":"logo"}`
	now := time.Now()
	s.send("media", signedAt(body, now.Add(-time.Second)))
	s.send("media", signedAt(body, now))
	s.send("media", signedAt(body, now))
	s.send("other", signedAt(body, now)) // nobody's duplicate: it is another endpoint's
	s.settled(catalog, map[string]int{body: 3})
}

// settled waits until a target has what it is to have, and then until one more notification has arrived: nothing was left to deliver.
func (s *receiverSetting) settled(t *target, want map[string]int) {
	s.Helper()
	testenv.Eventually(s.T, soon, func() error {
		if diff := cmp.Diff(want, t.bodies()); diff != "" {
			return fmt.Errorf("what has arrived (-want +got):\n%s", diff)
		}
		return nil
	})
	last := `{"last":` + strconv.Itoa(len(want)) + `}`
	s.send("media", signedNow(last))
	testenv.Eventually(s.T, soon, func() error {
		if t.bodies()[last] == 0 {
			return errNot("the last one has not arrived")
		}
		return nil
	})
	got := t.bodies()
	delete(got, last)
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("what has arrived in the end (-want +got):\n%s", diff)
	}
}
