// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// Keys is the state of the receiver's verification keys of an environment, for its endpoints.
type Keys struct {
	// The keys that can count; nil: no endpoint with a receiver is accepted, or unknown
	Pool    *verification.Pool
	Problem *resolve.Problem // nil: they are written as they should be
	Refused map[string]error // namespaces that have no room for theirs
}

// ProblemOf is the reason why the receiver lacks keys that count for an endpoint. Nil: it has them
// all.
func (k Keys) ProblemOf(ep *resolve.Endpoint) *resolve.Problem {
	if cause, refused := k.Refused[ep.Key.Namespace]; refused && k.Problem == nil {
		return roomProblem(cause)
	}
	return k.Problem
}

const notWritten = "the receiver does not get all verification keys: "

// roomProblem is the problem of endpoints in a namespace without room for its keys.
func roomProblem(cause error) *resolve.Problem {
	return &resolve.Problem{Reason: v1alpha1.ReasonVerificationKeysNotWritten, Message: notWritten + cause.Error()}
}

// KeysNotWritten is the problem of an environment's endpoints if its keys could not be written. The
// message is the same at each try.
func KeysNotWritten(err error) *resolve.Problem {
	said := "see the manager's log"
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		said = "the API server says " + string(reason)
	}
	return &resolve.Problem{Reason: v1alpha1.ReasonVerificationKeysNotWritten, Message: notWritten + "the Secret cannot be written (" + said + ")"}
}

// keyNotes are the notes on an endpoint's keys.
func keyNotes(s *resolve.Scope, ep *resolve.Endpoint, member bool, pool *verification.Pool) []check.Finding {
	if !member || ep.Spec.Receiver == nil || pool == nil {
		return nil
	}
	if s.World.Options.VerificationNamespace == "" {
		return []check.Finding{{
			Why:    "the receiver gets no verification keys, because the manager has no namespace for them",
			Advice: "start the manager with --verification-namespace",
		}}
	}
	endpoint := resolve.Verifier(ep.NotificationEndpoint)
	keys := pool.All(endpoint)
	unknown := slices.DeleteFunc(slices.Clone(endpoint.APIKeys), func(id string) bool {
		return slices.ContainsFunc(keys, func(k verification.Key) bool { return k.ID == id })
	})
	switch {
	case len(unknown) > 0:
		return []check.Finding{{
			Why: fmt.Sprintf("spec.receiver.verification.apiKeys names %s, but its secret is unknown: Secret %s does not have it, "+
				"and no other Secret of the product environment makes calls with it", strings.Join(unknown, ", "), ep.Secret),
			Advice: fmt.Sprintf("add it to %s as signing.<API_KEY>, or remove it from apiKeys", ep.Secret),
		}}
	case len(keys) == 0 && len(resolve.PublicKeys(ep.NotificationEndpoint)) == 0:
		return []check.Finding{{
			Why: fmt.Sprintf("Secret %s has no key to verify notifications with", ep.Secret),
			Advice: "add api_key and api_secret, or signing.<API_KEY>, beside the OAuth token, " +
				"or name another Secret's API key in spec.receiver.verification.apiKeys",
		}}
	case len(keys) > notification.MaxKeys:
		return []check.Finding{{
			Why: fmt.Sprintf("Secret %s has more than %d keys to verify notifications with. Its own API key counts first, "+
				"then signing.<API_KEY> in the order of the API keys", ep.Secret, notification.MaxKeys),
			Advice: "remove keys that Cloudinary no longer signs with, or name those that count in spec.receiver.verification.apiKeys",
		}}
	default:
		return nil
	}
}
