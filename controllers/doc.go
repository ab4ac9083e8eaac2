// SPDX-License-Identifier: Apache-2.0

// Package controllers keeps product environments equal to the manifests. It reads the cluster and
// Cloudinary, makes the calls, and writes status. What is to be done and said is decided elsewhere:
// internal/resolve finds out what leads to what, internal/plan what has to change, internal/verdict
// what is said of it. internal/memory has what a process remembers.
//
// The unit of reconciliation is a product environment, not an object. Where an object resolves to
// no environment, the Secret or the endpoint that is in its way is the unit. Each object has
// exactly one unit that writes its conditions (its primary); another unit that holds triggers of
// the object writes its registrations alone. The package is the only writer of the manager's
// conditions.
//
// Read environment.go first: passEnvironment is the story of a pass, and names what each phase
// hands to the next. What a pass works with has a type for each purpose, which Reconciler.assemble
// puts together:
//
//	worldReader   reads the objects of users
//	adminAPI      calls Cloudinary
//	objectWriter  writes status and finalizers
//	keyStore      keeps the receiver's verification keys
//	pathKeys      keeps the key of addresses
//	eventWriter   writes Events
//	unitQueue     has the units whose passes are due
//	unitFinder    finds the units that an object concerns
//	lease         bounds all that the leader alone may do
package controllers
