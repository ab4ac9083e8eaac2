// SPDX-License-Identifier: Apache-2.0

package report

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

const (
	// suspicious is how many refusals of a kind it takes to doubt that anything verifies still, and doubtAfter how long nothing must have
	// verified since the first of them.
	suspicious = 3
	doubtAfter = time.Minute
	// keysGrace is how long a new endpoint may be without keys: the manager has to see its credentials accepted first.
	keysGrace = 10 * time.Second
)

// judgment is a condition without its times. The zero value is an absent one.
type judgment struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

// refusals counts refused requests by what they may mean.
type refusals struct{ timestamps, algorithm, onlyV2, signatures int64 }

// add counts n refusals for a reason. Those that prove nothing, since anybody sends such requests, are left out.
func (r *refusals) add(reason string, n int64) {
	switch notification.Rejection(reason) {
	case notification.RejectedStale, notification.RejectedFuture:
		r.timestamps += n
	case notification.RejectedAlgorithmNotAllowed:
		r.algorithm += n
	case notification.RejectedOnlyV2:
		r.onlyV2 += n
	case notification.RejectedBadSignature, notification.RejectedNoKeys:
		r.signatures += n
	case notification.RejectedMissingSignature, notification.RejectedMissingTimestamp, notification.RejectedMalformedTimestamp,
		notification.RejectedMalformedSignature, notification.RejectedNotJSON:
	}
}

func (r refusals) minus(other refusals) refusals {
	return refusals{
		r.timestamps - other.timestamps, r.algorithm - other.algorithm, r.onlyV2 - other.onlyV2, r.signatures - other.signatures,
	}
}

// verification is what Verifying is judged by.
type verification struct {
	// keys says that there is something to verify with; if not, missingAt is since when.
	keys      bool
	missingAt time.Time
	// verifiedAt is when the last notification was verified; zero: never.
	verifiedAt time.Time
	// refused came since, and the first of those that make it suspicious was seen at doubtedAt; zero: none was.
	refused   refusals
	doubtedAt time.Time
	// before is the condition as it is, with the time of its last transition.
	before   judgment
	beforeAt time.Time
}

// verifying judges Verifying.
//
//	keys | verified before | refused since, for a minute | then
//	-----+-----------------+-----------------------------+------------------------------------------------------
//	no   |                 |                             | False: VerificationKeysMissing, after a moment
//	yes  | never           |                             | absent: requests alone prove nothing
//	yes  | yes             | three of a kind             | Unknown, with the likely cause
//	yes  | yes             | fewer                       | as it was if that is Unknown and nothing verified since
//	yes  | yes             | fewer                       | True: Verified
func verifying(v verification, now time.Time) judgment {
	switch {
	case !v.keys && now.Sub(v.missingAt) < keysGrace:
		return v.before
	case !v.keys:
		return judgment{
			metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysMissing,
			"There is no key to verify notifications with: see whether Synced is True here, and whether the manager runs. " +
				"Until then requests are answered 503, and Cloudinary tries again.",
		}
	case v.verifiedAt.IsZero():
		return judgment{}
	}
	if cause := v.refused.cause(); cause.reason != "" && !v.doubtedAt.IsZero() && now.Sub(v.doubtedAt) >= doubtAfter {
		return cause
	}
	if v.before.status == metav1.ConditionUnknown && !v.verifiedAt.After(v.beforeAt) {
		return v.before
	}
	return judgment{metav1.ConditionTrue, v1alpha1.ReasonVerified, "The last notification that could be judged was verified."}
}

// cause is what the refusals mean most likely; the zero value where they are too few. A time is judged only where the signature is
// right, so it says more than any number of wrong signatures, which anybody can send.
func (r refusals) cause() judgment {
	switch most := max(r.algorithm, r.onlyV2, r.signatures); {
	case r.timestamps >= suspicious:
		return doubt(v1alpha1.ReasonTimestampsRefused, "Notifications arrive that are too old, or from the future, and no others: "+
			"check the clock of the receiver's node, and spec.receiver.verification.maxAge.")
	case most < suspicious:
		return judgment{}
	case most == r.algorithm:
		return doubt(v1alpha1.ReasonAlgorithmNotAllowed, "No notification verifies any more: they are signed with an algorithm that "+
			"spec.receiver.verification.algorithms does not allow. Allow it, or choose another one at Cloudinary.")
	case most == r.onlyV2:
		return doubt(v1alpha1.ReasonOnlySignatureV2, "No notification verifies any more: they carry X-Cld-Signature_v2 alone. Set the triggers' "+
			"authScheme to legacy_hmac, or give spec.receiver.verification.ed25519PublicKeys.")
	default:
		return doubt(v1alpha1.ReasonSignaturesDoNotMatch, "No notification verifies any more. If Cloudinary sends them, it signs with an API key "+
			"that does not count for this endpoint: one that is not in the Secret of spec.credentialsSecretRef, or that apiKeys leaves out. Add it to that "+
			"Secret as signing.<API_KEY> or, if it is another Secret's, name it in spec.receiver.verification.apiKeys.")
	}
}

func doubt(reason, message string) judgment {
	return judgment{metav1.ConditionUnknown, reason, message}
}

// doubts follows an endpoint's refusals between two looks.
type doubts struct {
	verifiedAt int64
	known      bool
	before     refusals // as of the last verified notification
	at         time.Time
}

// look returns what was refused since the last verified notification, and since when that is suspicious.
func (d *doubts) look(verifiedAt int64, refused refusals, now time.Time) (refusals, time.Time) {
	if !d.known || d.verifiedAt != verifiedAt {
		*d = doubts{verifiedAt: verifiedAt, known: true, before: refused}
	}
	since := refused.minus(d.before)
	if d.at.IsZero() && since != (refusals{}) {
		d.at = now
	}
	return since, d.at
}
