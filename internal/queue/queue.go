// SPDX-License-Identifier: Apache-2.0

// Package queue keeps notifications on disk from the moment they are answered with 200 until each of their targets is done
// with them, and knows for a while which ones it has already seen. Accepting, deduplicating, finishing and setting aside are each one
// atomic, durable write; whatever waits is written together. What was damaged on disk is reported, never handed out as if
// whole, and a store that cannot be read is never made anew.
//
// It must not deliver, retry, verify or interpret: a body is bytes to it. It starts no work of its own accord but to tidy up.
package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrFull means that as many notifications, or bytes of them, are unfinished as the limits allow. It passes when some
	// are finished.
	ErrFull = errors.New("the queue is full")
	// ErrEndpointFull is an ErrFull for one endpoint alone: it holds so much of the queue that the rest is left to others. It passes when
	// some of its own notifications, or enough of others', are finished.
	ErrEndpointFull = fmt.Errorf("%w for this endpoint, which leaves the rest to others", ErrFull)
	// ErrDiskFull means that the volume has too little room left to accept anything. It passes when there is room.
	ErrDiskFull = errors.New("the queue's volume is full")
	// ErrTooLarge means that this one notification, or these states, exceed what the queue could ever hold.
	ErrTooLarge = errors.New("too large for the queue")
	// ErrClosed means that Close was called.
	ErrClosed = errors.New("the queue is closed")
	// ErrFailed means that a write failed in a way after which nothing is known about the disk. Nothing is accepted any
	// more; the process has to be started anew.
	ErrFailed = errors.New("the queue's store has failed")
	// ErrNotFound means that nothing unfinished has this ID.
	ErrNotFound = errors.New("no such notification")
	// ErrDamaged means that something was stored and cannot be read.
	ErrDamaged = errors.New("damaged on disk")
)

// ID tells notifications apart and orders them by acceptance. IDs are never reused; zero is none.
type ID uint64

// Endpoint names the NotificationEndpoint that a notification came in for.
type Endpoint struct{ Namespace, Name string }

// String is how an endpoint is named in a log.
func (e Endpoint) String() string { return e.Namespace + "/" + e.Name }

// Header is one line of a request's header.
type Header struct{ Name, Value string }

// Record is a notification as it was received.
type Record struct {
	// Key is the deduplication key. Its first 16 bytes alone must tell two keys apart.
	Key [32]byte
	// KeyExpires is until when a second record with the same key is a duplicate, to the second. The zero time: not at all.
	KeyExpires time.Time
	Endpoint   Endpoint
	ReceivedAt time.Time
	EventType  string
	// OrderKey is the same for notifications that are to be delivered in order; 0: unordered.
	OrderKey uint64
	// Header holds the original header lines that go along, in order.
	Header []Header
	Body   []byte
	// Targets are the names of those that are to get it, each once, at most 256. With none, the notification is stored and finished in
	// one: only its key stays.
	Targets []string
}

// PutResult tells what became of a record.
type PutResult struct {
	// ID is that of the new notification; zero for a duplicate.
	ID ID
	// Duplicate means that a record with this key is already there, durably, so nothing was stored.
	Duplicate bool
}

// Item is one notification for one target: what is needed to plan its delivery.
type Item struct {
	ID         ID
	Endpoint   Endpoint
	Target     string
	EventType  string
	OrderKey   uint64
	ReceivedAt time.Time
	// Size is how many bytes the notification takes up, as the limits count.
	Size int
	// Dead means that it is a dead letter: kept, not to be delivered before a redrive.
	Dead bool
	// Reason says why it is dead.
	Reason string
	// Redriven means that it was a dead letter, and is pending again.
	Redriven bool
}

// Kind is how a target was done with a notification.
type Kind uint8

// The kinds of outcomes.
const (
	// Delivered ends the notification for the target.
	Delivered Kind = iota + 1
	// Dead makes it a dead letter of the target.
	Dead
	// Discarded ends it undelivered. It is the only outcome that a dead letter can have.
	Discarded
)

// Outcome is how one target was done with one notification.
type Outcome struct {
	ID     ID
	Target string
	Kind   Kind
	// Reason says why it is dead, in words that may be shown; 256 bytes of it are kept.
	Reason string
}

// Selection chooses dead letters. What is left out chooses all.
type Selection struct {
	// Endpoint is the one that they came in for; an empty part of it is any.
	Endpoint Endpoint
	// Target is the one that they were given up for; "" is any.
	Target string
	// IDs are those of their notifications. nil: any; an empty list that is not nil: none.
	IDs []ID
}

// Letter tells one dead letter from all others: a notification may be one for each of its targets.
type Letter struct {
	ID     ID
	Target string
}

// Stats is the state of a queue in numbers.
type Stats struct {
	// Pending and Dead count items, so a notification once for each target.
	Pending, Dead int
	// Notifications is how many are unfinished. Counted is how many that are as MaxNotifications counts, and Bytes what they take up.
	Notifications int
	Counted       int
	Bytes         int64
	// DiskBytes is the room that the store takes up on its volume.
	DiskBytes int64
	// Keys is how many deduplication keys are remembered.
	Keys int
	// OldestPending is when the oldest pending notification was received; zero if there is none.
	OldestPending time.Time
	// Damaged counts notifications found damaged since Open.
	Damaged int
	// ForgottenKeys counts deduplication keys forgotten before they expired, since Open.
	ForgottenKeys int
	// EvictedDead counts dead letters discarded to make room for new notifications, since Open.
	EvictedDead int
}

// Queue is a durable queue with deduplication and dead letters. Its methods may be called concurrently.
type Queue interface { //nolint:interfacebloat // one contract, held as a whole by the conformance suite
	// Put stores a record. When it returns nil, the record is durable, or a duplicate of one that is. The record must not be
	// changed meanwhile. When ctx ends first, the record is not stored, unless it was being written.
	Put(ctx context.Context, r *Record) (PutResult, error)
	// Known reports whether a record with this key is there, as Put would find, and whether it is durable. It neither waits nor writes: only
	// what Put says holds for a record that is not durable yet.
	Known(key [32]byte) (known, durable bool)
	// Get reads an unfinished notification. The result is the caller's.
	Get(id ID) (*Record, error)
	// Finish notes how targets were done with notifications; when it returns nil, durably. When ctx ends first, nothing is noted, unless it was
	// being written. An outcome for something that is not there, or not pending any more, changes nothing, except that a dead letter can be
	// discarded.
	Finish(ctx context.Context, outcomes ...Outcome) error
	// Redrive makes dead letters pending again, which their items say from then on, and returns how many, also beside an error: those
	// durably.
	Redrive(ctx context.Context, which Selection) (int, error)
	// Discard ends dead letters undelivered, and returns how many, also beside an error: those durably. discarded is called for
	// each of them after that, by the caller's goroutine.
	Discard(ctx context.Context, which Selection, discarded func(Item)) (int, error)
	// DeadLetters lists dead letters in order of ID and of the notification's targets, at most limit of those that come after
	// one of them, which need not be there any more. Fewer than limit are all that are left.
	DeadLetters(which Selection, after Letter, limit int) []Item
	// ItemsOf lists the unfinished items of a notification, pending or dead, in order of its targets. None: it is done with.
	ItemsOf(id ID) []Item
	// Items calls yield for each unfinished item in order of ID, pending or dead, until it returns false.
	Items(yield func(Item) bool)
	// Stats may be called often.
	Stats() Stats
	// States calls yield for each small value whose name begins with a prefix, in order of name, until it returns false. The value is
	// the caller's.
	States(prefix string, yield func(name string, value []byte) bool) error
	// SetStates durably stores small values under their names, all of them in one write. An empty value takes out what was there. Names
	// and values may have MaxStateBytes together.
	SetStates(values map[string][]byte) error
	// Close waits for what is being written. Everything that was accepted is then on disk.
	Close() error
}
