// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// Options are the manager's options that decide where objects lead.
type Options struct {
	// Namespaces are the watched ones. None: all.
	Namespaces []string
	// ReceiverBaseURL is the default of spec.receiver.baseURL.
	ReceiverBaseURL string
	// VerificationNamespace has the Secret with the receiver's verification keys. Empty: the
	// manager writes no keys.
	VerificationNamespace string
	// AllowInsecureAPIBase permits Admin APIs that are not https.
	AllowInsecureAPIBase bool
	// AllowedAPIBases are the Admin APIs that the operator may call. The zero value: Cloudinary's
	// own.
	AllowedAPIBases cloudinary.APIBases
}

// Watches reports whether objects of a namespace can be read.
func (o *Options) Watches(namespace string) bool {
	return len(o.Namespaces) == 0 || slices.Contains(o.Namespaces, namespace)
}
