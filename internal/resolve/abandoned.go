// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// Abandoned reports whether an object is being deleted, and somebody has ended the wait for what it
// needs.
func Abandoned(o metav1.Object) bool {
	return o.GetDeletionTimestamp() != nil && o.GetAnnotations()[v1alpha1.AnnotationAbandon] == "true"
}
