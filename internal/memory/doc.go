// SPDX-License-Identifier: Apache-2.0

// Package memory is what a process remembers beyond the API server: of Secrets and product
// environments, when to list, how long to wait after a failure, which calls are left, and who may
// not write. All of it can be found out again. It does no I/O, and knows no time but what it is
// told.
//
//	Directory    Secrets and environments, shared by all passes
//	Environment  one product environment; a pass locks it
//	Schedule     when its triggers are to be listed
//	Backoff      when a call may be tried again
//	Bars         credentials that may list and not write
//	Hold         the finalizer on one Secret, which somebody else may keep taking off
//	ServerClock  Cloudinary's time
package memory
