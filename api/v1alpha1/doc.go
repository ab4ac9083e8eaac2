// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of the Cloudinary notifications operator: the two kinds, their
// conditions and their reasons. It has types and the table of reasons, decides nothing, and imports
// only apimachinery.
//
// +kubebuilder:object:generate=true
// +groupName=notifications.cloudinary.dev
package v1alpha1
