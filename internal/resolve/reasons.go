// SPDX-License-Identifier: Apache-2.0

package resolve

import "github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"

// Problem is what keeps something from being as wanted: a condition's reason and message.
type Problem struct {
	Reason, Message string
}

// Passing reports whether a problem is with Cloudinary or with the calls to it: it tells nothing of
// the object, and clears by itself.
func Passing(p *Problem) bool { return p != nil && v1alpha1.IsTransient(p.Reason) }
