// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

const hooksBase = "https://hooks.example.com"

func (f *fixture) withPath(name string, path v1alpha1.ReceiverPath) *v1alpha1.NotificationEndpoint {
	ep := f.endpoint(name, "")
	ep.Spec.Receiver = &v1alpha1.ReceiverSpec{Path: path}
	return ep
}

func (f *fixture) plainURL(name string) string {
	return hooksBase + notification.Path(f.namespace, name)
}

// pathKey is the key in the fixture's Secret, once there is one.
func (f *fixture) pathKey() []byte {
	f.Helper()
	secret := f.pathKeySecret()
	f.eventually(func() error { return api.Client.Get(f.Context(), client.ObjectKeyFromObject(secret), secret) })
	return secret.Data[resolve.PathKeyEntry]
}

func (f *fixture) pathKeySecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: verification.PathKeySecretName, Namespace: f.options.VerificationNamespace}}
}

// hiddenURL is the address of the endpoint media.
func (f *fixture) hiddenURL() string {
	f.Helper()
	return f.plainURL("media") + "/" + notification.PathToken(f.pathKey(), f.namespace, "media")
}

// byMethod are the calls that changed something, by their method.
func (f *fixture) byMethod() map[string]int {
	calls := map[string]int{}
	for _, c := range f.sim.Calls().Calls {
		calls[c.Method] += c.Count
	}
	delete(calls, "GET")
	return calls
}

// moved fails unless all triggers were moved in place, each by one call.
func (f *fixture) moved(before map[string]string, calls map[string]int, moves int) {
	f.Helper()
	ids := map[string]bool{}
	for _, id := range before {
		ids[id] = true
	}
	for place, id := range f.ids() {
		if !ids[id] {
			f.Errorf("%s has the new id %s", place, id)
		}
	}
	calls["PUT"] += moves
	if diff := cmp.Diff(calls, f.byMethod()); diff != "" {
		f.Errorf("calls that changed something (-want +got):\n%s", diff)
	}
}

func TestAnAddressCannotBeGuessedUnlessItIsToBePlain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep, plain, theirs := f.withPath("media", ""), f.withPath("plain", v1alpha1.ReceiverPathPlain), f.endpoint("theirs", hook)
	trigger := f.trigger("images", "media", "upload", "delete")
	f.create(f.secret("cloudinary"), ep, plain, theirs, trigger)
	ready(f, trigger)
	ready(f, plain)
	hidden := f.hiddenURL()
	f.placesBecome("upload "+hidden, "delete "+hidden)
	ready(f, ep)
	if ep.Status.URL != hidden || plain.Status.URL != f.plainURL("plain") {
		t.Errorf("the addresses are %s and %s", ep.Status.URL, plain.Status.URL)
	}
	if ep.Spec.Receiver.Path != "" {
		t.Errorf("spec.receiver.path has become %s: GitOps would see a difference", ep.Spec.Receiver.Path)
	}

	t.Log("who sets it moves the triggers in place")
	ids, calls := f.ids(), f.byMethod()
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.Path = v1alpha1.ReceiverPathPlain })
	f.placesBecome("upload "+f.plainURL("media"), "delete "+f.plainURL("media"))
	ready(f, ep)
	f.moved(ids, calls, 2)

	t.Log("who takes it out again keeps the address, and is told so")
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.Path = "" })
	f.eventually(func() error {
		if said := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted); !strings.Contains(said, "Set spec.receiver.path to Unguessable") {
			return fmt.Errorf("Accepted says %q", said)
		}
		return nil
	})
	ids, calls = f.ids(), f.byMethod()
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.Path = v1alpha1.ReceiverPathUnguessable })
	f.placesBecome("upload "+hidden, "delete "+hidden)
	ready(f, ep)
	f.moved(ids, calls, 2)
}

// An endpoint of a release that knew only plain addresses: an update must not take it away from callers who have it as notification_url.
func TestAnUpdateOfTheOperatorMovesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	ep := f.withPath("media", "")
	f.create(f.secret("cloudinary"), ep)
	ep.Status.URL = f.plainURL("media")
	f.must(api.Client.Status().Update(t.Context(), ep))
	f.start()
	ready(f, ep)
	said := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	if ep.Status.URL != f.plainURL("media") || !strings.Contains(said, "can be guessed") || !strings.Contains(said, "Plain") {
		t.Errorf("the address is %s, and Accepted says %q", ep.Status.URL, said)
	}
	if err := api.Client.Get(t.Context(), client.ObjectKeyFromObject(f.pathKeySecret()), f.pathKeySecret()); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("a key that nothing needs: %v", err)
	}
	t.Log("a base URL that goes for a while takes nothing of that away")
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.BaseURL = "http://hooks.example.com:99999" })
	becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidURL)
	if ep.Status.URL != f.plainURL("media") {
		t.Errorf("the address is %q, which the receiver goes by", ep.Status.URL)
	}
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver.BaseURL = "https://in.example.com" })
	ready(f, ep)
	if want := "https://in.example.com" + notification.Path(f.namespace, "media"); ep.Status.URL != want {
		t.Errorf("the address is %s, want %s", ep.Status.URL, want)
	}
}

func TestAnEndpointThatIsMadeAnewHasTheAddressItHad(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep := f.withPath("media", "")
	f.create(f.secret("cloudinary"), ep)
	ready(f, ep)
	before := ep.Status.URL
	f.delete(ep)
	f.gone(ep)
	f.stop()
	f.start()
	again := f.withPath("media", "")
	f.create(again)
	ready(f, again)
	if again.Status.URL != before || before != f.hiddenURL() {
		t.Errorf("it was %s and is %s", before, again.Status.URL)
	}
}

func TestWithoutItsKeyEveryAddressMovesInPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{URLLimit: 2})
	f.start()
	ep, plain := f.withPath("media", v1alpha1.ReceiverPathUnguessable), f.withPath("plain", v1alpha1.ReceiverPathPlain)
	trigger, other := f.trigger("images", "media", "upload", "delete"), f.trigger("others", "plain", "upload")
	f.create(f.secret("cloudinary"), ep, plain, trigger, other)
	ready(f, trigger)
	ready(f, other)
	ready(f, ep)
	key, before := f.pathKey(), ep.Status.URL
	ids, calls := f.ids(), f.byMethod()
	f.must(api.Client.Delete(t.Context(), f.pathKeySecret()))
	f.eventually(func() error {
		if bytes.Equal(f.pathKey(), key) {
			return errors.New("the key is the same")
		}
		return nil
	})
	hidden := f.hiddenURL()
	f.placesBecome("upload "+hidden, "delete "+hidden, "upload "+f.plainURL("plain"))
	ready(f, trigger)
	f.moved(ids, calls, 2)
	f.eventually(func() error {
		if f.get(ep); ep.Status.URL != hidden || before == "" || hidden == before {
			return fmt.Errorf("it was %s and is %s, want %s", before, ep.Status.URL, hidden)
		}
		return nil
	})
	f.get(plain)
	if plain.Status.URL != f.plainURL("plain") {
		t.Errorf("the plain address is %s", plain.Status.URL)
	}
}

func TestAKeyOfAddressesThatIsNoneIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	short := f.pathKeySecret()
	short.Data = map[string][]byte{resolve.PathKeyEntry: []byte("short")}
	ep := f.withPath("media", "")
	f.create(f.secret("cloudinary"), short, ep)
	f.start()
	said := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonPathKeyUnavailable)
	if !strings.Contains(said, "32 bytes") || !strings.Contains(said, "delete the Secret") {
		t.Errorf("it says %q", said)
	}
	if got := f.pathKey(); string(got) != "short" {
		t.Errorf("it has become %d other bytes", len(got))
	}
	f.delete(short)
	ready(f, ep)
	if ep.Status.URL != f.hiddenURL() {
		t.Errorf("the address is %s", ep.Status.URL)
	}
}

func TestAnEndpointWaitsWhereThereIsNoPlaceForTheKey(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ namespace, says string }{
		"no namespace is known":        {"", "--verification-namespace"},
		"the namespace does not exist": {"there-is-none", "there-is-none/" + verification.PathKeySecretName},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.options.VerificationNamespace = tc.namespace
			f.start()
			ep, old, trigger := f.withPath("media", ""), f.withPath("old", v1alpha1.ReceiverPathUnguessable), f.trigger("images", "media", "upload")
			had := f.plainURL("old") + "/" + strings.Repeat("0", 32)
			f.create(f.secret("cloudinary"), ep, old, trigger, f.endpoint("theirs", hook))
			said := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonPathKeyUnavailable)
			if !strings.Contains(said, tc.says) {
				t.Errorf("it says %q, and not %q", said, tc.says)
			}
			becomes(f, ep, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPathKeyUnavailable)
			becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonPathKeyUnavailable)
			f.placesBecome()
			t.Log("an address that there is stays")
			f.eventually(func() error {
				f.get(old)
				old.Status.URL = had
				return api.Client.Status().Update(t.Context(), old)
			})
			said = becomes(f, old, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
			if old.Status.URL != had || !strings.Contains(said, "stays as it is") {
				t.Errorf("it is %s, and Accepted says %q", old.Status.URL, said)
			}
		})
	}
}

// A new leader and the one before may both find that there is no key.
func TestTwoManagersGoByOneKey(t *testing.T) {
	t.Parallel()
	ctx := logf.IntoContext(t.Context(), logr.Discard())
	options := DefaultOptions()
	options.VerificationNamespace = api.NewNamespace(t)
	keys := make(chan []byte)
	const managers = 8
	for range managers {
		r := &Reconciler{Client: api.Client, Live: api.Client, Now: time.Now, Options: options}
		r.assemble()
		go func() {
			key, p, err := r.paths.key(ctx)
			if p != nil || err != nil {
				t.Error(p, err)
			}
			keys <- key
		}()
	}
	first := <-keys
	for range managers - 1 {
		if key := <-keys; !bytes.Equal(key, first) || len(key) != notification.PathKeyBytes {
			t.Errorf("a manager goes by %d other bytes", len(key))
		}
	}
}
