// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"
	"time"
)

// Somebody who takes the finalizer off at once, each time, makes few writes for a day.
func TestFightOverAFinalizerBacksOff(t *testing.T) {
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h, now, puts := &SecretFinalizer{Present: true}, begun, 0
	var waits []time.Duration
	for now.Before(begun.Add(24 * time.Hour)) {
		h.removed(now)
		wait := max(h.removals.NotBefore.Sub(now), 0)
		waits = append(waits, wait)
		now = now.Add(wait + time.Millisecond)
		h.Present = true
		puts++
		if _, told := h.Contested(now); told != (puts >= ContestedFrom) {
			t.Fatalf("after %d times people are told: %v", puts, told)
		}
	}
	if puts > 300 {
		t.Errorf("%d writes in a day", puts)
	}
	for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second} {
		if waits[i] != want {
			t.Errorf("wait %d is %s, want %s", i, waits[i], want)
		}
	}
	if last := waits[len(waits)-1]; last != maxBackoff {
		t.Errorf("the last wait is %s, want %s", last, maxBackoff)
	}
	if until, _ := h.Contested(now); until.Before(now.Add(maxBackoff)) {
		t.Error("the fight looks settled between two rounds")
	}
	now = now.Add(contestedFor + time.Second)
	if _, told := h.Contested(now); told {
		t.Error("people are told of a fight that is over")
	}
	if h.removed(now); h.removals.Waiting(now) {
		t.Error("one that was over for long is not forgotten")
	}
}
