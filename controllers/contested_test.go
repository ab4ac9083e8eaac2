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
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

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
	for range memory.ContestedFrom {
		f.takeOff(secret)
	}
	f.eventually(func() error {
		f.get(ep)
		c := meta.FindStatusCondition(ep.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || !strings.Contains(c.Message, "keeps removing the finalizer") || !strings.Contains(c.Message, `"secret-sync"`) {
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
