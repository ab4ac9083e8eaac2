// SPDX-License-Identifier: Apache-2.0

// Package metrics is what Prometheus sees of the receiver. docs/receiver-metrics.md says what each metric means.
//
//	m, err := metrics.New(registry, metrics.Options{Reasons: …, Queue: q.Stats, Lanes: dispatcher.Lanes, …})
//	m.Sync(table)                              // with each new table of routes
//	m.Stored, Duplicate, Rejected, Answered    // the handler
//	m.AttemptEnded                             // delivery.Options.Observer
//	m.Committed, m.Forgotten                   // queue.Options.OnCommit, OnForgotten
//	m.Suppressed                               // events.Options.Suppressed
//
// Labels come from the routes and from closed sets, never from a request: an event type that Cloudinary does not document is "other". The
// series of what the routes do not have any more go.
// What is counted for each request is resolved in advance.
package metrics
