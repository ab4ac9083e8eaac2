// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Queue is what a Dispatcher needs of a queue.Queue.
type Queue interface {
	Get(id queue.ID) (*queue.Record, error)
	Finish(ctx context.Context, outcomes ...queue.Outcome) error
	Items(yield func(queue.Item) bool)
}

// Options say what a Dispatcher works with. Queue, Routes, Service and Event are needed.
type Options struct {
	Queue Queue
	// Routes returns the present table; nil while there is none. It is called often.
	Routes func() *route.Table
	// Service and Event make the attempts, by the kind of target.
	Service, Event Sender
	// Observer is told what happens. Nil: nobody is.
	Observer Observer
	// Clock tells the time. Nil: the system's.
	Clock clock.WithDelayedExecution
	// Random returns a number from 0 to 1 and is called concurrently. Nil: the runtime's.
	Random func() float64
	Logger logr.Logger

	// Grace is how long attempts in flight may go on when Run is to end; then they are cut off, and made again after the
	// next start. 0: DefaultGrace.
	Grace time.Duration
	// LaneInFlight and LaneBytes limit what one target has in flight; one notification always may be. 0: the defaults.
	LaneInFlight int
	LaneBytes    int64
	// FirstInFlight and FirstBytes limit the first that each target has in flight, and SharedInFlight and SharedBytes those beyond, of all
	// targets together. Namespaces have equal rights to both. 0: the defaults.
	FirstInFlight  int
	FirstBytes     int64
	SharedInFlight int
	SharedBytes    int64
	// RemovedAfter is how long what waits is kept for a target that its endpoint no longer has. 0: DefaultRemovedAfter.
	RemovedAfter time.Duration
}

// WaitingBytes is what a lane keeps in memory of a notification, for as many targets as it is counted for once: BenchmarkWaiting measures 32
// for one that was not tried, and one that is to be tried again takes twice that.
const WaitingBytes = 130

// What counts where Options do not say.
const (
	DefaultGrace          = 15 * time.Second
	DefaultLaneInFlight   = 16
	DefaultLaneBytes      = 4 << 20
	DefaultFirstInFlight  = 128
	DefaultFirstBytes     = 32 << 20
	DefaultSharedInFlight = 128
	DefaultSharedBytes    = 32 << 20
	DefaultRemovedAfter   = 10 * time.Minute
)

const (
	// orphanedAfter is how long what waits is kept for an endpoint that is not there any more; its retry.maxAge if that is longer, as far
	// as this process knows.
	orphanedAfter = 72 * time.Hour
	// openGrace is how long what is too old is still tried for, when the receiver has started or an endpoint is back.
	openGrace = 10 * time.Minute
)

func (o Options) withDefaults() Options {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	orDefault(&o.Grace, DefaultGrace)
	orDefault(&o.LaneInFlight, DefaultLaneInFlight)
	orDefault(&o.LaneBytes, DefaultLaneBytes)
	orDefault(&o.FirstInFlight, DefaultFirstInFlight)
	orDefault(&o.FirstBytes, DefaultFirstBytes)
	orDefault(&o.SharedInFlight, DefaultSharedInFlight)
	orDefault(&o.SharedBytes, DefaultSharedBytes)
	orDefault(&o.RemovedAfter, DefaultRemovedAfter)
	return o
}

func orDefault[T int | int64 | time.Duration](value *T, otherwise T) {
	if *value <= 0 {
		*value = otherwise
	}
}

type nobody struct{}

func (nobody) AttemptEnded(Attempt) {}
