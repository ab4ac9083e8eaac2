// SPDX-License-Identifier: Apache-2.0

// Package cloudinary speaks the part of Cloudinary's Admin API that manages webhook triggers, and reads the
// credentials for it out of a Kubernetes Secret's data.
//
// It answers what the server said and how sure that is. It must not decide what to do about an answer: it does not
// retry, wait, cache, or compare triggers. It does not know Kubernetes, keeps no state between calls but idle
// connections, and lets no secret, server body or tokenised URL into an error or a log line.
package cloudinary
