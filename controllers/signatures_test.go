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
