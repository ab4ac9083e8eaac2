// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"
	"time"
)

// A write is verified as soon as it may be: at once for the first ones, and then once each
// interval. After a pause there is as much room again.
func TestListsArePaced(t *testing.T) {
	const interval = 5 * time.Second
	s := &Schedule{interval: interval}
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	now := start
	list := func(want time.Duration) {
		t.Helper()
		if at := s.verifyAt(); at.After(now) {
			now = at
		}
		if got := now.Sub(start); got != want {
			t.Errorf("listed after %s, want %s", got, want)
		}
		s.called(now, now.Add(time.Hour))
	}
	for _, want := range []time.Duration{0, 0, 0, interval, 2 * interval} {
		list(want)
	}
	now = start.Add(time.Minute)
	for _, want := range []time.Duration{time.Minute, time.Minute, time.Minute, time.Minute + interval} {
		list(want)
	}
}
