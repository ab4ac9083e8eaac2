// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// Problem is what keeps something from being as wanted: a condition's reason and message.
type Problem struct {
	Reason, Message string
}

// NeedsPerson are the reasons that do not go away by themselves: Stalled is True with them, and
// Reconciling with all others.
func NeedsPerson(reason string) bool {
	return slices.Contains([]string{
		v1alpha1.ReasonEndpointNotAllowed, v1alpha1.ReasonEndpointNotAccepted, v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonSecretForbidden,
		v1alpha1.ReasonInvalidURL, v1alpha1.ReasonBaseURLMissing, v1alpha1.ReasonInsecureAPIBase, v1alpha1.ReasonAPIBaseNotAllowed,
		v1alpha1.ReasonPublicKeyMissing, v1alpha1.ReasonInvalidPublicKey, v1alpha1.ReasonNeedsClusterScope, v1alpha1.ReasonInvalidSelector, v1alpha1.ReasonAlgorithmNotAllowed,
		v1alpha1.ReasonInvalidFilter, v1alpha1.ReasonInvalidPayloadTemplate, v1alpha1.ReasonConflict, v1alpha1.ReasonAlreadyExists,
		v1alpha1.ReasonURLLimitReached, v1alpha1.ReasonRejected, v1alpha1.ReasonNotConverging, v1alpha1.ReasonDrifted, v1alpha1.ReasonDeletionRefused,
		v1alpha1.ReasonCredentialsRejected, v1alpha1.ReasonCredentialsMissing, v1alpha1.ReasonVerificationKeysNotWritten,
		v1alpha1.ReasonPathKeyUnavailable,
	}, reason)
}

// WaitsForCalls reports whether a state would go away if calls could be made.
func WaitsForCalls(reason string) bool {
	switch reason {
	case v1alpha1.ReasonPending, v1alpha1.ReasonConfirming, v1alpha1.ReasonReleasing:
		return true
	default:
		return false
	}
}

// Passing reports whether a problem is with Cloudinary or with the calls to it: it tells nothing of
// the object, and clears by itself.
func Passing(p *Problem) bool {
	return p != nil && (p.Reason == v1alpha1.ReasonUnavailable || p.Reason == v1alpha1.ReasonRateLimited)
}
