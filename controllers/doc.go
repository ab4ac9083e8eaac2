// SPDX-License-Identifier: Apache-2.0

// Package controllers keeps product environments equal to the manifests. It reads the cluster and Cloudinary, makes the
// calls, and writes status. What is to be done and said is decided elsewhere: internal/resolve finds out what leads to what,
// internal/plan what has to change, internal/verdict what is said of it. internal/memory has what a process remembers.
//
// The unit of reconciliation is a product environment, not an object. Where an object resolves to no environment, the
// Secret or the endpoint that is in its way is the unit. Each object has exactly one unit that writes its conditions (its
// primary); another unit that holds triggers of the object writes its registrations alone. The package is the only
// writer of the manager's conditions.
//
// Read environment.go first: passEnvironment is the story of a pass, and names what each phase hands to the next.
package controllers
