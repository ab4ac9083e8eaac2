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
type refusals struct{ timestamps, algorithm, onlyV2, signatures, headers int64 }

// add counts n refusals for a reason.
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
		notification.RejectedMalformedSignature:
		r.headers += n
	case notification.RejectedNotJSON:
	}
}

func (r refusals) plus(other refusals) refusals { return r.minus(refusals{}.minus(other)) }

func (r refusals) minus(other refusals) refusals {
	return refusals{
		r.timestamps - other.timestamps, r.algorithm - other.algorithm, r.onlyV2 - other.onlyV2, r.signatures - other.signatures,
		r.headers - other.headers,
	}
}

// evidence is what refusals prove. Whoever has no key can send what is refused, but only where the address is known. So what comes at an
// address that nobody can guess is most likely Cloudinary's, and what comes at another one is anybody's. A time is judged only where the
// signature is right, so it is evidence wherever it comes.
type evidence struct {
	all refusals
	// known are those of all that hardly a stranger has sent.
	known refusals
}

// add counts n refusals for a reason, known of them at addresses that nobody can guess. Scanners send requests without a signature to
// whatever they can guess, all day: those are left out.
func (e *evidence) add(reason string, n, known int64) {
	var guessed refusals
	guessed.add(reason, n-known)
	guessed.headers = 0
	e.known.add(reason, known)
	e.all.add(reason, known)
	e.known.timestamps += guessed.timestamps
	e.all = e.all.plus(guessed)
}

func (e evidence) minus(other evidence) evidence {
	return evidence{e.all.minus(other.all), e.known.minus(other.known)}
}

// verification is what Verifying is judged by.
type verification struct {
	// keys says that there is something to verify with; if not, missingAt is since when.
	keys      bool
	missingAt time.Time
	// verifiedAt is when the last notification was verified; zero: never.
	verifiedAt time.Time
	// refused came since, and the first of those that make it suspicious was seen at doubtedAt; zero: none was.
	refused   evidence
	doubtedAt time.Time
	// before is the condition as it is, with the time of its last transition.
	before   judgment
	beforeAt time.Time
}

// verifying judges Verifying.
//
//	keys | verified before | refused since, for a minute   | then
//	-----+-----------------+-------------------------------+------------------------------------------------------
//	no   |                 |                               | False: VerificationKeysMissing, after a moment
//	yes  | never           | three of a kind, at an address | Unknown, with the likely cause
//	     |                 | that nobody can guess         |
//	yes  | never           | three of a kind               | Unknown: NothingVerified, with the cause if they are Cloudinary's
//	yes  | never           | fewer                         | as it was if that is Unknown, else absent
//	yes  | yes             | three of a kind               | Unknown, with the likely cause
//	yes  | yes             | fewer                         | as it was if that is Unknown and nothing verified since
//	yes  | yes             | fewer                         | True: Verified
//
// A stranger who can guess the address turns it once, before anything has verified, and after that once for each time that something has.
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
	}
	unknown := v.before.status == metav1.ConditionUnknown
	known, likely := v.causes(now)
	switch never := v.verifiedAt.IsZero(); {
	case known != "":
		return judgment{metav1.ConditionUnknown, known, explain(known, never, false)}
	case never && unknown:
		return v.before
	case never && likely != "":
		return judgment{metav1.ConditionUnknown, v1alpha1.ReasonNothingVerified, explain(likely, never, true)}
	case never:
		return judgment{}
	case likely != "":
		return judgment{metav1.ConditionUnknown, likely, explain(likely, never, true)}
	case unknown && !v.verifiedAt.After(v.beforeAt):
		return v.before
	default:
		return judgment{metav1.ConditionTrue, v1alpha1.ReasonVerified, "The most recent notification was verified."}
	}
}

// causes are what the refusals mean most likely: those that hardly a stranger has sent, and all.
func (v *verification) causes(now time.Time) (known, likely string) {
	if v.doubtedAt.IsZero() || now.Sub(v.doubtedAt) < doubtAfter {
		return "", ""
	}
	return v.refused.known.cause(), v.refused.all.cause()
}

// cause is what the refusals mean most likely; empty where they are too few. A time is judged only where the signature is right, so it
// says more than any number of wrong signatures, which anybody can send.
func (r refusals) cause() string {
	switch most := max(r.algorithm, r.onlyV2, r.signatures, r.headers); {
	case r.timestamps >= suspicious:
		return v1alpha1.ReasonTimestampsRefused
	case most < suspicious:
		return ""
	case most == r.algorithm:
		return v1alpha1.ReasonAlgorithmNotAllowed
	case most == r.onlyV2:
		return v1alpha1.ReasonOnlySignatureV2
	case most == r.signatures:
		return v1alpha1.ReasonSignaturesDoNotMatch
	default:
		return v1alpha1.ReasonSignatureHeadersMissing
	}
}

// explain says what a cause means and what to do; guessed says that the requests may be a stranger's.
func explain(cause string, never, guessed bool) string {
	lead := "No notification verifies any more"
	if never {
		lead = "No notification has verified yet, and requests are refused"
	}
	var text string
	switch cause {
	case v1alpha1.ReasonTimestampsRefused:
		text = "Notifications arrive that are too old, or from the future, and no others: " +
			"check the clock of the receiver's node, and spec.receiver.verification.maxAge."
	case v1alpha1.ReasonAlgorithmNotAllowed:
		text = lead + ": they are signed with an algorithm that " +
			"spec.receiver.verification.algorithms does not allow. Allow it, or choose another one at Cloudinary."
	case v1alpha1.ReasonOnlySignatureV2:
		text = lead + ": they carry X-Cld-Signature_v2 alone. Set the triggers' " +
			"authScheme to legacy_hmac, or give spec.receiver.verification.ed25519PublicKeys."
	case v1alpha1.ReasonSignatureHeadersMissing:
		text = lead + ": they lack the headers X-Cld-Signature and X-Cld-Timestamp, or have them in another form than Cloudinary. " +
			"Have each proxy in front of the receiver pass these headers on as they are."
	default:
		text = lead + ". If Cloudinary sends them, it signs with an API key " +
			"that does not count for this endpoint: one that is not in the Secret of spec.credentialsSecretRef, or that apiKeys leaves out. Add it to that " +
			"Secret as signing.<API_KEY> or, if it is another Secret's, name it in spec.receiver.verification.apiKeys."
	}
	if never && cause == v1alpha1.ReasonSignaturesDoNotMatch {
		text += " Cloudinary signs with the webhook key or, where there is none, with the oldest active API key."
	}
	if guessed && cause != v1alpha1.ReasonTimestampsRefused {
		text += " Or a stranger sends them: anybody can guess an address of this endpoint. With spec.receiver.path Unguessable nobody can."
	}
	return text
}

// doubts follows an endpoint's refusals between two looks.
type doubts struct {
	verifiedAt int64
	known      bool
	before     evidence // as of the last verified notification
	at         time.Time
}

// look returns what was refused since the last verified notification, and since when that is suspicious.
func (d *doubts) look(verifiedAt int64, refused evidence, now time.Time) (evidence, time.Time) {
	if !d.known || d.verifiedAt != verifiedAt {
		*d = doubts{verifiedAt: verifiedAt, known: true, before: refused}
	}
	since := refused.minus(d.before)
	if d.at.IsZero() && since != (evidence{}) {
		d.at = now
	}
	return since, d.at
}
