// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// badInput is one thing that a person can get wrong, and how they put it right.
type badInput struct {
	why      string
	prepare  func(f *fixture, secret *corev1.Secret, ep *v1alpha1.NotificationEndpoint, t *v1alpha1.CloudinaryTrigger)
	missing  []string // of "secret", "endpoint"
	reason   string
	says     []string // parts of the message on the trigger
	hides    string   // must not be in it
	endpoint string   // the reason of Ready on the endpoint; empty: it is Ready
	heal     func(f *fixture, secret *corev1.Secret, ep *v1alpha1.NotificationEndpoint, t *v1alpha1.CloudinaryTrigger)
}

func badInputs() map[string]badInput {
	type (
		s = *corev1.Secret
		e = *v1alpha1.NotificationEndpoint
		c = *v1alpha1.CloudinaryTrigger
	)
	fixURL := func(f *fixture, secret s, _ e, _ c) {
		change(f, secret, func(secret s) { secret.Data = map[string][]byte{"CLOUDINARY_URL": []byte(f.secretURL)} })
	}
	return map[string]badInput{
		"the endpoint does not exist": {
			why: "manifests are applied in any order", missing: []string{"endpoint"},
			reason: v1alpha1.ReasonEndpointNotFound, says: []string{"spec.endpointRef", "does not exist"},
			heal: func(f *fixture, _ s, ep e, _ c) { f.create(ep) },
		},
		"the Secret does not exist": {
			why: "Secrets often come from another tool, later", missing: []string{"secret"},
			reason: v1alpha1.ReasonSecretNotFound, says: []string{"spec.credentialsSecretRef", "does not exist", "CLOUDINARY_URL"},
			endpoint: v1alpha1.ReasonSecretNotFound,
			heal:     func(f *fixture, secret s, _ e, _ c) { f.create(secret) },
		},
		"the Secret has no usable key": {
			why:    "a wrong key name is the most common mistake",
			reason: v1alpha1.ReasonSecretInvalid, says: []string{"CLOUDINARY_URL"}, hides: "hunter2", endpoint: v1alpha1.ReasonSecretInvalid,
			prepare: func(_ *fixture, secret s, _ e, _ c) { secret.StringData = map[string]string{"URL": "hunter2"} },
			heal:    fixURL,
		},
		"the Secret's CLOUDINARY_URL is malformed": {
			why:    "the content of a Secret must not end in a condition",
			reason: v1alpha1.ReasonSecretInvalid, says: []string{"CLOUDINARY_URL"}, hides: "hunter2", endpoint: v1alpha1.ReasonSecretInvalid,
			prepare: func(_ *fixture, secret s, _ e, _ c) {
				secret.StringData = map[string]string{"CLOUDINARY_URL": "cloudinary://hunter2@"}
			},
			heal: fixURL,
		},
		"the credentials are wrong": {
			why:    "Cloudinary answers 401, and must not be asked in a hot loop",
			reason: v1alpha1.ReasonCredentialsRejected, says: []string{"refuses the credentials"}, hides: "wrong-secret", endpoint: v1alpha1.ReasonCredentialsRejected,
			prepare: func(f *fixture, secret s, _ e, _ c) {
				secret.StringData = map[string]string{"CLOUDINARY_URL": f.credentials(simulator.DefaultAPIKey, "wrong-secret")}
			},
			heal: fixURL,
		},
		"the filter is no JSONLogic": {
			why:     "judged before any call",
			reason:  v1alpha1.ReasonInvalidFilter,
			says:    []string{"spec.filter", "equals"},
			prepare: func(_ *fixture, _ s, _ e, t c) { t.Spec.Filter = rawJSON(`{"equals":[1,2]}`) },
			heal: func(f *fixture, _ s, _ e, t c) {
				change(f, t, func(t c) { t.Spec.Filter = rawJSON(`{"==":[1,2]}`) })
			},
		},
		"the template is no Mustache": {
			why:     "judged before any call",
			reason:  v1alpha1.ReasonInvalidPayloadTemplate,
			says:    []string{"spec.payloadTemplate", "id"},
			prepare: func(_ *fixture, _ s, _ e, t c) { t.Spec.PayloadTemplate = rawJSON(`{"id":"{{#asset}}"}`) },
			heal: func(f *fixture, _ s, _ e, t c) {
				change(f, t, func(t c) { t.Spec.PayloadTemplate = rawJSON(`{"id":"{{asset.public_id}}"}`) })
			},
		},
		"the template is over 16 KB": {
			why:    "Cloudinary's limit; CEL cannot measure it",
			reason: v1alpha1.ReasonInvalidPayloadTemplate, says: []string{"spec.payloadTemplate", "16"},
			prepare: func(_ *fixture, _ s, _ e, t c) {
				t.Spec.PayloadTemplate = rawJSON(`{"id":"` + strings.Repeat("x", 16384) + `"}`)
			},
			heal: func(f *fixture, _ s, _ e, t c) { change(f, t, func(t c) { t.Spec.PayloadTemplate = nil }) },
		},
		"the endpoint does not allow the namespace": {
			why:    "an endpoint's owner decides who may use it",
			reason: v1alpha1.ReasonEndpointNotFound, says: []string{"spec.endpointRef", "elsewhere/media"},
			prepare: func(_ *fixture, _ s, _ e, t c) { t.Spec.EndpointRef.Namespace = "elsewhere" },
			heal: func(f *fixture, _ s, _ e, t c) {
				change(f, t, func(t c) { t.Spec.EndpointRef.Namespace = "" })
			},
		},
		"the receiver has no base URL": {
			why:    "neither the endpoint nor the manager says where the receiver is",
			reason: v1alpha1.ReasonBaseURLMissing, says: []string{"spec.receiver.baseURL", "--receiver-base-url"}, endpoint: v1alpha1.ReasonBaseURLMissing,
			prepare: func(f *fixture, _ s, ep e, _ c) {
				f.options.ReceiverBaseURL = ""
				ep.Spec.URL, ep.Spec.Receiver = "", &v1alpha1.ReceiverSpec{}
			},
			heal: func(f *fixture, _ s, ep e, _ c) {
				change(f, ep, func(ep e) { ep.Spec.Receiver.BaseURL = "https://hooks.example.com" })
			},
		},
		"the receiver's public key is none": {
			why:    "a key that cannot be read would refuse every signature",
			reason: v1alpha1.ReasonInvalidPublicKey, says: []string{"spec.receiver.verification.ed25519PublicKeys[1]", "Ed25519"}, hides: "hunter2", endpoint: v1alpha1.ReasonInvalidPublicKey,
			prepare: func(_ *fixture, _ s, ep e, _ c) { receives(ep, publicKey(1), strings.Repeat("hunter2!", 6)) },
			heal: func(f *fixture, _ s, ep e, _ c) {
				change(f, ep, func(ep e) { receives(ep, publicKey(1), publicKey(2)) })
			},
		},
		"only signatures v2 are sent, and the receiver has no public key": {
			why:    "it would refuse every notification",
			reason: v1alpha1.ReasonPublicKeyMissing, says: []string{"spec.authScheme", "eddsa_v2", "spec.receiver.verification.ed25519PublicKeys", "or set"},
			prepare: func(_ *fixture, _ s, ep e, t c) {
				receives(ep)
				t.Spec.AuthScheme = v1alpha1.AuthSchemeEdDSAV2
			},
			heal: func(f *fixture, _ s, ep e, _ c) { change(f, ep, func(ep e) { receives(ep, publicKey(1)) }) },
		},
		"only signatures v2 are sent, and the receiver allows only digests": {
			why:    "it would refuse every notification",
			reason: v1alpha1.ReasonAlgorithmNotAllowed, says: []string{"spec.authScheme", "eddsa_v2", "spec.receiver.verification.algorithms", "Ed25519"},
			prepare: func(_ *fixture, _ s, ep e, t c) {
				receives(ep, publicKey(1)).Algorithms = []v1alpha1.SignatureAlgorithm{"SHA1", "SHA256"}
				t.Spec.AuthScheme = v1alpha1.AuthSchemeEdDSAV2
			},
			heal: func(f *fixture, _ s, _ e, t c) {
				change(f, t, func(t c) { t.Spec.AuthScheme = v1alpha1.AuthSchemeDefault })
			},
		},
		"only digests are sent, and the receiver allows only Ed25519": {
			why:    "it would refuse every notification",
			reason: v1alpha1.ReasonAlgorithmNotAllowed, says: []string{"spec.authScheme", "legacy_hmac", "spec.receiver.verification.algorithms", "SHA256"},
			prepare: func(_ *fixture, _ s, ep e, t c) {
				receives(ep, publicKey(1)).Algorithms = []v1alpha1.SignatureAlgorithm{"Ed25519"}
				t.Spec.AuthScheme = v1alpha1.AuthSchemeLegacyHMAC
			},
			heal: func(f *fixture, _ s, ep e, _ c) {
				change(f, ep, func(ep e) {
					receives(ep, publicKey(1)).Algorithms = []v1alpha1.SignatureAlgorithm{"Ed25519", "SHA256"}
				})
			},
		},
		"the Admin API is not https": {
			why:    "a tenant could aim the manager at internal addresses",
			reason: v1alpha1.ReasonInsecureAPIBase, says: []string{"https", "--allow-insecure-api-base"}, endpoint: v1alpha1.ReasonInsecureAPIBase,
			prepare: func(f *fixture, _ s, _ e, _ c) { f.options.AllowInsecureAPIBase = false },
		},
		"the Admin API is not Cloudinary's": {
			why:    "a tenant could aim the manager at internal addresses, by https too",
			reason: v1alpha1.ReasonAPIBaseNotAllowed, endpoint: v1alpha1.ReasonAPIBaseNotAllowed,
			says: []string{"/cloudinary: the host of upload_prefix, vault.prod.internal:8200,", "api-eu.cloudinary.com", "--allowed-api-bases=vault.prod.internal:8200/secret"},
			prepare: func(f *fixture, secret s, _ e, _ c) {
				f.allow(f.url)
				secret.StringData["CLOUDINARY_URL"] = fmt.Sprintf("cloudinary://key:secret@%s?upload_prefix=https://vault.prod.internal:8200/secret", f.cloud)
			},
			heal: fixURL,
		},
		"the Secret is of another type": {
			why:    "it has a purpose of its own, and who may name it in an endpoint need not have any right to it",
			reason: v1alpha1.ReasonSecretInvalid, endpoint: v1alpha1.ReasonSecretInvalid,
			says:    []string{"the type example.com/login", "type Opaque", "spec.credentialsSecretRef", "create it again", "cannot be changed"},
			prepare: func(_ *fixture, secret s, _ e, _ c) { secret.Type = "example.com/login" },
			heal: func(f *fixture, secret s, _ e, _ c) {
				f.delete(secret)
				f.eventually(func() error { return api.Client.Create(f.Context(), f.secret("cloudinary")) })
			},
		},
	}
}

func TestBadInputIsAConditionAndHeals(t *testing.T) {
	for name, tc := range badInputs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
			if tc.prepare != nil {
				tc.prepare(f, secret, ep, trigger)
			}
			f.start()
			f.createBut(tc.missing, secret, ep, trigger)

			message := becomes(f, trigger, v1alpha1.ConditionAccepted, acceptedStatus(tc.reason), acceptedReason(tc.reason))
			message += becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, tc.reason)
			for _, part := range tc.says {
				if !strings.Contains(message, part) {
					t.Errorf("%s: message %q does not say %q", tc.why, message, part)
				}
			}
			if tc.hides != "" && strings.Contains(message, tc.hides) {
				t.Errorf("%s: message %q shows a secret", tc.why, message)
			}
			if tc.endpoint != "" {
				becomes(f, ep, v1alpha1.ConditionReady, metav1.ConditionFalse, tc.endpoint)
			}
			if n := f.writes(); n != 0 {
				t.Errorf("%s: %d writes at Cloudinary, want none", tc.why, n)
			}
			if tc.heal == nil {
				return
			}
			tc.heal(f, secret, ep, trigger)
			ready(f, trigger)
			ready(f, ep)
			if got := len(f.sim.Triggers()); got != 1 {
				t.Errorf("%s: %d triggers at Cloudinary after the cause went away, want 1", tc.why, got)
			}
		})
	}
}

func (f *fixture) createBut(missing []string, secret *corev1.Secret, ep *v1alpha1.NotificationEndpoint, t *v1alpha1.CloudinaryTrigger) {
	f.Helper()
	for name, o := range map[string]client.Object{"secret": secret, "endpoint": ep, "trigger": t} {
		if !strings.Contains(strings.Join(missing, " "), name) {
			f.create(o)
		}
	}
}

// Refused credentials are no fault of the spec.
func acceptedStatus(reason string) metav1.ConditionStatus {
	if reason == v1alpha1.ReasonCredentialsRejected {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

func acceptedReason(reason string) string {
	if reason == v1alpha1.ReasonCredentialsRejected {
		return v1alpha1.ReasonAccepted
	}
	return reason
}

func TestUnknownEventTypeIsTriedWithAWarning(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{ExtraEventTypes: []string{"uploaded"}})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", "http://hooks.example.com/a"), f.trigger("images", "media", "uploaded")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	message := becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	for _, part := range []string{`"uploaded"`, `did you mean "upload"`, "unencrypted"} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q does not say %q", message, part)
		}
	}
}

func TestEventTypeThatCloudinaryRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	bad, good := f.trigger("bad", "media", "uploaded"), f.trigger("good", "media", "upload")
	f.create(secret, ep, bad, good)
	message := becomes(f, bad, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonRejected)
	if !strings.Contains(message, "Invalid value uploaded for parameter event_type") {
		t.Errorf("message %q does not have Cloudinary's word", message)
	}
	ready(f, good)
	before := f.writes()
	change(f, good, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = []string{"upload", "delete"} })
	f.placesBecome("delete "+hook, "upload "+hook)
	if got := f.writes() - before; got != 1 {
		t.Errorf("%d writes for one new event type; what was refused must not be sent again", got)
	}
}

func TestInvalidChangeKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(secret, ep, trigger)
	ready(f, trigger)
	before := f.at("upload", hook)
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.Filter = rawJSON(`{"nope":[]}`) })
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidFilter)
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EndpointRef.Name = "typo" })
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
	if after := f.at("upload", hook); after.ID != before.ID {
		t.Errorf("the trigger was replaced: %s, then %s", before.ID, after.ID)
	}
	if got := f.writes(); got != 1 {
		t.Errorf("%d writes, want the first create alone", got)
	}
}

func TestForeignNamespaceNeedsPermission(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	other := newFixture(t, simulator.Options{})
	f.namespaces = []string{other.namespace}
	f.start()
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	trigger := other.trigger("images", "media", "upload")
	trigger.Spec.EndpointRef.Namespace = f.namespace
	f.create(secret, ep, trigger)
	message := becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAllowed)
	if !strings.Contains(message, "allowedTriggers") {
		t.Errorf("message %q does not name the field to change", message)
	}
	if n := f.writes(); n != 0 {
		t.Errorf("%d writes before permission", n)
	}
	allow := func(from v1alpha1.FromNamespaces) {
		change(f, ep, func(ep *v1alpha1.NotificationEndpoint) {
			ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: from}}
		})
	}
	allow(v1alpha1.NamespacesFromAll)
	ready(f, trigger)
	f.placesBecome("upload " + hook)
	t.Log("permission withdrawn: what was created goes")
	allow(v1alpha1.NamespacesFromSame)
	becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAllowed)
	f.placesBecome()
}

func TestRefusedCredentialsAreNotTriedInAHotLoop(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.secretURL = f.credentials(simulator.DefaultAPIKey, "wrong")
	f.start()
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	f.create(secret, ep)
	becomes(f, ep, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	for i := range 20 {
		trigger := f.trigger(strings.Repeat("x", i+1), "media", "upload")
		f.create(trigger)
		becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	}
	// The back-off begins with 2 s and doubles; the twenty objects took a few seconds at most.
	if n := f.sim.Calls().Total; n > 4 {
		t.Errorf("%d calls with refused credentials", n)
	}
	change(f, secret, func(s *corev1.Secret) {
		s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(f.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret))}
	})
	begin := time.Now()
	ready(f, ep)
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("a corrected Secret took %s to count", took)
	}
}
