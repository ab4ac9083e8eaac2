// SPDX-License-Identifier: Apache-2.0

// Package verdict decides what is said of objects: it turns what was resolved, and what a plan
// found, into conditions and messages. The manager writes them, and a forecast shows them. It is
// pure.
package verdict
