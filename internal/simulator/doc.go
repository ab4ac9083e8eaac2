// SPDX-License-Identifier: Apache-2.0

// Package simulator is a Cloudinary product environment for tests, demos and people without an account: the trigger calls of the
// Admin API over real HTTP, with authentication, validation, limits and rate-limit headers; the notifications that triggers fire,
// signed, sent and retried; tags of assets; and a control API beside them that counts calls, injects faults and makes things happen.
//
// Where Cloudinary's behavior is not documented, a switch of Options chooses between the possible answers; README.md lists each.
//
// It keeps nothing on disk, and calls no address but those to be notified. It signs by internal/sample
// and not by the code of the receiver that it is to test. Nothing that is shipped to run beside
// Cloudinary imports it: only tests and cmd/cloudinary-sim do, and depguard in .golangci.yml holds that.
package simulator
