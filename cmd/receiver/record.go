// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// recorder tells of requests to status, metrics and log.
type recorder struct {
	*receiver
	log      logr.Logger
	refusals *webhookreceiver.RefusalLog
}

// Stored is a new notification, which is on disk.
func (r *recorder) Stored(e *route.Endpoint, id queue.ID, record *queue.Record, n *notification.Notification) {
	r.recorder.Stored(e, id, record, n)
	r.metrics.Stored(e, record.EventType)
	logStored(r.log, e, id, record)
}

// logStored writes the one line of the log for each notification; the body is no part of it.
func logStored(log logr.Logger, e *route.Endpoint, id queue.ID, record *queue.Record) {
	about := []any{"id", uint64(id), "endpoint", e.Key, "eventType", record.EventType, "targets", len(record.Targets)}
	if t := e.TriggerFor(record.EventType); t != nil {
		about = append(about, "trigger", t.Key)
	}
	log.Info("Stored", about...)
}

// Duplicate is a notification that is stored already.
func (r *recorder) Duplicate(e *route.Endpoint) {
	r.recorder.Duplicate(e)
	r.metrics.Duplicate(e)
}

// Rejected counts a request that was refused. Anybody can send those, so that each is a line of the log only for debugging.
func (r *recorder) Rejected(e *route.Endpoint, reason webhookreceiver.Reason, guessed bool) {
	r.metrics.Rejected(e, string(reason))
	if e != nil {
		r.recorder.Rejected(e, string(reason), guessed)
	}
	r.refusals.Refused(e, reason)
	if log := r.log.V(1); log.Enabled() {
		log.Info("Refused", "reason", reason)
	}
}

// Answered counts an answer.
func (r *recorder) Answered(status int, took time.Duration) { r.metrics.Answered(status, took) }
