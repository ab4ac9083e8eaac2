// SPDX-License-Identifier: Apache-2.0

package report

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func refusalsFor(n int64, reasons ...notification.Rejection) refusals {
	var r refusals
	for _, reason := range reasons {
		r.add(string(reason), n)
	}
	return r
}

func TestVerifying(t *testing.T) {
	t.Parallel()
	type is struct {
		status metav1.ConditionStatus
		reason string
	}
	long, short := noon.Add(-2*time.Minute), noon.Add(-30*time.Second)
	doubted := judgment{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch, "As it was."}
	for name, test := range map[string]struct {
		v    verification
		want is
		why  string
	}{
		"no keys": {
			verification{missingAt: long}, is{metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysMissing}, "",
		},
		"no keys since a moment": {
			verification{missingAt: noon.Add(-time.Second)}, is{}, "the manager has to see new credentials accepted first",
		},
		"no keys, with verified traffic before": {
			verification{missingAt: long, verifiedAt: long}, is{metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysMissing}, "",
		},
		"nothing yet": {verification{keys: true}, is{}, "there is nothing to say"},
		"refused requests alone": {
			verification{keys: true, refused: refusalsFor(1000, notification.RejectedBadSignature), doubtedAt: long},
			is{},
			"anybody can send requests",
		},
		"keys have come": {
			verification{keys: true, before: judgment{metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysMissing, ""}, beforeAt: long}, is{}, "",
		},
		"verified": {verification{keys: true, verifiedAt: long}, is{metav1.ConditionTrue, v1alpha1.ReasonVerified}, ""},
		"two wrong signatures since": {
			verification{keys: true, verifiedAt: long, refused: refusalsFor(2, notification.RejectedBadSignature), doubtedAt: long},
			is{metav1.ConditionTrue, v1alpha1.ReasonVerified},
			"too few",
		},
		"many wrong signatures for half a minute": {
			verification{keys: true, verifiedAt: long, refused: refusalsFor(500, notification.RejectedBadSignature), doubtedAt: short},
			is{metav1.ConditionTrue, v1alpha1.ReasonVerified},
			"too soon",
		},
		"three wrong signatures for a minute": {
			verification{keys: true, verifiedAt: long, refused: refusalsFor(3, notification.RejectedBadSignature), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"",
		},
		"no key for the signature's algorithm": {
			verification{keys: true, verifiedAt: long, refused: refusalsFor(3, notification.RejectedNoKeys), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"the remedy is the same: a secret",
		},
		"SHA-256 was switched on": {
			verification{
				keys: true, verifiedAt: long, doubtedAt: long,
				refused: refusalsFor(4, notification.RejectedAlgorithmNotAllowed),
			},
			is{metav1.ConditionUnknown, v1alpha1.ReasonAlgorithmNotAllowed},
			"",
		},
		"only v2 arrives": {
			verification{keys: true, verifiedAt: long, refused: refusalsFor(4, notification.RejectedOnlyV2), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonOnlySignatureV2},
			"",
		},
		"a clock is wrong": {
			verification{keys: true, verifiedAt: long, refused: refusalsFor(2, notification.RejectedStale, notification.RejectedFuture), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonTimestampsRefused},
			"",
		},
		"a clock is wrong, and somebody sends forgeries": {
			verification{
				keys: true, verifiedAt: long, doubtedAt: long,
				refused: refusals{timestamps: 3, signatures: 5000},
			},
			is{metav1.ConditionUnknown, v1alpha1.ReasonTimestampsRefused},
			"who is stale has a right signature, so Cloudinary's notifications arrive",
		},
		"a mix": {
			verification{keys: true, verifiedAt: long, refused: refusals{algorithm: 4, signatures: 9, onlyV2: 5}, doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"the most frequent one",
		},
		"requests without a signature": {
			verification{
				keys: true, verifiedAt: long, doubtedAt: long,
				refused: refusalsFor(100, notification.RejectedMissingSignature, notification.RejectedMissingTimestamp,
					notification.RejectedMalformedSignature, notification.RejectedMalformedTimestamp, notification.RejectedNotJSON),
			},
			is{metav1.ConditionTrue, v1alpha1.ReasonVerified},
			"scanners send these all day",
		},
		"after a restart, in doubt before": {
			verification{keys: true, verifiedAt: long, before: doubted, beforeAt: short},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"nothing verified since",
		},
		"verified after doubt": {
			verification{keys: true, verifiedAt: short, before: doubted, beforeAt: long},
			is{metav1.ConditionTrue, v1alpha1.ReasonVerified},
			"the next verified one settles it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := verifying(test.v, noon)
			if diff := cmp.Diff(test.want, is{got.status, got.reason}, cmp.AllowUnexported(is{})); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.why, diff)
			}
			timeless(t, got.message)
		})
	}
}

func TestTheRemedyForARotatedSecretNamesTheKey(t *testing.T) {
	t.Parallel()
	if got := (refusals{signatures: 3}).cause().message; !strings.Contains(got, "signing.<API_KEY>") {
		t.Errorf("it says %q", got)
	}
}

var digits = regexp.MustCompile(`[0-9]+`)

// timeless fails where a message has a number in it that could change.
func timeless(t *testing.T, message string) {
	t.Helper()
	for _, n := range digits.FindAllString(message, -1) {
		if n != "503" && n != "2" && n != "25519" {
			t.Errorf("the message has a number in it: %q", message)
		}
	}
	if len(message) > 0 && !strings.HasSuffix(message, ".") {
		t.Errorf("the message is no sentence: %q", message)
	}
}

func TestDoubtsBeginAnewWithEachVerifiedNotification(t *testing.T) {
	t.Parallel()
	var d doubts
	look := func(verifiedAt, refused int64, after time.Duration) (int64, time.Duration) {
		since, at := d.look(verifiedAt, refusals{signatures: refused}, noon.Add(after))
		if at.IsZero() {
			return since.signatures, -1
		}
		return since.signatures, at.Sub(noon)
	}
	for i, step := range []struct {
		verifiedAt, refused int64
		after               time.Duration
		wantRefused         int64
		wantAt              time.Duration
	}{
		{1, 50, 0, 0, -1}, // what came before the start counts for nothing
		{1, 51, time.Second, 1, time.Second},
		{1, 55, time.Minute, 5, time.Second},
		{2, 56, 2 * time.Minute, 0, -1},
		{2, 56, 3 * time.Minute, 0, -1},
		{2, 57, 4 * time.Minute, 1, 4 * time.Minute},
	} {
		if refused, at := look(step.verifiedAt, step.refused, step.after); refused != step.wantRefused || at != step.wantAt {
			t.Errorf("step %d: %d refused, doubted at %s; want %d at %s", i, refused, at, step.wantRefused, step.wantAt)
		}
	}
}
