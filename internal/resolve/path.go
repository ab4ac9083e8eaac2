// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// NoPathKey is for a world in which no endpoint needs the key.
func NoPathKey(*v1alpha1.NotificationEndpoint) (string, *Problem) {
	return "", &Problem{Reason: v1alpha1.ReasonPathKeyUnavailable, Message: "the key of the address has not been read yet"}
}

// plainPath reports whether an endpoint's address ends with its name. Where the spec does not say, one
// that has had such an address keeps it: callers may have it as notification_url, and would lose
// their notifications by the update of an operator.
func plainPath(ep *v1alpha1.NotificationEndpoint) bool {
	if ep.Spec.Receiver.Path != "" {
		return ep.Spec.Receiver.Path == v1alpha1.ReceiverPathPlain
	}
	return hasPlainURL(ep)
}

func hasPlainURL(ep *v1alpha1.NotificationEndpoint) bool {
	_, token, ok := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name)
	return ok && token == ""
}

// NeedsPathKey reports whether an endpoint's address is computed with the key.
func NeedsPathKey(ep *v1alpha1.NotificationEndpoint) bool {
	return ep.Spec.Receiver != nil && !plainPath(ep)
}

// PresentToken is that of the address that the endpoint has; empty: it has none.
func PresentToken(ep *v1alpha1.NotificationEndpoint) string {
	_, token, _ := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name)
	return token
}

// receiverPath is the path of an endpoint with a receiver. While there is no key, an address that
// rests on one stays as it is.
func (w *World) receiverPath(ep *v1alpha1.NotificationEndpoint) (path, note string, _ *Problem) {
	path = notification.Path(ep.Namespace, ep.Name)
	if plainPath(ep) {
		return path, "", nil
	}
	token, p := w.PathToken(ep)
	if p == nil {
		return path + "/" + token, "", nil
	}
	if token = PresentToken(ep); token != "" {
		return path + "/" + token, "the address stays as it is: " + p.Message, nil
	}
	return "", "", p
}

// pathNotes are what the owner of an endpoint should know of its address.
func pathNotes(ep *v1alpha1.NotificationEndpoint) []check.Finding {
	if ep.Spec.Receiver == nil || ep.Spec.Receiver.Path != "" || !hasPlainURL(ep) {
		return nil
	}
	return []check.Finding{{
		Why:    "the address can be guessed, and is kept since the endpoint has had it before",
		Advice: "set spec.receiver.path: Unguessable for one that cannot, to which the triggers move by themselves, or Plain to keep this one for good",
	}}
}

// KeepURL is the URL to show while there is a problem with that of the spec: Cloudinary goes on
// notifying the one before, and the receiver serves what it finds here.
func KeepURL(ep *v1alpha1.NotificationEndpoint) string {
	if _, _, own := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name); own && ep.Spec.Receiver != nil {
		return ep.Status.URL
	}
	return ""
}
