// SPDX-License-Identifier: Apache-2.0

// Package receiverproof runs the receiver's real parts in a simulated world, on simulated time, and ends their process wherever
// that can happen. Each row of docs/delivery.md is a clause that a run holds them to, and has to come by. docs/proof.md says
// what is simulated, and how a history is repeated. It has tests only.
package receiverproof
