// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"net/http"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// unauthorized is what strangers are answered, whatever the reason.
const unauthorized = "unauthorized"

// refuse answers a request that is not taken, and returns the status. Before a notification is verified nobody is told why it is refused, nor
// anything that depends on which endpoints exist, and how they are set up: metrics, status and log have the reason for the owner.
//
//	the reason                           | status and body
//	-------------------------------------+-------------------------------------------
//	of a notification that was verified  | its own
//	the routes are not loaded            | its own: it is the same for every path
//	overloaded, or it is at this moment  | those of overloaded, at every path
//	any other                            | 401 unauthorized
func (h *Handler) refuse(w http.ResponseWriter, reason Reason) int {
	told := reason
	if !h.VerboseRefusals && !reason.forAll() && h.full() {
		told = ReasonOverloaded
	}
	status, text := told.status(), string(told)
	if !h.VerboseRefusals && !told.forAll() {
		status, text = http.StatusUnauthorized, unauthorized
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfterSeconds)
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	// The text is one of a fixed set: nothing of the request comes back.
	http.Error(w, text, status)
	return status
}

// full reports whether a request at a path that exists would be refused for want of room.
func (h *Handler) full() bool { return h.bodies.intake.full() }

// forAll reports whether anybody may be told a reason: the same would be answered at any path, or the notification was verified.
func (r Reason) forAll() bool {
	return slices.Contains([]Reason{
		ReasonNotLoaded, ReasonOverloaded,
		Reason(notification.RejectedNotJSON), ReasonRateLimited, ReasonQueueFull, ReasonDiskFull, ReasonStoreFailed,
	}, r)
}
