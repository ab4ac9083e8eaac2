// SPDX-License-Identifier: Apache-2.0

// Package report is what a person sees of the receiver: status.receiver and the conditions Verifying and Delivering of an endpoint, and
// the last notification of a trigger.
//
//	handler    → Recorder.Stored, Duplicate, Rejected   counters in memory: quick, no allocation
//	dispatcher → Recorder.AttemptEnded
//	Recorder.Run   keeps the totals in the queue's store, so that a restart goes on counting
//	Writer.Run     works out status from the Recorder, the dispatcher's lanes and the queue, and writes what changed
//
// A change of a condition is written at once, numbers once a minute an object, and no more than five objects a second. Status is
// written through internal/statusapply: the manager's part of it stays as it is.
//
// To use it:
//
//	recorder, err := report.NewRecorder(report.RecorderOptions{…, Store: queue})
//	recorder.Sync(table)               // with each new table of routes, before the handler sees it
//	go recorder.Run(ctx)               // until the dispatcher has stopped, and before the queue is closed
//	writer := report.NewWriter(report.WriterOptions{Recorder: recorder, …})
//	go writer.Run(ctx)
//
// The package must not look into a body, and what it writes holds no secret, no URL with a query, and nothing of who did what.
package report
