// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// NoPathKey is the PathToken of a world in which no endpoint needs the key.
func NoPathKey(*v1alpha1.NotificationEndpoint) (string, *Problem) {
	return "", &Problem{Reason: v1alpha1.ReasonPathKeyUnavailable, Message: "the key of the address has not been read yet"}
}

// plainPath reports whether an endpoint's address ends with its name. Without spec.receiver.path,
// an endpoint keeps such an address if it had one: callers may use it as notification_url, and
// would lose notifications after an update of the operator.
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

// PresentToken is the token of the endpoint's current address. Empty: it has none.
func PresentToken(ep *v1alpha1.NotificationEndpoint) string {
	_, token, _ := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name)
	return token
}

// receiverPath is the path of an endpoint with a receiver. While there is no key, an address that
// needs it stays as it is.
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

// pathNotes are the notes about an endpoint's address for its owner.
func pathNotes(ep *v1alpha1.NotificationEndpoint) []check.Finding {
	if ep.Spec.Receiver == nil || ep.Spec.Receiver.Path != "" || !hasPlainURL(ep) {
		return nil
	}
	return []check.Finding{{
		Why:    "the address can be guessed. It stays, because the endpoint had it before",
		Advice: "set spec.receiver.path to Unguessable for an address that nobody can guess (the triggers move to it by themselves), or to Plain to keep this one",
	}}
}

// KeepURL is the URL to show while the spec's URL has a problem: Cloudinary still notifies the
// former one, and the receiver serves the URL that it finds here.
func KeepURL(ep *v1alpha1.NotificationEndpoint) string {
	if _, _, own := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name); own && ep.Spec.Receiver != nil {
		return ep.Status.URL
	}
	return ""
}
