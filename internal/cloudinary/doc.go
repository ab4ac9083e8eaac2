// SPDX-License-Identifier: Apache-2.0

// Package cloudinary speaks the part of Cloudinary's Admin API that manages webhook triggers, and
// reads the credentials for it out of a Kubernetes Secret's data.
//
// It reports the server's answer, and whether a call may have had an effect. It does not decide
// what to do about an answer: it does not retry, wait, cache, or compare triggers. It does not know
// Kubernetes and keeps no state between calls except idle connections. No secret, server body or
// URL with a token gets into an error or a log line.
package cloudinary
