// SPDX-License-Identifier: Apache-2.0

package resolve

import "github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"

// Problem is a reason and a message for a condition that is not True.
type Problem struct {
	Reason, Message string
}

// IsTransient reports whether the cause of a problem is Cloudinary, and clears without a person. It
// says nothing about the object.
func IsTransient(p *Problem) bool { return p != nil && v1alpha1.IsTransient(p.Reason) }
