// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// PathKeyHasNoNamespace is why no address can be computed by a manager that was not told where its
// key is.
func PathKeyHasNoNamespace() *resolve.Problem {
	return &resolve.Problem{Reason: v1alpha1.ReasonPathKeyUnavailable, Message: "the manager has no namespace for the key of the address. Start it with --verification-namespace, " +
		"or set spec.receiver.path: Plain"}
}

// PathKeyUnavailable is why no address can be computed while the key can be neither read nor made.
// The message is the same at each try.
func PathKeyUnavailable(namespace string, err error) *resolve.Problem {
	said := "see the manager's log"
	if errors.Is(err, resolve.ErrPathKeyInvalid) {
		said = resolve.ErrPathKeyInvalid.Error()
	} else if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		said = "the API server says " + string(reason)
	}
	return &resolve.Problem{Reason: v1alpha1.ReasonPathKeyUnavailable, Message: fmt.Sprintf(
		"the address cannot be computed: Secret %s/%s can neither be read nor created (%s)", namespace, verification.PathKeySecretName, said)}
}
