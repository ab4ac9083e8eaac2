// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// neighbor is a namespace of its own in front of another fixture's product environment.
func (f *fixture) neighbor() *fixture {
	f.Helper()
	n := newFixture(f.T, simulator.Options{})
	n.sim, n.url, n.cloud, n.secretURL = f.sim, f.url, f.cloud, f.secretURL
	return n
}

func TestCredentialsThatAreRefusedInfluenceNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	other := f.neighbor()
	f.namespaces, f.options.URLLimit = []string{other.namespace}, 1
	f.start()
	intruder, theirs := other.secret("cloudinary"), other.trigger("older", "media", "upload")
	intruder.StringData["CLOUDINARY_URL"] = f.credentials(simulator.DefaultAPIKey, "guessed")
	named := other.endpoint("media", hook)
	other.create(intruder, named, theirs)
	becomes(other, theirs, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	t.Log("the younger object with working credentials neither conflicts with it nor finds the limit used up")
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, trigger)
	becomes(other, named, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	if e := named.Status.Environment; e != nil {
		t.Errorf("the intruder's endpoint is said to belong to %s, whose keys the receiver would verify with", e.CloudName)
	}
	other.get(theirs)
	for _, c := range theirs.Status.Conditions {
		if strings.Contains(c.Message, f.namespace) {
			t.Errorf("the intruder is told of %s: %s", f.namespace, c.Message)
		}
	}
	f.eventually(func() error {
		if f.get(ep); ep.Status.Environment == nil || ep.Status.Environment.URLs != "1/1" {
			return fmt.Errorf("the last list is not in the endpoint's status yet: %+v", ep.Status.Environment)
		}
		return nil
	})
	t.Log("nor does its end take anything away")
	other.delete(theirs)
	other.gone(theirs)
	f.rests(trigger, ep)
	f.placesBecome("upload " + hook)
}

// What a person does to a key at Cloudinary, or to the Secret, and what answers it.
func TestCredentialsThatStopWorkingLoseNothingAndComeBackByThemselves(t *testing.T) {
	tests := map[string]struct {
		stop, mend func(f *fixture, secret *corev1.Secret)
		reason     string // of the trigger, which is left behind in the former environment where the Secret names another
	}{
		"a key that is disabled": {
			stop: func(f *fixture, _ *corev1.Secret) {
				f.inject(simulator.Fault{Count: always, Status: http.StatusForbidden})
			},
			mend:   func(f *fixture, _ *corev1.Secret) { f.sim.ClearFaults() },
			reason: v1alpha1.ReasonCredentialsRejected,
		},
		"a key of another cloud": {
			stop: func(f *fixture, secret *corev1.Secret) {
				setURL(f, secret, f.credentials("theirs", "of-another-cloud"))
			},
			mend:   func(f *fixture, secret *corev1.Secret) { setURL(f, secret, f.secretURL) },
			reason: v1alpha1.ReasonCredentialsRejected,
		},
		"the right key with the name of another cloud": {
			stop: func(f *fixture, secret *corev1.Secret) {
				setURL(f, secret, strings.Replace(f.secretURL, "@"+f.cloud, "@another-cloud", 1))
			},
			mend:   func(f *fixture, secret *corev1.Secret) { setURL(f, secret, f.secretURL) },
			reason: v1alpha1.ReasonCredentialsMissing,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.hasten()
			f.start()
			secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
			f.create(secret, ep, trigger)
			ready(f, trigger)
			ids, writes := f.idsByPlace(), f.writes()
			test.stop(f, secret)
			f.contains(becomes(f, ep, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected), "refuses the credentials")
			becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, test.reason)
			late := f.trigger("late", "media", "delete")
			f.create(late)
			becomes(f, late, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
			if diff := gocmp.Diff(ids, f.idsByPlace()); diff != "" || f.writes() != writes {
				t.Errorf("%d writes without credentials (-before +after):\n%s", f.writes()-writes, diff)
			}
			test.mend(f, secret)
			ready(f, trigger)
			ready(f, late)
			ready(f, ep)
			f.placesBecome("delete "+hook, "upload "+hook)
			if got := f.at("upload", hook).ID; got != ids["upload "+hook] {
				t.Errorf("the trigger was made anew: %s, then %s", ids["upload "+hook], got)
			}
		})
	}
}

func setURL(f *fixture, secret *corev1.Secret, url string) {
	f.Helper()
	change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(url)} })
}

func TestASecretThatNamesAnotherCloudLeavesTheFormerOneVisibly(t *testing.T) {
	t.Parallel()
	f, there := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(there.secretURL)} })
	there.placesBecome("upload " + hook)
	t.Log("nobody has credentials for the former one any more, which is said and loses nothing")
	message := becomes(f, trigger, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonCredentialsMissing)
	if !strings.Contains(message, f.url) {
		t.Errorf("message %q does not say where triggers are left", message)
	}
	f.placesBecome("upload " + hook)
	t.Log("the way it should have been done mends it: a Secret of its own for the new cloud, and the former one as it was")
	fresh := f.secret("fresh")
	fresh.StringData["CLOUDINARY_URL"] = there.secretURL
	f.create(fresh)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.CredentialsSecretRef.Name = "fresh" })
	change(f, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(f.secretURL)} })
	f.placesBecome()
	ready(f, trigger)
	there.placesBecome("upload " + hook)
}

func TestAnEndpointMovesToAnotherSecretWhoseFormerOneIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{{APIKey: "second", APISecret: "secret"}}})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	id := f.at("upload", hook).ID
	t.Log("somebody takes the Secret away by force")
	f.delete(secret)
	f.eventually(func() error {
		f.get(secret)
		secret.Finalizers = nil
		return api.Client.Update(f.Context(), secret)
	})
	f.gone(secret)
	becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	second := f.secret("second")
	second.StringData["CLOUDINARY_URL"] = f.credentials("second", "secret")
	f.create(second)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.CredentialsSecretRef.Name = "second" })
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"upload", "delete"} })
	ready(f, trigger)
	if got := f.at("upload", hook).ID; got != id {
		t.Errorf("the trigger was made anew: %s, then %s", id, got)
	}
	f.delete(trigger, ep, second)
	f.gone(trigger, ep, second)
	f.placesBecome()
}

func TestAnEndpointGoesWhileATriggerOfAnotherNamespaceLives(t *testing.T) {
	t.Parallel()
	f, other := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.namespaces = []string{other.namespace}
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), other.trigger("images", "media", "upload")
	ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
	trigger.Spec.EndpointRef.Namespace = f.namespace
	f.create(secret, ep, trigger)
	ready(f, trigger)
	f.delete(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}})
	f.gone(ep, secret)
	f.placesBecome()
	becomes(other, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
	if len(trigger.Status.Registrations) > 0 {
		t.Errorf("it still holds %+v", trigger.Status.Registrations)
	}
}

// Two clusters that want different things of one trigger.
func TestTwoClustersThatDisagreeEndInAConditionAndNotInFlapping(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	other := f.neighbor()
	f.start()
	other.start()
	one, two := f.trigger("images", "media", "upload"), other.trigger("images", "media", "upload")
	one.Spec.Filter, two.Spec.Filter = rawJSON(`{"==":[{"var":"type"},"upload"]}`), rawJSON(`{"==":[{"var":"type"},"private"]}`)
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), one)
	ready(f, one)
	other.create(other.secret("cloudinary"), other.endpoint("media", hook), two)
	f.eventually(func() error {
		f.get(one)
		other.get(two)
		for _, o := range []*v1alpha1.CloudinaryTrigger{one, two} {
			for _, c := range o.Status.Conditions {
				if c.Type == v1alpha1.ConditionSynced && c.Reason == v1alpha1.ReasonNotConverging && strings.Contains(c.Message, "filter") {
					return nil
				}
			}
		}
		return fmt.Errorf("neither is NotConverging: %+v, %+v", one.Status.Conditions, two.Status.Conditions)
	})
	f.rests()
	// Each writes over the other's a few times, and where that happens before a list was seen to show its own, replaces once, which the other
	// answers. How often depends on who lists when; without an end it would be some each second.
	if n := f.writes(); n > 20 {
		t.Errorf("%d writes until it ended", n)
	}
	f.placesBecome("upload " + hook)
}
