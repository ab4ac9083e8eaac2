// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import "github.com/cloudinary-operator/cloudinary-operator/internal/notification"

// meaning says what a reason means, for who reads the log.
func (r Reason) meaning() string {
	switch r {
	case ReasonMethod:
		return "not a POST, which all of Cloudinary's requests are"
	case ReasonUnknownEndpoint:
		return "no endpoint has this path: compare status.url with what Cloudinary's triggers have, and see whether a proxy changes the path"
	case ReasonNotLoaded:
		return "the receiver has just started and does not know the endpoints yet"
	case ReasonBodyTooLarge:
		return "the body is larger than --max-body-bytes"
	case ReasonBodyIncomplete:
		return "the body did not arrive in time, or not whole"
	case ReasonOverloaded:
		return "more requests are under way than fit into --max-in-flight-requests and --max-in-flight-bytes"
	case ReasonRateLimited:
		return "more new notifications came than --max-endpoint-rate allows"
	case ReasonQueueFull:
		return "the store is full, or the endpoint's share of it: targets have to take something first"
	case ReasonDiskFull:
		return "the volume of the store is full"
	case ReasonStoreFailed:
		return "the notification could not be stored in time, or at all"
	default:
		return meaningOf(notification.Rejection(r))
	}
}

func meaningOf(r notification.Rejection) string {
	switch r {
	case notification.RejectedNoKeys:
		return "the endpoint has no key to verify with: see whether it is Synced"
	case notification.RejectedMissingSignature:
		return "there is no X-Cld-Signature: it is not Cloudinary, or a proxy drops headers"
	case notification.RejectedOnlyV2:
		return "there is only X-Cld-Signature_v2, and the endpoint has no public key"
	case notification.RejectedMissingTimestamp:
		return "there is no X-Cld-Timestamp: it is not Cloudinary, or a proxy drops headers"
	case notification.RejectedMalformedTimestamp:
		return "X-Cld-Timestamp is not one of Cloudinary's: it is not Cloudinary, or a proxy changes headers"
	case notification.RejectedMalformedSignature:
		return "X-Cld-Signature is not one of Cloudinary's: it is not Cloudinary, or a proxy changes headers"
	case notification.RejectedAlgorithmNotAllowed:
		return "the algorithm of the signature is not among spec.receiver.verification.algorithms"
	case notification.RejectedBadSignature:
		return "no key that counts for the endpoint makes this signature: it is not Cloudinary, or Cloudinary signs with another API key, " +
			"which belongs into the endpoint's Secret as signing.<API_KEY>, or a proxy changes the body"
	case notification.RejectedStale:
		return "the signature is right, and older than spec.receiver.verification.maxAge: see the clock of the node"
	case notification.RejectedFuture:
		return "the signature is right, and from the future: see the clock of the node"
	case notification.RejectedNotJSON:
		return "the signature is right, and the body is no JSON object"
	default:
		return "unknown"
	}
}
