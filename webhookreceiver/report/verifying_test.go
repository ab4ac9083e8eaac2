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

// guessed are refusals at addresses that anybody can guess, and unguessed at one that nobody can.
func guessed(r refusals) evidence {
	r.headers = 0
	return evidence{all: r, known: refusals{timestamps: r.timestamps}}
}

func unguessed(r refusals) evidence { return evidence{all: r, known: r} }

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
		"two refused requests alone": {
			verification{keys: true, refused: guessed(refusalsFor(2, notification.RejectedBadSignature)), doubtedAt: long},
			is{},
			"too few",
		},
		"refused requests alone, at an address that nobody can guess": {
			verification{keys: true, refused: unguessed(refusalsFor(3, notification.RejectedBadSignature)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"who else but Cloudinary knows the address",
		},
		"the same for half a minute": {
			verification{keys: true, refused: unguessed(refusalsFor(3, notification.RejectedBadSignature)), doubtedAt: short}, is{}, "too soon",
		},
		"refused requests alone, at an address that anybody can guess": {
			verification{keys: true, refused: guessed(refusalsFor(1000, notification.RejectedBadSignature)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonNothingVerified},
			"anybody can send requests, and the owner has to know of them all the same",
		},
		"a stranger beside what was known before": {
			verification{
				keys: true, refused: guessed(refusalsFor(1000, notification.RejectedAlgorithmNotAllowed)), doubtedAt: long, before: doubted, beforeAt: short,
			},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"a stranger changes nothing of it",
		},
		"after a restart, when nothing has verified": {
			verification{keys: true, before: doubted, beforeAt: short}, is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch}, "",
		},
		"a proxy drops the headers": {
			verification{keys: true, refused: unguessed(refusalsFor(2, notification.RejectedMissingSignature, notification.RejectedMalformedTimestamp)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignatureHeadersMissing},
			"who else but Cloudinary knows the address",
		},
		"a proxy has come that drops the headers": {
			verification{keys: true, verifiedAt: long, refused: unguessed(refusalsFor(3, notification.RejectedMissingTimestamp)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignatureHeadersMissing},
			"",
		},
		"scanners, when nothing has verified": {
			verification{keys: true, refused: guessed(refusalsFor(1000, notification.RejectedMissingSignature)), doubtedAt: long}, is{}, "they guess addresses all day",
		},
		"a clock is wrong from the first notification on": {
			verification{keys: true, refused: guessed(refusalsFor(3, notification.RejectedFuture)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonTimestampsRefused},
			"the signature is right, so the address does not matter",
		},
		"keys have come": {
			verification{keys: true, before: judgment{metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysMissing, ""}, beforeAt: long}, is{}, "",
		},
		"verified": {verification{keys: true, verifiedAt: long}, is{metav1.ConditionTrue, v1alpha1.ReasonVerified}, ""},
		"two wrong signatures since": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusalsFor(2, notification.RejectedBadSignature)), doubtedAt: long},
			is{metav1.ConditionTrue, v1alpha1.ReasonVerified},
			"too few",
		},
		"many wrong signatures for half a minute": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusalsFor(500, notification.RejectedBadSignature)), doubtedAt: short},
			is{metav1.ConditionTrue, v1alpha1.ReasonVerified},
			"too soon",
		},
		"three wrong signatures for a minute": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusalsFor(3, notification.RejectedBadSignature)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"",
		},
		"no key for the signature's algorithm": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusalsFor(3, notification.RejectedNoKeys)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"the remedy is the same: a secret",
		},
		"SHA-256 was switched on": {
			verification{
				keys: true, verifiedAt: long, doubtedAt: long,
				refused: guessed(refusalsFor(4, notification.RejectedAlgorithmNotAllowed)),
			},
			is{metav1.ConditionUnknown, v1alpha1.ReasonAlgorithmNotAllowed},
			"",
		},
		"only v2 arrives": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusalsFor(4, notification.RejectedOnlyV2)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonOnlySignatureV2},
			"",
		},
		"a clock is wrong": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusalsFor(2, notification.RejectedStale, notification.RejectedFuture)), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonTimestampsRefused},
			"",
		},
		"a clock is wrong, and somebody sends forgeries": {
			verification{
				keys: true, verifiedAt: long, doubtedAt: long,
				refused: guessed(refusals{timestamps: 3, signatures: 5000}),
			},
			is{metav1.ConditionUnknown, v1alpha1.ReasonTimestampsRefused},
			"who is stale has a right signature, so Cloudinary's notifications arrive",
		},
		"a mix": {
			verification{keys: true, verifiedAt: long, refused: guessed(refusals{algorithm: 4, signatures: 9, onlyV2: 5}), doubtedAt: long},
			is{metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch},
			"the most frequent one",
		},
		"requests without a signature": {
			verification{
				keys: true, verifiedAt: long, doubtedAt: long,
				refused: guessed(refusalsFor(100, notification.RejectedMissingSignature, notification.RejectedMissingTimestamp,
					notification.RejectedMalformedSignature, notification.RejectedMalformedTimestamp, notification.RejectedNotJSON)),
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

func TestTheMessageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const mayBeStrangers = "Or a stranger sends them"
	for name, test := range map[string]struct {
		refused evidence
		never   bool
		says    []string
		not     string
	}{
		"the key was rotated":                        {guessed(refusals{signatures: 3}), false, []string{"any more", "signing.<API_KEY>", mayBeStrangers, "spec.receiver.path"}, "yet"},
		"the key was rotated, and nobody can guess":  {unguessed(refusals{signatures: 3}), false, []string{"any more", "signing.<API_KEY>"}, mayBeStrangers},
		"the key was never right":                    {unguessed(refusals{signatures: 3}), true, []string{"yet", "signing.<API_KEY>", "oldest active API key"}, mayBeStrangers},
		"the key was never right, or it is somebody": {guessed(refusals{signatures: 3}), true, []string{"yet", "signing.<API_KEY>", mayBeStrangers}, "any more"},
		"a proxy drops headers":                      {unguessed(refusals{headers: 3}), true, []string{"yet", "X-Cld-Signature and X-Cld-Timestamp", "proxy"}, mayBeStrangers},
	} {
		v := verification{keys: true, refused: test.refused, doubtedAt: noon.Add(-2 * time.Minute)}
		if !test.never {
			v.verifiedAt = v.doubtedAt
		}
		got := verifying(v, noon).message
		for _, text := range test.says {
			if !strings.Contains(got, text) {
				t.Errorf("%s: it does not say %q: %s", name, text, got)
			}
		}
		if strings.Contains(got, test.not) {
			t.Errorf("%s: it says %q: %s", name, test.not, got)
		}
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
		since, at := d.look(verifiedAt, guessed(refusals{signatures: refused}), noon.Add(after))
		if at.IsZero() {
			return since.all.signatures, -1
		}
		return since.all.signatures, at.Sub(noon)
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
