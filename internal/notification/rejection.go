// SPDX-License-Identifier: Apache-2.0

package notification

// Rejection is why a notification was not taken, as the value of a metric's label. The empty one means that it was.
type Rejection string

// The rejections, roughly in the order of the checks.
const (
	// RejectedNoKeys means that the endpoint has no key to check this signature with. Remedy: give its Secret an API
	// secret, or the endpoint the public key for X-Cld-Signature_v2.
	RejectedNoKeys Rejection = "no_keys"
	// RejectedMissingSignature means that no signature came: somebody other than Cloudinary, or a proxy that drops
	// headers it does not know. Remedy: let X-Cld-Signature, X-Cld-Signature_v2 and X-Cld-Timestamp through.
	RejectedMissingSignature Rejection = "missing_signature"
	// RejectedOnlyV2 means that only X-Cld-Signature_v2 came, and the endpoint has no public key for it. Remedy:
	// authScheme default or legacy_hmac on the trigger, or a public key on the endpoint.
	RejectedOnlyV2 Rejection = "only_v2"
	// RejectedMissingTimestamp means that a signature came without X-Cld-Timestamp. Remedy: as for a missing signature.
	RejectedMissingTimestamp Rejection = "missing_timestamp"
	// RejectedMalformedTimestamp means that X-Cld-Timestamp is not ten digits, so Cloudinary did not write it. There is
	// no separator between body and timestamp in what is signed; their lengths are what keeps them apart.
	RejectedMalformedTimestamp Rejection = "malformed_timestamp"
	// RejectedMalformedSignature means that a signature has not the form of one, or that one of the headers came more
	// than once, so Cloudinary did not write it. Remedy: look for a proxy that adds or rewrites headers.
	RejectedMalformedSignature Rejection = "malformed_signature"
	// RejectedAlgorithmNotAllowed means that the endpoint forbids the algorithm of the signature that came. Remedy:
	// choose the account's algorithm at Cloudinary (SHA-1 unless told otherwise), or allow this one at the endpoint.
	RejectedAlgorithmNotAllowed Rejection = "algorithm_not_allowed"
	// RejectedBadSignature means that no key of the endpoint makes this signature: a forgery, a body changed on its way,
	// or a key that the endpoint does not know. Remedy: after a rotation, or with a webhook key of its own, put the
	// secret of the API key that Cloudinary signs with into the endpoint's Secret.
	RejectedBadSignature Rejection = "bad_signature"
	// RejectedStale means that the signature is right, and as old as the endpoint allows, or older: a replay, or a
	// delivery held up for long. Remedy: a longer maxAge; below 30 minutes Cloudinary's own retries are too old.
	RejectedStale Rejection = "stale"
	// RejectedFuture means that the signature is right, and its time further ahead than clocks differ. Remedy: set the
	// node's clock.
	RejectedFuture Rejection = "future"
	// RejectedNotJSON means that the signature and its age are right, and the body is not one JSON value, or nested
	// too deep: see Decode.
	RejectedNotJSON Rejection = "not_json"
)

// Rejections are all of them, so that a metric can show each before it happens.
func Rejections() []Rejection {
	return []Rejection{
		RejectedNoKeys, RejectedMissingSignature, RejectedOnlyV2, RejectedMissingTimestamp, RejectedMalformedTimestamp,
		RejectedMalformedSignature, RejectedAlgorithmNotAllowed, RejectedBadSignature, RejectedStale, RejectedFuture, RejectedNotJSON,
	}
}
