// SPDX-License-Identifier: Apache-2.0

// Package plugin is kubectl-cloudinary: one file set for each command. It reads and writes as the person who calls it, with that
// person's rights. It decides nothing about triggers: what the operator would do is asked of forecast.Make, which runs the
// operator's own code; how a filter and a template work, of internal/firing.
//
// It writes nothing at Cloudinary, ever. Credentials and whole URLs, which may carry tokens, are never printed unless that is what was
// asked for.
package plugin
