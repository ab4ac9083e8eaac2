// SPDX-License-Identifier: Apache-2.0

// Package proof runs the manager's real passes in a simulated world, and ends its process wherever
// that can happen: at each step, and in the middle of any call. Whatever happens, in the end no
// trigger may be leaked, doubled or lost, and no foreign one touched. docs/proof.md says what is
// simulated and how a run is repeated. It has tests only.
//
// The manager knows nothing of this. A step is a place at its edge: right before or right after it
// asks something of the API server or of Cloudinary (edge_test.go). No step is needed between two
// computations, as in these places:
//
//   - After the objects were gathered: nothing is asked between the list of triggers, which is the
//     last read, and the first use of what was read. People who change something, and events, are
//     at the step after that list.
//   - After a plan was made: the plan is a function of what was read. To end here is to end after
//     the last read. To stand still here is to stand still before the first write or call: the plan
//     is as old there, and the lease is looked at again before each of them. A plan that leads to
//     neither is not seen by anybody.
//   - Between the takers and the givers of a hand-over: the last write of a taker, or the read that
//     confirms it, is followed by the first write of a giver.
//   - Between the halves of a replacement: the delete is followed by the create.
//   - Before and after the records and the report: these are several writes of status, each with
//     steps of its own.
package proof
