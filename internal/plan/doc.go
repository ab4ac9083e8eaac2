// SPDX-License-Identifier: Apache-2.0

// Package plan decides which changes make a product environment's triggers equal to the manifests.
//
// It is pure. The input is what the objects want, what Cloudinary's list shows and what status
// records. The output is steps in order, the records to keep, and a verdict for each object. The
// same input gives the same output. A plan that was applied leaves the next plan without steps. The
// package knows neither HTTP nor Kubernetes, reads no clock (times are arguments, by Cloudinary's
// clock) and logs nothing. Make is the decision table. Apply turns the outcome of a step into
// records.
package plan
