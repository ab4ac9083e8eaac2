// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestWhichSignaturesAReceiverWouldRefuse(t *testing.T) {
	t.Parallel()
	const missing, notAllowed = v1alpha1.ReasonPublicKeyMissing, v1alpha1.ReasonAlgorithmNotAllowed
	type algorithms = []v1alpha1.SignatureAlgorithm
	key := []string{"a key"}
	for name, test := range map[string]struct {
		scheme     v1alpha1.AuthScheme
		keys       []string
		algorithms algorithms
		want       string
	}{
		"nothing is said":                         {},
		"default, SHA-1 alone":                    {scheme: "default", algorithms: algorithms{"SHA1"}},
		"default, Ed25519 alone":                  {scheme: "default", keys: key, algorithms: algorithms{"Ed25519"}},
		"legacy_hmac, all":                        {scheme: "legacy_hmac"},
		"legacy_hmac, SHA-256 alone":              {scheme: "legacy_hmac", algorithms: algorithms{"SHA256"}},
		"legacy_hmac, Ed25519 alone":              {scheme: "legacy_hmac", keys: key, algorithms: algorithms{"Ed25519"}, want: notAllowed},
		"eddsa_v2 with a key":                     {scheme: "eddsa_v2", keys: key},
		"eddsa_v2 with a key that is allowed":     {scheme: "eddsa_v2", keys: key, algorithms: algorithms{"SHA1", "Ed25519"}},
		"eddsa_v2 with a key that is not allowed": {scheme: "eddsa_v2", keys: key, algorithms: algorithms{"SHA1", "SHA256"}, want: notAllowed},
		"eddsa_v2 without a key":                  {scheme: "eddsa_v2", want: missing},
		"eddsa_v2 with neither":                   {scheme: "eddsa_v2", algorithms: algorithms{"SHA1"}, want: missing},
	} {
		ep := &v1alpha1.NotificationEndpoint{Spec: v1alpha1.NotificationEndpointSpec{Receiver: &v1alpha1.ReceiverSpec{}}}
		if test.keys != nil || test.algorithms != nil {
			ep.Spec.Receiver.Verification = &v1alpha1.Verification{Ed25519PublicKeys: test.keys, Algorithms: test.algorithms}
		}
		trigger := &v1alpha1.CloudinaryTrigger{Spec: v1alpha1.CloudinaryTriggerSpec{AuthScheme: test.scheme}}
		view := Trigger{CloudinaryTrigger: trigger, Endpoint: &Endpoint{NotificationEndpoint: ep}}
		got := ""
		if p := view.signatureProblem(); p != nil {
			got = p.Reason
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		ep.Spec.Receiver = nil
		if p := view.signatureProblem(); p != nil {
			t.Errorf("%s, at somebody else's URL: %v", name, p)
		}
	}
}
