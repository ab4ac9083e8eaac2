// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// Cloudinary signs with another key from the first notification on: the condition and the log say so, and a right one settles it.
func TestASigningKeyThatNeverMatchedIsSaid(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media")
	s.at("media", mediaToken)
	p := s.startReady()
	if code := s.probe(s.address, "/healthz"); code != http.StatusOK {
		t.Errorf("a load balancer is answered %d", code)
	}
	url := s.url("media") + mediaToken
	testenv.Eventually(t, patience, func() error {
		a, err := s.post(url, upload("asset", 1).signedWith("another"))
		if err != nil || a.status != http.StatusUnauthorized {
			return errNot("answered %v, %w", a, err)
		}
		c := meta.FindStatusCondition(s.readEndpoint().Status.Conditions, v1alpha1.ConditionVerifying)
		if c == nil || c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonSignaturesDoNotMatch {
			return errNot("Verifying is %v", c)
		}
		return nil
	})
	if n := strings.Count(p.log.String(), `"reason":"bad_signature"`); n == 0 || n > 4 {
		t.Errorf("the log has %d lines of refusals", n)
	}
	s.becomes("the right key", url, upload("asset", 2), http.StatusOK)
	s.condition(v1alpha1.ConditionVerifying, metav1.ConditionTrue, v1alpha1.ReasonVerified)
}
