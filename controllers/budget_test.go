// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestChangesArriveWithinTheShareOfCalls(t *testing.T) {
	t.Parallel()
	const limit, window = 60, 4 * time.Second
	f := newFixture(t, simulator.Options{RateLimit: limit, RateLimitWindow: window})
	ep, second := f.endpoint("media", hook), f.endpoint("second", hook+"/second")
	f.create(f.secret("cloudinary"), ep, second)
	var triggers []*v1alpha1.CloudinaryTrigger
	for _, endpoint := range []string{"media", "second"} {
		for i, eventType := range notification.EventTypes()[:20] {
			trigger := f.trigger(fmt.Sprintf("%s-%02d", endpoint, i), endpoint, eventType)
			triggers = append(triggers, trigger)
			f.create(trigger)
		}
	}
	f.start() // only now: else they might come slowly enough to fit into the share
	t.Log("they wait, which can be seen")
	f.eventually(func() error {
		f.get(ep)
		if ep.Status.Environment == nil || ep.Status.Environment.ChangesWaiting == nil {
			return errors.New("no changes wait")
		}
		return nil
	})
	if got, want := ep.Status.Environment.CallShare, "30/60"; got != want {
		t.Errorf("the share of calls is shown as %q, want %q", got, want)
	}
	last := triggers[len(triggers)-1]
	message := becomes(f, last, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonRateLimited)
	if !strings.Contains(message, "share") {
		t.Errorf("message %q does not say why", message)
	}
	t.Log("and arrive")
	for _, trigger := range triggers {
		ready(f, trigger)
	}
	f.eventually(func() error {
		if f.get(ep); ep.Status.Environment.ChangesWaiting != nil {
			return fmt.Errorf("%d changes wait still", *ep.Status.Environment.ChangesWaiting)
		}
		return nil
	})
	if refused := f.refused(); refused > 0 {
		t.Errorf("Cloudinary refused %d calls", refused)
	}
}

// refused counts the calls that were answered 420 or 429.
func (f *fixture) refused() int {
	n := 0
	for _, c := range f.sim.Calls().Calls {
		if c.Status == simulator.StatusEnhanceYourCalm || c.Status == 429 {
			n += c.Count
		}
	}
	return n
}

func TestTheLimitOfURLsIsExplained(t *testing.T) {
	t.Parallel()
	f, other := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.namespaces, f.options.URLLimit = []string{other.namespace}, 4
	f.exists("upload", "https://console.example.com/hook?token=very-secret", "")
	f.exists("upload", "https://crm.example.com/", "")
	f.start()
	theirs := other.secret("cloudinary")
	theirs.StringData["CLOUDINARY_URL"] = f.secretURL
	own, late := f.trigger("own", "media", "upload"), f.trigger("late", "second", "upload")
	foreign := other.trigger("theirs", "desk", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), own)
	ready(f, own)
	f.create(theirs, other.endpoint("desk", hook+"/desk"), foreign)
	ready(f, foreign)
	ep := f.endpoint("second", hook+"/second")
	f.create(ep, late)
	message := becomes(f, late, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonURLLimitReached)
	for _, want := range []string{"4 of 4", "of this namespace: media", "of other namespaces: 1", "no object here has: 2", "https://console.example.com", "https://crm.example.com"} {
		if !strings.Contains(message, want) {
			t.Errorf("message %q does not say %q", message, want)
		}
	}
	for _, secret := range []string{"very-secret", "desk", other.namespace} {
		if strings.Contains(message, secret) {
			t.Errorf("message %q tells %q", message, secret)
		}
	}
	f.eventually(func() error {
		note := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		if got := ep.Status.Environment.URLs; got != "4/4" || !strings.Contains(note, "status.environment.urls") {
			return fmt.Errorf("the endpoint shows %q and says %q", got, note)
		}
		return nil
	})
	t.Log("and goes through by itself")
	i := slices.IndexFunc(f.sim.Triggers(), func(t simulator.Trigger) bool { return t.URI == "https://crm.example.com/" })
	f.admin("DELETE", "/triggers/"+f.sim.Triggers()[i].ID, "")
	ready(f, late)
}
