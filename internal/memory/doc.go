// SPDX-License-Identifier: Apache-2.0

// Package memory is the knowledge of a process beyond the API server: Secrets and product
// environments, when to list, how long to wait after a failure, how many calls are left, and which
// credentials may not write. A new process finds all of it out again. The package does no I/O, and
// times are arguments.
//
//	Directory         Secrets and environments, shared by all passes
//	EnvironmentState  one product environment; a pass locks it
//	Schedule          when to list its triggers
//	Backoff           when to retry a call
//	WriteBlocks       credentials that may list but not write
//	SecretFinalizer   the finalizer on one Secret, which somebody else may keep removing
//	ServerClock       Cloudinary's time
package memory
