// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at a time, and for no other reason: the notification of a sender
// that has gone away is stored all the same. It sets up a timer only if somebody waits for its end.
// context.WithTimeout always does, which takes 6 % of the CPU time of a request.
type deadline struct {
	context.Context //nolint:containedctx // it has no values
	end             time.Time

	mu    sync.Mutex
	done  chan struct{} // nil until somebody waits
	timer *time.Timer
}

// deadlineIn is a context that ends after so long. It is to be released.
func deadlineIn(most time.Duration) *deadline {
	return &deadline{Context: context.Background(), end: time.Now().Add(most)} //nolint:forbidigo // the clock of the timer
}

func (d *deadline) Deadline() (time.Time, bool) { return d.end, true }

func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		done := make(chan struct{})
		d.done, d.timer = done, time.AfterFunc(time.Until(d.end), func() { close(done) }) //nolint:forbidigo // the clock of the timer
	}
	return d.done
}

func (d *deadline) Err() error {
	if time.Now().Before(d.end) { //nolint:forbidigo // see above
		return nil
	}
	return context.DeadlineExceeded
}

// release stops the timer. Nobody may wait for the end any more.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}
