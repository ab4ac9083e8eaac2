// SPDX-License-Identifier: Apache-2.0

// Package proof runs the manager's real passes in a simulated world, and ends its process wherever that can happen: between any
// two steps and in the middle of any call. Whatever happens, in the end no trigger may be leaked, doubled or lost, and no foreign
// one touched. docs/proof.md says what is simulated and how a run is repeated. It has tests only.
package proof
