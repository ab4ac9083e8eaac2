// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// Somebody who takes the finalizer off at once, each time, makes few writes for a day.
func TestFightOverAFinalizerBacksOff(t *testing.T) {
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h, now, puts := &hold{held: true}, begun, 0
	var waits []time.Duration
	for now.Before(begun.Add(24 * time.Hour)) {
		h.lost(now)
		wait := max(h.taken.notBefore.Sub(now), 0)
		waits = append(waits, wait)
		now = now.Add(wait + time.Millisecond)
		h.held = true
		puts++
		if _, told := h.contested(now); told != (puts >= contestedFrom) {
			t.Fatalf("after %d times people are told: %v", puts, told)
		}
	}
	if puts > 300 {
		t.Errorf("%d writes in a day", puts)
	}
	for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second} {
		if waits[i] != want {
			t.Errorf("wait %d is %s, want %s", i, waits[i], want)
		}
	}
	if last := waits[len(waits)-1]; last != maxBackoff {
		t.Errorf("the last wait is %s, want %s", last, maxBackoff)
	}
	if until, _ := h.contested(now); until.Before(now.Add(maxBackoff)) {
		t.Error("the fight looks settled between two rounds")
	}
	now = now.Add(contestedFor + time.Second)
	if _, told := h.contested(now); told {
		t.Error("people are told of a fight that is over")
	}
	if h.lost(now); h.taken.waiting(now) {
		t.Error("one that was over for long is not forgotten")
	}
}

// takeOff writes the whole Secret without a finalizer, as a controller does that knows nothing of finalizers.
func (f *fixture) takeOff(secret *corev1.Secret) {
	f.Helper()
	f.eventually(func() error {
		f.get(secret)
		if !controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
			return fmt.Errorf("the finalizer is not there")
		}
		secret.Finalizers = nil
		secret.Annotations = map[string]string{"sync.example.com/at": time.Now().Format(time.RFC3339Nano)}
		return api.Client.Update(f.Context(), secret, client.FieldOwner("secret-sync"))
	})
}

func TestFightOverAFinalizerIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	f.create(secret, ep)
	ready(f, ep)
	for range contestedFrom {
		f.takeOff(secret)
	}
	f.eventually(func() error {
		f.get(ep)
		c := meta.FindStatusCondition(ep.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || !strings.Contains(c.Message, "keeps taking off the finalizer") || !strings.Contains(c.Message, `"secret-sync"`) {
			return fmt.Errorf("nothing tells of the fight: %+v", c)
		}
		return nil
	})
	f.delete(ep)
	f.gone(ep)
}

func TestSecretWhoseDeletionWaitsSaysForWhom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	f.delete(secret)
	f.eventually(func() error {
		notes, err := f.eventNotes(secret, "DeletionWaits")
		if err != nil || len(notes) != 1 {
			return fmt.Errorf("events %q, %w", notes, err)
		}
		for _, part := range []string{"NotificationEndpoint media", "CloudinaryTrigger images", v1alpha1.AnnotationAbandon} {
			if !strings.Contains(notes[0], part) {
				t.Errorf("%q does not say %q", notes[0], part)
			}
		}
		return nil
	})
	f.delete(trigger, ep)
	f.gone(trigger, ep, secret)
}
