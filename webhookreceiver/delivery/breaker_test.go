// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func TestBackoff(t *testing.T) {
	cases := map[string]struct {
		n           int
		least, most time.Duration
	}{
		"the first":            {1, time.Second / 2, time.Second},
		"the second":           {2, time.Second, 2 * time.Second},
		"the ninth":            {9, 128 * time.Second, 256 * time.Second},
		"the tenth is bounded": {10, 150 * time.Second, 300 * time.Second},
		"so is any later one":  {100_000, 150 * time.Second, 300 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if least, most := backoff(c.n, minBackoff, maxBackoff, 0), backoff(c.n, minBackoff, maxBackoff, 1); least != c.least || most != c.most {
				t.Errorf("from %s to %s, want from %s to %s", least, most, c.least, c.most)
			}
		})
	}
}

func TestBreakerRules(t *testing.T) {
	const now = int64(1_000_000 * time.Hour)
	type event struct {
		id    queue.ID // failed; 0: a success
		probe bool
		asked time.Duration
	}
	failures := func(ids ...queue.ID) (events []event) {
		for _, id := range ids {
			events = append(events, event{id: id})
		}
		return events
	}
	cases := map[string]struct {
		events []event
		pause  time.Duration
		why    string
	}{
		"four in a row":              {failures(1, 2, 3, 4), 0, "five are needed"},
		"five in a row":              {failures(1, 2, 3, 4, 5), time.Second, ""},
		"a success between":          {failures(1, 2, 3, 0, 4, 5, 6), 0, "it works for some"},
		"one that fails for ever":    {failures(1, 1, 1, 1, 1, 1, 1, 1), 0, "it is the notification's fault"},
		"two that fail for ever":     {failures(1, 2, 1, 2, 1, 2, 1, 2), 0, "it is the notifications' fault"},
		"more in flight that fail":   {failures(1, 2, 3, 4, 5, 6, 7), time.Second, "they began before the pause"},
		"one in flight that goes on": {failures(1, 2, 3, 4, 5, 0), 0, "the target works after all"},
		"a probe that fails":         {append(failures(1, 2, 3, 4, 5), event{id: 6, probe: true}), 2 * time.Second, "pauses double"},
		"a probe that succeeds":      {append(failures(1, 2, 3, 4, 5), event{probe: true}), 0, ""},
		"many probes that fail": {append(failures(1, 2, 3, 4, 5), event{id: 6, probe: true}, event{id: 6, probe: true}, event{id: 6, probe: true},
			event{id: 6, probe: true}, event{id: 6, probe: true}, event{id: 6, probe: true}, event{id: 6, probe: true}, event{id: 6, probe: true}), 2 * time.Minute, "pauses are bounded"},
		"the target asks":                    {[]event{{id: 1, asked: time.Minute}}, time.Minute, "at once"},
		"the target asks, and others go on":  {[]event{{id: 1, asked: time.Minute}, {}}, time.Minute, "they began before it asked"},
		"the target asks for less":           {[]event{{id: 1, asked: time.Minute}, {id: 2, asked: time.Second}}, time.Minute, ""},
		"the target asks, and a probe works": {[]event{{id: 1, asked: time.Minute}, {probe: true}}, 0, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var b breaker
			for _, e := range c.events {
				if e.id == 0 {
					b.succeeded(e.probe)
				} else {
					b.failedFor(e.id, e.probe, e.asked, now, 1)
				}
			}
			want := int64(0)
			if c.pause > 0 {
				want = now + int64(c.pause)
			}
			if b.until != want {
				t.Errorf("paused for %s, want %s: %s", time.Duration(b.until-now), c.pause, c.why)
			}
		})
	}
}
