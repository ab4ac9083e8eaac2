// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// A store that has failed ends the program at once, whatever is still to do.
func TestAFailedStoreEndsTheProgram(t *testing.T) {
	broken := fmt.Errorf("%w: input/output error", queue.ErrFailed)
	other := errors.New("something else")
	for name, test := range map[string]struct {
		failsAfter, worksFor time.Duration
		work, want           error
		within               time.Duration
	}{
		"it works to the end":               {failsAfter: time.Hour, worksFor: time.Minute, work: other, want: other, within: time.Minute},
		"it ends by itself on the failure":  {failsAfter: time.Minute, worksFor: time.Minute + time.Second/2, work: other, want: other, within: time.Minute + time.Second/2},
		"deliveries would take their grace": {failsAfter: time.Minute, worksFor: time.Minute + 25*time.Second, want: queue.ErrFailed, within: time.Minute + lastAnswers},
		"the store hangs while it closes":   {failsAfter: time.Minute, worksFor: 24 * time.Hour, want: queue.ErrFailed, within: time.Minute + lastAnswers},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				r.failed, r.fails = context.WithCancelCause(t.Context())
				time.AfterFunc(test.failsAfter, func() { r.storeFailed(broken) })
				begun, ended := time.Now(), make(chan struct{})
				err := endingWith(r.failed, func() error {
					defer close(ended)
					time.Sleep(test.worksFor)
					return test.work
				})
				if took := time.Since(begun); took != test.within || !errors.Is(err, test.want) {
					t.Errorf("it ended after %s with %v", took, err)
				}
				<-ended
			})
		})
	}
}
