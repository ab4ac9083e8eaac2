// SPDX-License-Identifier: Apache-2.0

// Package forecast finds out what the manager would do and say, before it does: over objects that
// need not exist yet, and over what was read at Cloudinary. It runs the manager's own resolution,
// planning and verdicts, and lets each step succeed. It is pure.
package forecast
