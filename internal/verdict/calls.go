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
			Message: fmt.Sprintf("Cloudinary refuses the credentials (%v). Correct the cloud name, the key and the secret in the Secret, or enable the key in the Console", err),
		}
	case cloudinary.IsRateLimited(err):
		return budgetSpent()
	default:
		return &resolve.Problem{
			Reason: v1alpha1.ReasonUnavailable,
			Message: fmt.Sprintf("Cloudinary cannot be reached at %s, or gives an unusable answer (%v). The operator retries with back-off. Existing triggers stay as they are",
				resolve.ShownHost(creds), err),
		}
	}
}

func budgetSpent() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonRateLimited,
		Message: "this hour's Admin API calls are used up. The operator continues after Cloudinary's next reset",
	}
}

// ShareSpent is the reason why a change waits for calls.
func ShareSpent() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonRateLimited,
		Message: "the operator's share of this hour's Admin API calls is used up, or other clients have used nearly all of them. The operator continues after Cloudinary's next reset, and makes repairs last",
	}
}

// WritesRefused is the reason why the operator writes nothing with credentials that may only list.
func WritesRefused(err error) *resolve.Problem {
	return &resolve.Problem{Reason: v1alpha1.ReasonCredentialsRejected, Message: fmt.Sprintf(
		"Cloudinary lets the credentials list triggers, but not change them (%v). Give the key the permission in the Console, or use another key", err)}
}

// listInDoubt is the reason why an environment counts as unread: its first list leaves out most of
// the operator's triggers.
func listInDoubt() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonUnavailable,
		Message: "Cloudinary's list leaves out most of the operator's triggers. The operator waits for a second list that says the same",
	}
}

// ListRefuted is the reason why the operator ignores a list: it leaves out a trigger that exists.
func ListRefuted() *resolve.Problem {
	return &resolve.Problem{
		Reason:  v1alpha1.ReasonUnavailable,
		Message: "Cloudinary's list leaves out triggers that exist. The operator ignores this list, and lists again with back-off",
	}
}
