// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// PublicKeys are the endpoint's keys for checking X-Cld-Signature_v2.
func PublicKeys(ep *v1alpha1.NotificationEndpoint) []string {
	if ep.Spec.Receiver == nil || ep.Spec.Receiver.Verification == nil {
		return nil
	}
	return ep.Spec.Receiver.Verification.Ed25519PublicKeys
}

// signatureProblem says that the endpoint's receiver would refuse all notifications of this
// trigger:
//
//	authScheme        | is sent with                          | refused where the receiver
//	------------------+---------------------------------------+----------------------------------------
//	default           | both signatures                       | never: it goes by the one it can check
//	legacy_hmac       | X-Cld-Signature, SHA-1 or SHA-256     | allows neither
//	eddsa_v2          | X-Cld-Signature_v2                    | has no public key, or does not allow Ed25519
//
// SHA-1 or SHA-256 is a setting of the Cloudinary account, which the operator cannot see.
func (v *Trigger) signatureProblem() *Problem {
	receiver := v.Endpoint.Spec.Receiver
	if receiver == nil {
		return nil
	}
	allows := func(algorithms ...v1alpha1.SignatureAlgorithm) bool {
		if receiver.Verification == nil || len(receiver.Verification.Algorithms) == 0 {
			return true
		}
		return slices.ContainsFunc(algorithms, func(a v1alpha1.SignatureAlgorithm) bool {
			return slices.Contains(receiver.Verification.Algorithms, a)
		})
	}
	switch scheme := v.Spec.AuthScheme; {
	case scheme == v1alpha1.AuthSchemeEdDSAV2 && len(PublicKeys(v.Endpoint.NotificationEndpoint)) == 0:
		return &Problem{Reason: v1alpha1.ReasonPublicKeyMissing, Message: fmt.Sprintf(
			"spec.authScheme: eddsa_v2 makes Cloudinary send only X-Cld-Signature_v2, but the receiver of NotificationEndpoint %s has no public key to check it with. "+
				"Add the key to its spec.receiver.verification.ed25519PublicKeys, or set spec.authScheme to default or legacy_hmac", v.EndpointKey)}
	case scheme == v1alpha1.AuthSchemeEdDSAV2 && !allows(v1alpha1.SignatureEd25519):
		return algorithmProblem(scheme, "only X-Cld-Signature_v2", v, "Add Ed25519 there, or set spec.authScheme to default or legacy_hmac")
	case scheme == v1alpha1.AuthSchemeLegacyHMAC && !allows(v1alpha1.SignatureSHA1, v1alpha1.SignatureSHA256):
		return algorithmProblem(scheme, "only X-Cld-Signature", v, "Add SHA1 or SHA256 there, or set spec.authScheme to default or eddsa_v2")
	default:
		return nil
	}
}

func algorithmProblem(scheme v1alpha1.AuthScheme, sent string, v *Trigger, wayOut string) *Problem {
	return &Problem{Reason: v1alpha1.ReasonAlgorithmNotAllowed, Message: fmt.Sprintf(
		"spec.authScheme: %s makes Cloudinary send %s, which spec.receiver.verification.algorithms of NotificationEndpoint %s does not allow. %s",
		scheme, sent, v.EndpointKey, wayOut)}
}
