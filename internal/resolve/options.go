// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// Options are the manager's options that decide to what objects lead.
type Options struct {
	// Namespaces are those that are watched; empty: all.
	Namespaces []string
	// ReceiverBaseURL is for endpoints whose spec.receiver has none.
	ReceiverBaseURL string
	// VerificationNamespace has the Secret with the receiver's verification keys; empty: no keys
	// are kept.
	VerificationNamespace string
	// AllowInsecureAPIBase permits Admin APIs that are not https.
	AllowInsecureAPIBase bool
	// AllowedAPIBases are the Admin APIs that are called. The zero value: Cloudinary's own.
	AllowedAPIBases cloudinary.APIBases
}

// Watches reports whether objects of a namespace can be read.
func (o *Options) Watches(namespace string) bool {
	return len(o.Namespaces) == 0 || slices.Contains(o.Namespaces, namespace)
}
