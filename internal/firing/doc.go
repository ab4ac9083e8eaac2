// SPDX-License-Identifier: Apache-2.0

// Package firing decides what Cloudinary decides if something happens: whether a trigger's filter
// lets the notification through, and which body its payload template makes. The kubectl plugin
// rehearses triggers with it, and the simulator fires them with it.
//
// It is pure. Cloudinary does not publish its rules for everything: README.md of internal/simulator
// lists the assumptions.
package firing
