// SPDX-License-Identifier: Apache-2.0

// Package verdict decides what the manager says about objects. It turns resolved objects, and the
// findings of a plan, into conditions and messages. The manager writes them, and a forecast shows
// them. It is pure.
package verdict
