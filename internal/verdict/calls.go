// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// CallProblem is the condition's reason and message for a failed call.
func CallProblem(creds cloudinary.Credentials, err error) *resolve.Problem {
	switch {
	case cloudinary.IsUnauthorized(err):
		return &resolve.Problem{
			Reason:  v1alpha1.ReasonCredentialsRejected,
			Message: fmt.Sprintf("Cloudinary refuses the credentials (%v); correct the cloud name, the key and the secret in the Secret, or enable the key in the Console", err),
		}
	case cloudinary.IsRateLimited(err):
		return budgetSpent()
	default:
		return &resolve.Problem{
			Reason: v1alpha1.ReasonUnavailable,
			Message: fmt.Sprintf("Cloudinary cannot be reached at %s, or does not answer as it should (%v); it is tried again with back-off, what exists stays as it is",
				resolve.ShownHost(creds), err),
		}
	}
}

func budgetSpent() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonRateLimited,
		Message: "the Admin API calls of this hour are used up; nothing is called before Cloudinary's reset, then it goes on by itself",
	}
}

// ShareSpent is the reason why a change waits for calls.
func ShareSpent() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonRateLimited,
		Message: "the operator's share of this hour's Admin API calls is used up, or others have used nearly all of them; after Cloudinary's reset it goes on by itself, in order, repairs last",
	}
}

// WritesRefused is the reason why the operator writes nothing with credentials that may only list.
func WritesRefused(err error) *resolve.Problem {
	return &resolve.Problem{Reason: v1alpha1.ReasonCredentialsRejected, Message: fmt.Sprintf(
		"Cloudinary lets the credentials list triggers, but not change them (%v); let the key do so in the Console, or use another one", err)}
}

// listInDoubt is the reason why an environment counts as unread: its first list leaves out most of
// the operator's triggers.
func listInDoubt() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonUnavailable,
		Message: "Cloudinary's list leaves out most of the triggers that the operator has; it is believed when a second one says the same",
	}
}

// ListRefuted is the reason why the operator ignores a list: it leaves out a trigger that exists.
func ListRefuted() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonUnavailable,
		Message: "Cloudinary's list leaves out triggers that exist; nothing is concluded from it, and it is read again with back-off",
	}
}
