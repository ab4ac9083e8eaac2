// SPDX-License-Identifier: Apache-2.0

// Package rights runs manager and receiver as config/ installs them, with their service accounts' own tokens and nothing beyond, through
// what they do in a cluster, and reads in the API server's audit log what they asked for: nothing may be refused, and nothing may be
// granted that is not asked for. It has tests only.
package rights
