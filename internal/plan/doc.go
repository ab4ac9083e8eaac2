// SPDX-License-Identifier: Apache-2.0

// Package plan decides what has to change in a product environment so that its triggers are what
// the manifests say.
//
// It is pure: what is wanted, what was listed and what was recorded go in; steps in order, the records to keep
// and a verdict for each object come out. The same input gives the same output; applying a plan and planning again
// gives no step. It knows neither HTTP nor Kubernetes, asks no clock (times are arguments, by Cloudinary's
// clock), and logs nothing. Make is the decision table; Apply says what an outcome of a step means for the records.
package plan
