// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// secretLeft is how a Secret comes to be needed by nothing any more.
type secretLeft struct {
	why   string
	leave func(f *fixture, first, second *corev1.Secret, ep *v1alpha1.NotificationEndpoint, t *v1alpha1.CloudinaryTrigger)
}

func waysToLeaveASecret() map[string]secretLeft {
	type (
		secret   = *corev1.Secret
		endpoint = *v1alpha1.NotificationEndpoint
		trigger  = *v1alpha1.CloudinaryTrigger
	)
	return map[string]secretLeft{
		"deleted, then the endpoint names another one": {
			why: "the condition says to do just that",
			leave: func(f *fixture, first, second secret, ep endpoint, t trigger) {
				f.delete(first)
				f.names(ep, second)
				f.written(t, second)
			},
		},
		"the same, and the manager is started anew": {
			why: "what nothing names is read by nobody at the start",
			leave: func(f *fixture, first, second secret, ep endpoint, t trigger) {
				f.delete(first)
				f.names(ep, second)
				f.written(t, second)
				f.stop()
				f.start()
			},
		},
		"the endpoint names another one, and the first is pruned, while no manager runs": {
			why: "the manager sees none of the changes",
			leave: func(f *fixture, first, second secret, ep endpoint, _ trigger) {
				f.stop()
				f.names(ep, second)
				f.delete(first)
				f.start()
			},
		},
		"the manager ends between the endpoint's finalizer and the Secret's": {
			why: "the next one knows of no endpoint that named it",
			leave: func(f *fixture, first, _ secret, ep endpoint, t trigger) {
				f.delete(t)
				f.gone(t)
				f.stop()
				f.delete(ep)
				change(f, ep, func(ep endpoint) { ep.Finalizers = nil })
				f.gone(ep)
				f.start()
				f.delete(first)
			},
		},
	}
}

// names lets an endpoint name a Secret.
func (f *fixture) names(ep *v1alpha1.NotificationEndpoint, s *corev1.Secret) {
	f.Helper()
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.CredentialsSecretRef.Name = s.Name })
}

// written waits until all that a trigger holds was written with a Secret.
func (f *fixture) written(t *v1alpha1.CloudinaryTrigger, s *corev1.Secret) {
	f.Helper()
	f.eventually(func() error {
		f.get(t)
		for _, reg := range t.Status.Registrations {
			if reg.SecretRef.Name != s.Name {
				return fmt.Errorf("a registration names %v", reg.SecretRef)
			}
		}
		return nil
	})
}

func TestADeletedSecretGoesWhenNothingNeedsItAnyMore(t *testing.T) {
	t.Parallel()
	for name, c := range waysToLeaveASecret() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{{APIKey: "second", APISecret: "secret"}}})
			f.Log(c.why)
			f.start()
			first, second := f.secret("cloudinary"), f.secret("second")
			second.StringData["CLOUDINARY_URL"] = f.credentials("second", "secret")
			ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
			f.create(first, second, ep, trigger)
			ready(f, trigger)
			c.leave(f, first, second, ep, trigger)
			f.gone(first)
		})
	}
}

func TestASecretThatNothingNeedsAnyMoreIsHeldNoLonger(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	first, second := f.secret("cloudinary"), f.secret("second")
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(first, second, ep, trigger)
	ready(f, trigger)
	f.names(ep, second)
	f.eventually(func() error {
		f.get(first)
		if controllerutil.ContainsFinalizer(first, v1alpha1.Finalizer) {
			return fmt.Errorf("nothing names the Secret, and it has the finalizer")
		}
		return nil
	})
}

// A Secret may be created between the look that does not find it and the note that it is missing.
func TestASecretThatIsCreatedWhileItIsLookedForIsNotMissed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	f.create(ep)
	m, err := NewMetrics(prometheus.NewRegistry())
	f.must(err)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[resolve.Unit]())
	f.Cleanup(queue.ShutDown)
	var tell func(before, after client.Object)
	created := false
	looks := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		err := c.Get(ctx, key, o, opts...)
		if apierrors.IsNotFound(err) && !created {
			created = true
			f.must(c.Create(ctx, secret))
			seen := metadataOf("Secret")
			seen.ObjectMeta = secret.ObjectMeta
			tell(nil, seen)
		}
		return err
	}}
	r := &Reconciler{
		Client: interceptor.NewClient(api.Client, looks), Live: api.Client, Metrics: m,
		Transport: cloudinary.NewTransport(), Now: time.Now, Options: f.options,
	}
	r.Options.VerificationNamespace = ""
	tell, err = r.Attach(f.Context(), queue)
	f.must(err)
	unit := resolve.UnitOfSecret(resolve.KeyOf(secret))
	if _, err := r.Reconcile(f.Context(), unit); err != nil || !created {
		t.Fatalf("the first pass: error %v, the Secret was looked for: %v", err, created)
	}
	if queue.Len() != 1 {
		t.Fatalf("%d units are to be looked at, want the Secret, since its event was for a Secret that nobody knew", queue.Len())
	}
	if next, _ := queue.Get(); next != unit {
		t.Errorf("%s is to be looked at, want %s", next, unit)
	}
	if _, err := r.Reconcile(f.Context(), unit); err != nil {
		t.Fatal(err)
	}
	if state, known := r.directory.Secret(unit.Key); !known || state.Problem != nil {
		t.Errorf("known: %v, problem: %v", known, state.Problem)
	}
}

func TestADeletionThatCloudinaryRefusesSaysWhyAndNamesTheWayOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	f.inject(simulator.Fault{Method: http.MethodDelete, Count: always, Status: http.StatusBadRequest, Body: []byte(`{"error":{"message":"Trigger is locked by your administrator"}}`)})
	f.delete(trigger)
	message := becomes(f, trigger, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonDeletionRefused)
	for _, part := range []string{"upload", "Trigger is locked by your administrator", "after the next list", v1alpha1.AnnotationAbandon} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q lacks %q", message, part)
		}
	}
	if !meta.IsStatusConditionTrue(trigger.Status.Conditions, v1alpha1.ConditionStalled) || meta.FindStatusCondition(trigger.Status.Conditions, v1alpha1.ConditionReconciling) != nil {
		t.Errorf("nothing says that a person has to act: %+v", trigger.Status.Conditions)
	}
	f.eventually(func() error {
		notes, err := f.eventNotes(trigger, "DeletionWaits")
		if err == nil && (len(notes) != 1 || !strings.Contains(notes[0], "locked by your administrator")) {
			err = fmt.Errorf("events: %q", notes)
		}
		return err
	})
	before := f.calls(http.MethodDelete, http.StatusBadRequest)
	f.lists(3)
	if got := f.calls(http.MethodDelete, http.StatusBadRequest) - before; got > 1 { // once more by the next list, and then after a pause
		t.Errorf("it was tried again %d times within three lists", got)
	}
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) {
		t.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
	})
	f.gone(trigger)
	f.placesBecome("upload " + hook)
}

// eventNotes are the notes of the Events about an object with a reason.
func (f *fixture) eventNotes(o client.Object, reason string) ([]string, error) {
	var all eventsv1.EventList
	if err := api.Client.List(f.Context(), &all, client.InNamespace(o.GetNamespace())); err != nil {
		return nil, err
	}
	var notes []string
	for _, e := range all.Items {
		if e.Reason == reason && e.Regarding.UID == o.GetUID() {
			notes = append(notes, e.Note)
		}
	}
	return notes, nil
}

// heldByOthers is how a trigger may come to hold something by a Secret that is nobody's any more.
type heldByOthers struct {
	why   string
	leave func(owner, user *fixture, t *v1alpha1.CloudinaryTrigger)
	stays bool // what the trigger has at Cloudinary
}

func waysToHoldOthersSecrets() map[string]heldByOthers {
	refer := func(f *fixture, t *v1alpha1.CloudinaryTrigger, namespace, name string) {
		change(f, t, func(t *v1alpha1.CloudinaryTrigger) {
			t.Spec.EndpointRef = v1alpha1.EndpointReference{Namespace: namespace, Name: name}
		})
	}
	return map[string]heldByOthers{
		"its endpoint does not exist": {
			why: "a typing error of one team must not hold the namespace of another",
			leave: func(owner, user *fixture, t *v1alpha1.CloudinaryTrigger) {
				refer(user, t, owner.namespace, "typo")
				becomes(user, t, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
			},
		},
		"its endpoint does not exist, and it is to be retained": {
			why: "what becomes of it is up to its deletionPolicy",
			leave: func(owner, user *fixture, t *v1alpha1.CloudinaryTrigger) {
				change(user, t, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
				refer(user, t, owner.namespace, "typo")
				becomes(user, t, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
			},
			stays: true,
		},
		"its endpoint in its own namespace has no Secret yet": {
			why: "neither may one that the other team never finishes",
			leave: func(_, user *fixture, t *v1alpha1.CloudinaryTrigger) {
				user.create(user.endpoint("own", hook))
				refer(user, t, "", "own")
				becomes(user, t, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
			},
		},
	}
}

func TestATriggerThatLeadsNowhereHoldsNoOtherNamespace(t *testing.T) {
	t.Parallel()
	for name, c := range waysToHoldOthersSecrets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, other := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
			f.Log(c.why)
			f.namespaces = []string{other.namespace}
			f.start()
			secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), other.trigger("images", "media", "upload")
			ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
			trigger.Spec.EndpointRef.Namespace = f.namespace
			f.create(secret, ep, trigger)
			ready(f, trigger)
			c.leave(f, other, trigger)
			f.lists(3)
			f.placesBecome("upload " + hook) // it keeps what it has, as long as the Secret stays

			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
			f.delete(ns)
			f.gone(ep, secret, ns)
			if c.stays {
				f.placesBecome("upload " + hook)
			} else {
				f.placesBecome()
			}
			if f.get(trigger); len(trigger.Status.Registrations) > 0 {
				t.Errorf("it still holds %+v", trigger.Status.Registrations)
			}
		})
	}
}

// Who deletes a Secret and misspells the next one must not lose what is at Cloudinary.
func TestADeletedSecretIsNoReasonToGiveUpWhatItsEndpointStillWants(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	first, second := f.secret("cloudinary"), f.secret("second")
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(first, ep, trigger)
	ready(f, trigger)
	id := f.at("upload", hook).ID
	f.delete(first)
	f.names(ep, second)
	becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	f.lists(3)
	f.get(first)
	f.create(second)
	ready(f, trigger)
	f.gone(first)
	if got := f.at("upload", hook).ID; got != id || f.calls(http.MethodDelete, 0) > 0 {
		t.Errorf("the trigger was %s and is %s; %d deletes", id, got, f.calls(http.MethodDelete, 0))
	}
}

func TestWhatIsAbandonedIsNamedInFull(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		eventTypes []string
		events     int
	}{
		"in one Event":                         {eventTypes: []string{"upload", "delete", "rename", "move"}, events: 1},
		"in two Events, where one has no room": {eventTypes: inventedTypes(20), events: 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{ExtraEventTypes: c.eventTypes})
			f.start()
			secret, trigger := f.secret("cloudinary"), f.trigger("images", "media", c.eventTypes...)
			f.create(secret, f.endpoint("media", hook), trigger)
			ready(f, trigger)
			change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"nothing": []byte("useful")} })
			becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)
			f.delete(trigger)
			change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) {
				t.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
			})
			f.gone(trigger)
			f.eventually(func() error {
				notes, err := f.eventNotes(trigger, "Abandoned")
				if err != nil {
					return err
				}
				if len(notes) != c.events {
					return fmt.Errorf("%d events, want %d", len(notes), c.events)
				}
				for _, left := range f.sim.Triggers() {
					if name := left.EventType + " (" + left.ID + ")"; !strings.Contains(strings.Join(notes, "\n"), name) {
						return fmt.Errorf("no event names %s: %q", name, notes)
					}
				}
				return nil
			})
			if got := len(f.sim.Triggers()); got != len(c.eventTypes) {
				t.Errorf("%d triggers were left behind, want all %d", got, len(c.eventTypes))
			}
		})
	}
}

func inventedTypes(n int) []string {
	var types []string
	for i := range n {
		types = append(types, fmt.Sprintf("newly_invented_%02d", i))
	}
	return types
}
