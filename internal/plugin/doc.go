// SPDX-License-Identifier: Apache-2.0

// Package plugin is kubectl-cloudinary, with a set of files for each command. It reads and writes
// with the rights of the user. It decides nothing about triggers: forecast.Make predicts the
// operator with the operator's own code, and internal/firing evaluates filters and templates.
//
// It never writes at Cloudinary. It prints credentials and whole URLs, which may have tokens, only
// if the user asks for them.
package plugin
