// SPDX-License-Identifier: Apache-2.0

// Package delivery takes notifications from the queue to the targets that their endpoints name: at least once, in order where
// order matters, and so that no target waits for another. What each target still has to get is a lane; a lane has workers and a budget
// of its own, tries again with growing pauses, and stops for a while when its target as a whole does not answer.
//
// It must not decide which targets get a notification, nor know how one is sent: that is up to Senders. Nothing is given up, and
// nothing counts as delivered, before the queue knows.
package delivery

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Delivery is one attempt to take a notification to a target.
type Delivery struct {
	ID queue.ID
	// Record is the Sender's for as long as Send runs.
	Record *queue.Record
	// Endpoint and Target are what the routes said when the attempt began. They must not be changed.
	Endpoint *route.Endpoint
	Target   *route.Target
	// Attempt counts from 1, since this process has known of the delivery.
	Attempt int
}

// IdempotencyKey is the same for every attempt to deliver a notification, to whichever target.
func (d *Delivery) IdempotencyKey() string { return hex.EncodeToString(d.Record.Key[:]) }

// Sender makes attempts. Send may be called concurrently, must return soon after ctx ends, and keeps nothing of the Delivery.
type Sender interface {
	Send(ctx context.Context, d *Delivery) Result
}

// Verdict is how an attempt ended.
type Verdict int

// The verdicts.
const (
	// Failed means that the notification will be tried again. Such failures of several notifications in a row are held
	// against the target as a whole. It is the zero value, so that a forgotten verdict loses nothing.
	Failed Verdict = iota
	// Delivered means that the target has it.
	Delivered
	// Refused means that the target works, and will never take this notification: a dead letter.
	Refused
	// Suppressed means that it is dropped by design, as a Kubernetes Event over the budget is.
	Suppressed
)

// Result is what came of an attempt.
type Result struct {
	Verdict Verdict
	// StatusCode is what the target answered; 0 where it did not.
	StatusCode int
	// RetryAfter is how long the target asks to be left alone; at most an hour of it is heeded. With the status 429 or
	// 503 it is left alone altogether.
	RetryAfter time.Duration
	// Message says what went wrong and what to do, in words fit for a status: no body, no secret, no query.
	Message string
}

// Outcome is what an attempt meant for the notification. The values are fit for a metric's label.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeRetried   Outcome = "retried"
	OutcomeDead      Outcome = "dead"
	OutcomeDiscarded Outcome = "discarded"
)

// Outcomes are all of them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeDelivered, OutcomeRetried, OutcomeDead, OutcomeDiscarded}
}

// Attempt is an attempt that has ended, or the end of a delivery without one.
type Attempt struct {
	ID       queue.ID
	Endpoint queue.Endpoint
	Target   string
	// EventType and ReceivedAt are zero where the notification was not read: it was given up for its age, or dropped.
	EventType  string
	ReceivedAt time.Time
	// Number counts the attempts so far, this one included.
	Number int
	// Tried reports whether this was an attempt; if not, StatusCode and Duration are 0.
	Tried      bool
	StatusCode int
	Duration   time.Duration
	EndedAt    time.Time
	Outcome    Outcome
	// RetryAt is not before when it will be tried again, if it will.
	RetryAt time.Time
	// Message is empty for what was delivered, and at most 256 bytes.
	Message string
}

// StatusClass is 2xx, 3xx, 4xx, 5xx, other, or none where there was no answer: fit for a metric's label.
func (a *Attempt) StatusClass() string {
	switch class := a.StatusCode / 100; {
	case a.StatusCode == 0:
		return "none"
	case class >= 2 && class <= 5:
		return strconv.Itoa(class) + "xx"
	default:
		return "other"
	}
}

// Observer is told what happens. Its method is called concurrently, possibly from Announce: it must not block, nor call the queue or the
// Dispatcher.
type Observer interface {
	// AttemptEnded is called when an attempt has ended, before the queue has noted its outcome.
	AttemptEnded(a Attempt)
}

// LaneStats is how one target's deliveries stand.
type LaneStats struct {
	Endpoint queue.Endpoint
	Target   string
	// Waiting is how many deliveries are not done yet, those that are retried or in flight included.
	Waiting int
	// Retrying have failed at least once and wait for another attempt.
	Retrying int
	InFlight int
	// Unrecorded are done, and the queue has yet to note it.
	Unrecorded int
	// Oldest is when the first of those waiting was received, or was redriven; zero if none is.
	Oldest time.Time
	// PausedUntil is when the target is tried again, after it failed as a whole; zero if it is not paused. It is in the
	// past while the first attempt after a pause runs.
	PausedUntil time.Time
	// LastFailure is the message of the last attempt that failed, as long as anything waits.
	LastFailure string
	// Routed says that the routes have the target. What waits for one that they do not have is discarded after a while.
	Routed bool
}
