// SPDX-License-Identifier: Apache-2.0

// Package test holds end-to-end tests: the programs as processes of their own, against a real API server and the
// simulator over HTTP. It has no code that anything else uses.
package test
