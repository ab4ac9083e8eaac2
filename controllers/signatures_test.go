// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// receives makes the bundled receiver terminate an endpoint's URL, with the public keys given.
func receives(ep *v1alpha1.NotificationEndpoint, publicKeys ...string) *v1alpha1.Verification {
	ep.Spec.URL = ""
	ep.Spec.Receiver = &v1alpha1.ReceiverSpec{}
	if len(publicKeys) > 0 {
		ep.Spec.Receiver.Verification = &v1alpha1.Verification{Ed25519PublicKeys: publicKeys}
	}
	return ep.Spec.Receiver.Verification
}

// publicKey is a valid Ed25519 key, another one for each number.
func publicKey(n byte) string {
	seed := bytes.Repeat([]byte{n}, ed25519.SeedSize)
	key, _ := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return base64.StdEncoding.EncodeToString(key)
}

func TestATriggerWhoseSignaturesWouldBeRefusedKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep, trigger := f.receiverEndpoint("media"), f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, trigger)
	url := f.sim.Triggers()[0].URI
	change(f, trigger, func(t *v1alpha1.CloudinaryTrigger) {
		t.Spec.AuthScheme, t.Spec.EventTypes = v1alpha1.AuthSchemeEdDSAV2, []string{"upload", "delete"}
	})
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonPublicKeyMissing)
	becomes(f, trigger, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPublicKeyMissing)
	f.rests(ep, trigger)
	f.placesBecome("upload " + url)
	if got := f.at("upload", url).AuthScheme; got != "default" {
		t.Errorf("the trigger at Cloudinary has auth_scheme %q", got)
	}
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { receives(ep, publicKey(1)) })
	ready(f, trigger)
	f.placesBecome("delete "+url, "upload "+url)
	if got := f.at("upload", url).AuthScheme; got != "eddsa_v2" {
		t.Errorf("the trigger at Cloudinary has auth_scheme %q", got)
	}
	t.Log("an endpoint that is somebody else's may check what it wants")
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL, ep.Spec.Receiver = hook, nil })
	ready(f, trigger)
}

func TestWhichSignaturesAReceiverWouldRefuse(t *testing.T) {
	t.Parallel()
	const missing, notAllowed = v1alpha1.ReasonPublicKeyMissing, v1alpha1.ReasonAlgorithmNotAllowed
	type algorithms = []v1alpha1.SignatureAlgorithm
	key := []string{publicKey(1)}
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
		view := triggerView{CloudinaryTrigger: trigger, endpoint: &endpointView{NotificationEndpoint: ep}}
		got := ""
		if p := view.signatureProblem(); p != nil {
			got = p.reason
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
