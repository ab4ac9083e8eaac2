// SPDX-License-Identifier: Apache-2.0

// Package livecheck finds out, by calls to a real product environment, how Cloudinary's Admin API behaves where its documentation
// does not say. It makes triggers at URLs of its own, watches what becomes of them, and deletes them again however it ends. It must
// not touch any other trigger, and must not print what a credential or a foreign trigger holds.
package livecheck
