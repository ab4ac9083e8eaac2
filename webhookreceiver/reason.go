// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"net/http"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Reason is why a request was not answered 200: the value of a metric's label, of status.receiver.rejected and, where the sender may know
// it, of the answer's body: see refuse. The set is closed, see Reasons.
type Reason string

// The reasons beyond those of package notification.
const (
	// ReasonMethod means the request was not a POST.
	ReasonMethod Reason = "method_not_allowed"
	// ReasonUnknownEndpoint means no NotificationEndpoint with spec.receiver has this path.
	ReasonUnknownEndpoint Reason = "unknown_endpoint"
	// ReasonNotLoaded means the receiver has just started and does not know the endpoints yet.
	ReasonNotLoaded Reason = "not_loaded"
	// ReasonBodyTooLarge means the body is larger than --max-body-bytes.
	ReasonBodyTooLarge Reason = "body_too_large"
	// ReasonBodyIncomplete means the sender went away, or took too long to send the body.
	ReasonBodyIncomplete Reason = "body_incomplete"
	// ReasonOverloaded means more requests, or more bytes of bodies, are under way than the receiver may hold in memory.
	ReasonOverloaded Reason = "overloaded"
	// ReasonRateLimited means more new notifications came for this endpoint than --max-endpoint-rate allows.
	ReasonRateLimited Reason = "rate_limited"
	// ReasonQueueFull means the store holds as much as it may, of all or of this endpoint; targets have to take something first.
	ReasonQueueFull Reason = "queue_full"
	// ReasonDiskFull means the disk under the store is full.
	ReasonDiskFull Reason = "disk_full"
	// ReasonStoreFailed means the notification could not be stored in time, or at all.
	ReasonStoreFailed Reason = "store_failed"
)

// retryAfterSeconds is how soon a sender that respects Retry-After may come back. Cloudinary itself comes after 3 minutes.
const retryAfterSeconds = "10"

// Reasons are all of them, so that a metric can show each before it happens.
func Reasons() []Reason {
	reasons := []Reason{
		ReasonMethod, ReasonUnknownEndpoint, ReasonNotLoaded, ReasonBodyTooLarge, ReasonBodyIncomplete,
		ReasonOverloaded, ReasonRateLimited, ReasonQueueFull, ReasonDiskFull, ReasonStoreFailed,
	}
	for _, r := range notification.Rejections() {
		reasons = append(reasons, Reason(r))
	}
	return reasons
}

// status is the HTTP status that goes with a reason. What may be well later is 503, so that Cloudinary tries again with good cause.
func (r Reason) status() int {
	switch r {
	case ReasonMethod:
		return http.StatusMethodNotAllowed
	case ReasonUnknownEndpoint:
		return http.StatusNotFound
	case ReasonBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonBodyIncomplete:
		return http.StatusRequestTimeout
	case Reason(notification.RejectedNotJSON):
		return http.StatusBadRequest
	case ReasonNotLoaded, ReasonOverloaded, ReasonRateLimited, ReasonQueueFull, ReasonDiskFull, ReasonStoreFailed, Reason(notification.RejectedNoKeys):
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnauthorized
	}
}
