// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const (
	// recordAtOnce is how many outcomes go into one write of the queue at most.
	recordAtOnce = 512

	minRecordPause = 100 * time.Millisecond
	maxRecordPause = 10 * time.Second
	// lastWrites is how long the outcomes of the last attempts may take to be noted at the end.
	lastWrites = 5 * time.Second
)

// result is an outcome and whom to tell when the queue has noted it.
type result struct {
	outcome queue.Outcome
	track   *track
}

// recorder has the queue note outcomes, in the order in which they came, many at once. What the queue does not take is offered to it
// again, for as long as the queue may take it: the delivery is done and must not be repeated.
type recorder struct {
	queue    Queue
	clock    clock.Clock
	logger   logr.Logger
	recorded func([]result) // told in the end
	wake     chan struct{}

	mu      sync.Mutex
	pending []result
}

func newRecorder(o *Options, recorded func([]result)) *recorder {
	return &recorder{queue: o.Queue, clock: o.Clock, logger: o.Logger, recorded: recorded, wake: make(chan struct{}, 1)}
}

func (r *recorder) add(results ...result) {
	if len(results) == 0 {
		return
	}
	r.mu.Lock()
	r.pending = append(r.pending, results...)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recorder) take() []result {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.pending), recordAtOnce)
	batch := r.pending[:n:n]
	r.pending = r.pending[n:]
	if len(r.pending) == 0 {
		r.pending = nil
	}
	return batch
}

// run works until stop is closed and everything is noted, or for lastWrites after that, or until the queue has failed.
func (r *recorder) run(ctx context.Context, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-stop:
		case <-ctx.Done():
			return
		}
		timer := r.clock.NewTimer(lastWrites)
		defer timer.Stop()
		select {
		case <-timer.C():
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		batch := r.take()
		if len(batch) > 0 {
			if err := r.write(ctx, batch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-r.wake:
		case <-stop:
			if r.idle() {
				return nil
			}
		}
	}
}

func (r *recorder) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending) == 0
}

func (r *recorder) write(ctx context.Context, batch []result) error {
	outcomes := make([]queue.Outcome, len(batch))
	for i := range batch {
		outcomes[i] = batch[i].outcome
	}
	for failures := 1; ; failures++ {
		err := r.queue.Finish(ctx, outcomes...)
		if err == nil {
			r.recorded(batch)
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, queue.ErrFailed) {
			return errors.Join(errUnrecorded, err)
		}
		if failures == 1 {
			r.logger.Error(err, "Outcomes of deliveries cannot be noted; they will be made again if the receiver stops now")
		}
		timer := r.clock.NewTimer(backoff(failures, minRecordPause, maxRecordPause, 1))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(errUnrecorded, err)
		}
	}
}

var errUnrecorded = errors.New("deliveries were made that the queue has not noted; they will be made again")
