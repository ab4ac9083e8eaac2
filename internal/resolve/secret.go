// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Secret is the knowledge about one Secret.
type Secret struct {
	UID, ResourceVersion string
	Credentials          cloudinary.Credentials
	signing              []cloudinary.SigningKey
	Refused              bool // Cloudinary's last answer to the credentials was 401 or 403
	Deleting             bool
	// The note on a removed finalizer; empty: nobody keeps removing it
	Contested string
	Foreign   bool     // its type is not for credentials; Problem is set then
	Problem   *Problem // missing, malformed or insecure; Credentials is empty then
}

// ParseSecret reads credentials from a Secret of the right type. A Secret that is not created yet
// may have no type. A Secret of another type has another purpose, regardless of its keys.
func ParseSecret(s *corev1.Secret, o *Options) Secret {
	state := Secret{UID: string(s.UID), ResourceVersion: s.ResourceVersion, Deleting: s.DeletionTimestamp != nil}
	if s.Type != corev1.SecretTypeOpaque && s.Type != "" {
		state.Foreign = true
		state.Problem = &Problem{Reason: v1alpha1.ReasonSecretInvalid, Message: fmt.Sprintf(
			"Secret %s/%s has the type %s, but credentials need the type %s. Name another Secret in spec.credentialsSecretRef, or delete this one and create it again: a Secret's type cannot be changed",
			s.Namespace, s.Name, s.Type, corev1.SecretTypeOpaque)}
		return state
	}
	creds, err := cloudinary.ParseSecret(s.Data)
	signing, signingErr := cloudinary.ParseSigningKeys(s.Data)
	if err == nil {
		err = signingErr
	}
	if err != nil {
		state.Problem = &Problem{Reason: v1alpha1.ReasonSecretInvalid, Message: fmt.Sprintf("Secret %s/%s: %v", s.Namespace, s.Name, err)}
	} else if state.Problem = o.baseProblem(KeyOf(s), creds); state.Problem == nil {
		state.Credentials, state.signing = creds, signing
	}
	return state
}

// baseProblem is the reason why the operator makes no call with credentials, if there is one.
func (o *Options) baseProblem(secret plan.Key, creds cloudinary.Credentials) *Problem {
	switch host := ShownHost(creds); {
	case !o.AllowedAPIBases.Allows(creds.Environment().APIBase):
		return &Problem{Reason: v1alpha1.ReasonAPIBaseNotAllowed, Message: fmt.Sprintf(
			"Secret %s: the host of upload_prefix, %s, is not one of Cloudinary's Admin APIs (such as api.cloudinary.com or api-eu.cloudinary.com), so the operator does not call it. "+
				"Correct it, or start the manager with --allowed-api-bases=%s", secret, host, excerpt.Shorten(creds.APIBaseToAllow(), maxShownHost))}
	case creds.Insecure() && !o.AllowInsecureAPIBase:
		return &Problem{Reason: v1alpha1.ReasonInsecureAPIBase, Message: fmt.Sprintf(
			"Secret %s: upload_prefix is not https. Use https, or start the manager with --allow-insecure-api-base", secret)}
	default:
		return nil
	}
}

// maxShownHost is the longest part of a host name in a condition.
const maxShownHost = 128

// ShownHost is the host of credentials as a condition shows it.
func ShownHost(creds cloudinary.Credentials) string {
	return excerpt.Shorten(creds.APIHost(), maxShownHost)
}

// MissingSecret is the knowledge about a Secret that does not exist.
func MissingSecret(key plan.Key) Secret {
	return Secret{Problem: &Problem{
		Reason:  v1alpha1.ReasonSecretNotFound,
		Message: fmt.Sprintf("spec.credentialsSecretRef: Secret %s does not exist. Create it with the key CLOUDINARY_URL, or correct the reference", key),
	}}
}

// ForbiddenSecret is the knowledge about a Secret that the API server does not let the manager read
// or patch.
func ForbiddenSecret(key plan.Key, err error) Secret {
	return Secret{Problem: &Problem{Reason: v1alpha1.ReasonSecretForbidden, Message: fmt.Sprintf(
		"Secret %s: the manager may not use it (the API server says: %v). Allow its service account to get and patch Secrets there", key, err)}}
}

// OutsideSecret is the knowledge about a Secret in a namespace that the manager no longer watches.
func OutsideSecret(key plan.Key) Secret {
	return Secret{Problem: &Problem{
		Reason:  v1alpha1.ReasonSecretNotFound,
		Message: fmt.Sprintf("Secret %s is outside the namespaces of the manager's --watch-namespaces. Add its namespace", key),
	}}
}

// maxManagerName is the longest part of a field manager's name in a message, in bytes.
const maxManagerName = 128

// LastWriter is the field manager that wrote a Secret last, as far as the API server knows. Empty:
// it does not know.
func LastWriter(fields []metav1.ManagedFieldsEntry) string {
	name, at := "", time.Time{}
	for _, entry := range fields {
		if entry.Subresource == "" && entry.Time != nil && !entry.Time.Time.Before(at) {
			name, at = entry.Manager, entry.Time.Time
		}
	}
	return excerpt.Shorten(name, maxManagerName)
}

// ContestedNote tells people that somebody keeps removing the finalizer. It has no count and no
// time, so that an unchanged state writes nothing.
func ContestedNote(writer string) string {
	by := ""
	if writer != "" {
		by = fmt.Sprintf(" (the field manager %q wrote the Secret last)", writer)
	}
	return fmt.Sprintf("somebody keeps removing the finalizer %s, which keeps the Secret until its triggers are released%s. "+
		"Make that tool leave metadata.finalizers alone, or use server-side apply", v1alpha1.Finalizer, by)
}
