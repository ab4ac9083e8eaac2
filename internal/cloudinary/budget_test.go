// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// server counts calls as Cloudinary does: a window at a time, aligned to the clock.
type server struct {
	limit, used int
	reset       time.Time
}

func (s *server) call(now time.Time) (RateLimit, bool) {
	if !now.Before(s.reset) {
		s.used, s.reset = 0, now.Truncate(window).Add(window)
	}
	if s.used >= s.limit {
		return RateLimit{Limit: s.limit, Remaining: 0, Reset: s.reset}, false
	}
	s.used++
	return RateLimit{Limit: s.limit, Remaining: s.limit - s.used, Reset: s.reset}, true
}

func TestBudgetLeft(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	reset := noon.Add(time.Hour)
	learned := func(spent int, r RateLimit) *Budget {
		b := &Budget{Share: 0.5, ListInterval: time.Minute}
		b.Learn(RateLimit{Limit: r.Limit, Remaining: r.Limit, Reset: r.Reset}, noon)
		b.Spend(spent, noon)
		b.Learn(r, noon)
		return b
	}
	for name, c := range map[string]struct {
		budget *Budget
		at     time.Time
		want   [3]int // by purpose
	}{
		"a server that tells nothing allows anything": {
			&Budget{Share: 0.5}, noon, [3]int{math.MaxInt, math.MaxInt, math.MaxInt},
		},
		"half of the plan is ours, of which lists and people come first": {
			learned(0, RateLimit{Limit: 500, Remaining: 500, Reset: reset}), noon, [3]int{250, 189, 126},
		},
		"what was spent is gone": {
			learned(100, RateLimit{Limit: 500, Remaining: 400, Reset: reset}), noon, [3]int{150, 89, 26},
		},
		"late in the hour fewer lists are kept for": {
			learned(100, RateLimit{Limit: 500, Remaining: 400, Reset: reset}), noon.Add(50 * time.Minute), [3]int{150, 139, 76},
		},
		"others have used all but the last calls, which are never touched": {
			learned(10, RateLimit{Limit: 500, Remaining: 27, Reset: reset}), noon.Add(55 * time.Minute), [3]int{2, 0, 0},
		},
		"after the reset there is a new share": {
			learned(250, RateLimit{Limit: 500, Remaining: 0, Reset: reset}), reset.Add(resetSlack), [3]int{250, 190, 127},
		},
		"until the reset has surely passed there is none": {
			learned(250, RateLimit{Limit: 500, Remaining: 250, Reset: reset}), reset, [3]int{0, 0, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for p, want := range c.want {
				if got := c.budget.Left(Purpose(p), c.at); got != want {
					t.Errorf("purpose %d: %d calls, want %d", p, got, want)
				}
			}
		})
	}
}

func TestBudgetAfterARestart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	b := &Budget{Share: 0.5}
	b.Spend(1, now)
	b.Learn(RateLimit{Limit: 500, Remaining: 300, Reset: now.Add(30 * time.Minute)}, now)
	if got, want := b.Left(Listing, now), 50; got != want {
		t.Errorf("%d calls left where 200 of 500 may have been the predecessor's, want %d", got, want)
	}
}

func TestBudgetStretchesLists(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := &Budget{Share: 0.5}
	if got := b.Stretch(10*time.Second, now); got != 10*time.Second {
		t.Errorf("without a limit: %s", got)
	}
	b.Learn(RateLimit{Limit: 120, Remaining: 120, Reset: now.Add(time.Hour)}, now)
	if got, want := b.Stretch(10*time.Second, now), time.Minute; got < want || got > want+time.Second {
		t.Errorf("60 calls in an hour: one each %s, want %s", got, want)
	}
}

// However calls, restarts, resets and other people's calls fall: in no window is more spent than
// the share, and one call for each start.
func TestBudgetHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &server{limit: rapid.SampledFrom([]int{20, 100, 500, 2000}).Draw(t, "limit")}
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 3599).Draw(t, "start")) * time.Second)
		fresh := func() *Budget { return &Budget{Share: 0.5, ListInterval: time.Minute} }
		b, ours, starts, windowEnd := fresh(), 0, 0, time.Time{}
		call := func() {
			limit, ok := s.call(now)
			if !s.reset.Equal(windowEnd) {
				ours, starts, windowEnd = 0, 0, s.reset
			}
			if ok {
				ours++
			}
			b.Spend(1, now)
			b.Learn(limit, now)
		}
		call()
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			switch rapid.IntRange(0, 4).Draw(t, "event") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(1, 2400).Draw(t, "seconds")) * time.Second)
			case 1:
				for range rapid.IntRange(1, s.limit/4).Draw(t, "others") {
					s.call(now)
				}
			case 2:
				b = fresh()
				starts++
				call()
			default:
				p := Purpose(rapid.IntRange(0, 2).Draw(t, "purpose"))
				for n := rapid.IntRange(0, s.limit).Draw(t, "calls"); n > 0 && b.Left(p, now) > 0; n-- {
					call()
				}
			}
			if ours > s.limit/2+starts {
				t.Fatalf("%d of %d calls in a window with %d starts", ours, s.limit, starts)
			}
		}
	})
}
