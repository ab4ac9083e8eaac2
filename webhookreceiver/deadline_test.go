// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestADeadlineEndsInTime(t *testing.T) {
	for name, waitsBefore := range map[string]bool{"waited for before": true, "waited for after": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deadlineIn(time.Second)
				defer d.release()
				if waitsBefore {
					d.Done()
				}
				time.Sleep(time.Second - 1)
				synctest.Wait()
				select {
				case <-d.Done():
					t.Error("it has ended too early")
				default:
				}
				if err := d.Err(); err != nil {
					t.Errorf("too early: %v", err)
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				select {
				case <-d.Done():
				default:
					t.Error("it has not ended")
				}
				if err := d.Err(); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// Nothing is left behind by a request that waited: synctest fails for a timer's goroutine, and this for an end that comes all the same.
func TestAReleasedDeadlineDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deadlineIn(time.Second)
		done := d.Done()
		d.release()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		select {
		case <-done:
			t.Error("the timer was not stopped")
		default:
		}
	})
}

func TestContextsOfADeadlineEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deadlineIn(time.Second)
		defer d.release()
		child, cancel := context.WithCancel(d)
		defer cancel()
		<-child.Done()
		if err := child.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
