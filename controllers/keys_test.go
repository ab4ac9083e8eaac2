// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// keysSecret is the Secret with the verification keys of a fixture's manager.
func (f *fixture) keysSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: verification.SecretName, Namespace: f.options.VerificationNamespace}}
}

func (f *fixture) verificationEnvironment() verification.Environment {
	return verification.Environment{APIBase: f.url, CloudName: f.cloud}
}

// keys are the keys that the receiver gets for the fixture's environment, as "id secret [unchecked] [ends]"; nil: there is no entry.
func (f *fixture) keys() []string {
	f.Helper()
	secret := f.keysSecret()
	if err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		f.must(client.IgnoreNotFound(err))
		return nil
	}
	entries, errs := verification.DecodeSecret(secret.Data)
	if len(errs) > 0 {
		f.Fatal(errs)
	}
	var shown []string
	for _, k := range entries[f.verificationEnvironment()].Keys {
		text := k.ID + " " + k.Secret
		if k.Unchecked {
			text += " unchecked"
		}
		if k.NotAfter != nil {
			text += " ends"
		}
		shown = append(shown, text)
	}
	return shown
}

func (f *fixture) keysBecome(want ...string) {
	f.Helper()
	f.eventually(func() error {
		if diff := cmp.Diff(want, f.keys()); diff != "" {
			return fmt.Errorf("verification keys (-want +got):\n%s", diff)
		}
		return nil
	})
}

const ownKey = simulator.DefaultAPIKey + " " + simulator.DefaultAPISecret

// put sets or, where the value is empty, removes an entry of a Secret's data.
func (f *fixture) put(secret *corev1.Secret, name, value string) {
	f.Helper()
	change(f, secret, func(s *corev1.Secret) {
		if value == "" {
			delete(s.Data, name)
			return
		}
		s.Data[name] = []byte(value)
	})
}

func TestVerificationKeysFollowTheSecret(t *testing.T) {
	t.Parallel()
	second := simulator.Credentials{APIKey: "222222222222222", APISecret: "second-secret"}
	f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{second}})
	f.options.VerificationKeyGrace = time.Hour
	f.start()
	secret, ep := f.secret("cloudinary"), f.receiverEndpoint("media")
	secret.StringData["signing.9"] = "nine\n"
	f.create(secret, ep)
	ready(f, ep)
	f.keysBecome(ownKey, "9 nine unchecked")
	kept := f.keysSecret()
	f.get(kept)
	if got := kept.Labels["app.kubernetes.io/managed-by"]; got != "cloudinary-operator" {
		t.Errorf("labels are %v", kept.Labels)
	}

	t.Log("a further key counts beside the others")
	f.put(secret, "signing.7", "seven")
	f.keysBecome(ownKey, "7 seven unchecked", "9 nine unchecked")
	t.Log("one that is gone counts for the grace, and forever once it is back")
	f.put(secret, "signing.9", "")
	f.keysBecome(ownKey, "7 seven unchecked", "9 nine unchecked ends")
	f.put(secret, "signing.9", "nine")
	f.keysBecome(ownKey, "7 seven unchecked", "9 nine unchecked")
	t.Log("rotation in place")
	f.put(secret, "CLOUDINARY_URL", f.credentials(second.APIKey, second.APISecret))
	f.keysBecome("222222222222222 second-secret", "7 seven unchecked", "9 nine unchecked", ownKey+" ends")
	ready(f, ep)
	f.rests(ep, kept)

	t.Log("what is wrong with a key is said without showing it, and takes nothing away at once")
	f.put(secret, "signing.", "hunter2")
	message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)
	if !strings.Contains(message, "signing. names no API key") || strings.Contains(message, "hunter2") {
		t.Errorf("message is %q", message)
	}
	f.eventually(func() error {
		if got := f.keys(); len(got) != 4 {
			return fmt.Errorf("keys are %q", got)
		}
		return nil
	})
	f.put(secret, "signing.", "")
	ready(f, ep)

	t.Log("without an endpoint nothing is left")
	f.delete(ep)
	f.gone(ep)
	f.keysBecome()
}

func TestAKeyGoesWhenItsGraceIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.VerificationKeyGrace = 3 * time.Second
	f.start()
	secret, ep := f.secret("cloudinary"), f.receiverEndpoint("media")
	secret.StringData["signing.9"] = "nine"
	f.create(secret, ep)
	f.keysBecome(ownKey, "9 nine unchecked")
	f.put(secret, "signing.9", "")
	f.keysBecome(ownKey, "9 nine unchecked ends")
	f.keysBecome(ownKey)
}

func TestOnlyEnvironmentsWithAReceiverHaveKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	f.create(secret, ep)
	ready(f, ep)
	f.rests(ep)
	if err := api.Client.Get(t.Context(), client.ObjectKeyFromObject(f.keysSecret()), f.keysSecret()); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("there is a Secret with keys that nobody needs (%v)", err)
	}
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL, ep.Spec.Receiver = "", &v1alpha1.ReceiverSpec{} })
	f.keysBecome(ownKey)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL, ep.Spec.Receiver = hook, nil })
	f.keysBecome()
}

// naming makes API keys the only ones that count for an endpoint.
func naming(ep *v1alpha1.NotificationEndpoint, apiKeys ...string) {
	ep.Spec.Receiver.Verification = &v1alpha1.Verification{APIKeys: apiKeys}
}

// Whoever may list a product environment's triggers is a member of it, and can write into a Secret what they like.
func TestKeysOfAnotherTeamNeitherCountNorDisplace(t *testing.T) {
	t.Parallel()
	second := simulator.Credentials{APIKey: "222222222222222", APISecret: "second-secret"}
	f := newFixture(t, simulator.Options{OAuthTokens: []string{"token"}, AdditionalCredentials: []simulator.Credentials{second}})
	other := f.neighbor()
	f.namespaces, f.options.VerificationKeyGrace = []string{other.namespace}, time.Hour
	f.start()
	ep := f.receiverEndpoint("media")
	f.create(f.secret("cloudinary"), ep)
	f.keysBecome(ownKey)

	made, theirs := other.secret("cloudinary"), other.receiverEndpoint("media")
	made.StringData["CLOUDINARY_URL"] = fmt.Sprintf("cloudinary://%s:made-up@%s?oauth_token=token&upload_prefix=%s", simulator.DefaultAPIKey, f.cloud, f.url)
	for i := range 20 {
		made.StringData[fmt.Sprintf("signing.0%02d", i)] = "made-up"
	}
	other.create(made, theirs)
	ready(other, theirs)
	f.eventually(func() error {
		if n := len(f.keys()); n != 9 {
			return fmt.Errorf("%d keys, want one and the 8 that count for the other team", n)
		}
		return nil
	})
	f.counts(ep, ownKey)
	t.Log("not even if it is named")
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { naming(ep, simulator.DefaultAPIKey, "000") })
	f.notes(ep, "names 000,", "signing.<API_KEY>")
	f.counts(ep, ownKey)

	t.Log("a key that Cloudinary has let in counts for whoever names it, and goes where nobody does")
	genuine, byURL := other.secret("genuine"), other.endpoint("calls", hook)
	genuine.StringData["CLOUDINARY_URL"] = f.credentials(second.APIKey, second.APISecret)
	byURL.Spec.CredentialsSecretRef.Name = genuine.Name
	other.create(genuine, byURL)
	ready(other, byURL)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { naming(ep, simulator.DefaultAPIKey, second.APIKey) })
	f.eventually(func() error { return f.countsFor(ep, ownKey, "222222222222222 second-secret") })
	f.eventually(func() error {
		if message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted); message != check.Sentence(verdict.SpecAccepted) {
			return fmt.Errorf("message is %q", message)
		}
		return nil
	})
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { naming(ep, simulator.DefaultAPIKey) })
	f.counts(ep, ownKey)
	f.eventually(func() error {
		if keys := f.keys(); !slices.Contains(keys, "222222222222222 second-secret ends") {
			return fmt.Errorf("keys are %q", keys)
		}
		return nil
	})
}

// counts holds which keys the receiver verifies an endpoint's notifications with.
func (f *fixture) counts(ep *v1alpha1.NotificationEndpoint, want ...string) {
	f.Helper()
	f.must(f.countsFor(ep, want...))
}

func (f *fixture) countsFor(ep *v1alpha1.NotificationEndpoint, want ...string) error {
	f.Helper()
	secret := f.keysSecret()
	f.get(secret)
	entries, errs := verification.DecodeSecret(secret.Data)
	if len(errs) > 0 {
		f.Fatal(errs)
	}
	var got []string
	for _, k := range verification.NewPool(entries[f.verificationEnvironment()].Keys).Select(resolve.Verifier(ep)) {
		got = append(got, k.ID+" "+k.Secret)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("for %s count (-want +got):\n%s", ep.Name, diff)
	}
	return nil
}

// Anybody may write another team's cloud into a Secret. What stands beside must not become a key for that cloud.
func TestCredentialsThatWereNotAcceptedGiveNoKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	intruder, planted := f.secret("intruder"), f.receiverEndpoint("intruder")
	intruder.StringData = map[string]string{"CLOUDINARY_URL": f.credentials(simulator.DefaultAPIKey, "guessed"), "signing.1": "planted"}
	planted.Spec.CredentialsSecretRef.Name = intruder.Name
	f.create(intruder, planted)
	becomes(f, planted, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	f.keysBecome()

	secret, ep, trigger := f.secret("cloudinary"), f.receiverEndpoint("media"), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, ep)
	ready(f, trigger)
	f.keysBecome(ownKey)
	f.put(intruder, "signing.0", "planted too")
	becomes(f, planted, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	f.rests(ep)
	f.keysBecome(ownKey)

	t.Log("nor does it keep the other's keys where they are not needed any more")
	f.delete(trigger, ep)
	f.gone(trigger, ep)
	f.keysBecome(ownKey + " ends")
	f.delete(planted)
	f.gone(planted)
	f.keysBecome()
}

func TestKeysStayWhileNothingIsKnownOfTheirSecrets(t *testing.T) {
	t.Parallel()
	second := simulator.Credentials{APIKey: "222222222222222", APISecret: "second-secret"}
	f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{second}})
	f.options.VerificationKeyGrace = 0 // so that a key that is taken for gone is gone
	secret, ep := f.secret("cloudinary"), f.receiverEndpoint("media")
	secret.StringData["signing.9"] = "nine"
	naming(ep, simulator.DefaultAPIKey, second.APIKey, "9")
	other, byURL := f.secret("other"), f.endpoint("other", hook)
	other.StringData["CLOUDINARY_URL"] = f.credentials(second.APIKey, second.APISecret)
	byURL.Spec.CredentialsSecretRef.Name = other.Name
	f.create(secret, ep, other, byURL)
	f.start()
	all := []string{ownKey, "222222222222222 second-secret", "9 nine unchecked"}
	f.keysBecome(all...)
	f.stop()

	t.Log("a start while Cloudinary cannot be reached")
	kept := f.keysSecret()
	f.get(kept)
	written := kept.ResourceVersion
	f.inject(simulator.Fault{Count: always, Status: 503})
	f.start()
	becomes(f, ep, v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
	t.Log("a Secret that changes meanwhile has not been judged either")
	f.put(secret, "CLOUDINARY_URL", f.credentials(simulator.DefaultAPIKey, "changed"))
	becomes(f, byURL, v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
	f.settledFor(3 * f.options.SyncInterval)
	f.get(kept)
	if kept.ResourceVersion != written {
		t.Errorf("the keys were written while nothing was known: %q", f.keys())
	}

	t.Log("then Cloudinary answers: the one Secret is accepted, the other refused")
	f.sim.ClearFaults()
	becomes(f, ep, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	f.keysBecome()
	f.put(secret, "CLOUDINARY_URL", f.secretURL)
	ready(f, ep)
	f.keysBecome(all...)
}

// settledFor waits for a time in which nothing can be waited for.
func (f *fixture) settledFor(d time.Duration) {
	f.Helper()
	begun := time.Now()
	f.eventually(func() error {
		if time.Since(begun) < d {
			return fmt.Errorf("not %s yet", d)
		}
		return nil
	})
}

func TestARestartWritesNoKeys(t *testing.T) {
	t.Parallel()
	second := simulator.Credentials{APIKey: "000000000000001", APISecret: "second-secret"}
	f := newFixture(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{second}})
	other, byURL := f.secret("other"), f.endpoint("other", hook)
	other.StringData["CLOUDINARY_URL"] = f.credentials(second.APIKey, second.APISecret)
	other.StringData["signing.5"] = "five"
	byURL.Spec.CredentialsSecretRef.Name = other.Name
	ep := f.receiverEndpoint("media")
	naming(ep, simulator.DefaultAPIKey, second.APIKey, "5")
	f.create(f.secret("cloudinary"), ep, other, byURL)
	f.start()
	f.keysBecome("000000000000001 second-secret", ownKey)
	ready(f, ep)
	ready(f, byURL)
	f.stop()
	kept := f.keysSecret()
	f.get(kept)
	before, data := kept.ResourceVersion, kept.Data
	f.start()
	f.rests(ep, byURL)
	f.get(kept)
	if kept.ResourceVersion != before {
		t.Errorf("a restart wrote the keys (-before +after):\n%s", cmp.Diff(data, kept.Data))
	}
	t.Log("a key that somebody takes away, or the whole Secret, is put back")
	change(f, kept, func(s *corev1.Secret) { s.Data = nil })
	f.keysBecome("000000000000001 second-secret", ownKey)
	f.delete(kept)
	f.keysBecome("000000000000001 second-secret", ownKey)
	change(f, kept, func(s *corev1.Secret) {
		s.Data = map[string][]byte{verification.EntryName(f.verificationEnvironment()): []byte("broken")}
	})
	f.eventually(func() error {
		f.get(kept)
		if _, errs := verification.DecodeSecret(kept.Data); len(errs) > 0 {
			return errs[0]
		}
		return nil
	})
	f.keysBecome("000000000000001 second-secret", ownKey)
}

func TestKeysOfAnEnvironmentThatIsGoneGoAtTheStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	gone := verification.Environment{APIBase: "https://api.example.com", CloudName: "gone"}
	raw, err := verification.Keys{Environment: gone, Keys: []verification.Key{{ID: "1", Secret: "s"}}}.Encode()
	f.must(err)
	kept := f.keysSecret()
	kept.Data = map[string][]byte{verification.EntryName(gone): raw, "foreign": []byte("x")}
	f.create(kept)
	f.start() // there is no endpoint that would wake a pass
	f.eventually(func() error {
		f.get(kept)
		if _, there := kept.Data[verification.EntryName(gone)]; there {
			return fmt.Errorf("the entry is still there")
		}
		return nil
	})
	if string(kept.Data["foreign"]) != "x" {
		t.Error("an entry that is not the manager's was taken away")
	}
}

func TestWhatKeepsKeysFromCountingIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{OAuthTokens: []string{"token"}})
	f.start()
	secret, ep := f.secret("cloudinary"), f.receiverEndpoint("media")
	secret.StringData["CLOUDINARY_URL"] = fmt.Sprintf("cloudinary://%s?oauth_token=token&upload_prefix=%s", f.cloud, f.url)
	f.create(secret, ep)
	f.notes(ep, "Secret "+f.namespace+"/cloudinary has no key", "signing.<API_KEY>")
	change(f, secret, func(s *corev1.Secret) {
		for i := range 9 {
			s.Data[fmt.Sprintf("signing.%d", i)] = fmt.Append(nil, "secret-", i)
		}
	})
	f.notes(ep, "Secret "+f.namespace+"/cloudinary has more than 8 keys", "signing.<API_KEY>")
	f.eventually(func() error {
		if got := f.keys(); len(got) != 8 || slices.ContainsFunc(got, func(k string) bool { return strings.HasPrefix(k, "8 ") }) {
			return fmt.Errorf("keys are %q", got)
		}
		return nil
	})
	f.put(secret, "signing.8", "")
	f.eventually(func() error {
		if got := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted); got != check.Sentence(verdict.SpecAccepted) {
			return fmt.Errorf("message is %q", got)
		}
		return nil
	})
	f.rests(ep)
	f.stop()
	f.options.VerificationNamespace = ""
	f.start()
	f.notes(ep, "--verification-namespace")
}

// notes waits until Accepted of an endpoint is True and says all parts.
func (f *fixture) notes(ep *v1alpha1.NotificationEndpoint, parts ...string) {
	f.Helper()
	f.eventually(func() error {
		message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		for _, part := range parts {
			if !strings.Contains(message, part) {
				return fmt.Errorf("message %q does not say %q", message, part)
			}
		}
		return nil
	})
}
