// SPDX-License-Identifier: Apache-2.0

// Package simulator is a Cloudinary product environment for tests, demos and people without an account: the trigger calls of the
// Admin API over real HTTP, with authentication, validation, limits and rate-limit headers, and a control API beside them that
// counts calls and injects faults.
//
// Where Cloudinary's behaviour is not documented, a switch of Options chooses between the possible answers; README.md lists each.
//
// It must not call out, keep anything on disk, or be used by the operator's own code: only tests and cmd/cloudinary-sim import it.
package simulator
