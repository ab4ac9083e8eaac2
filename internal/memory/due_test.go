// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"
	"time"
)

func TestWhenAListIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const interval = 5 * time.Second
	// listed is an environment that was listed a minute ago and is due in an hour.
	listed := Schedule{interval: interval, Listed: now.Add(-time.Minute), paced: now.Add(-time.Minute), Next: now.Add(time.Hour)}
	for name, test := range map[string]struct {
		change   func(*Schedule)
		doubting bool
		due      bool
		at       time.Time
	}{
		"nothing has changed":                 {due: false, at: listed.Next},
		"nothing is known":                    {change: func(s *Schedule) { *s = Schedule{interval: interval} }, due: true},
		"the first list is in doubt":          {change: func(s *Schedule) { s.Listed = time.Time{} }, doubting: true, at: listed.Next},
		"the regular time has come":           {change: func(s *Schedule) { s.Next = now }, due: true, at: now},
		"a write is to be verified":           {change: func(s *Schedule) { s.Wrote() }, due: true, at: listed.paced.Add(-2 * interval)},
		"a write, and lists came fast":        {change: func(s *Schedule) { s.paced = now.Add(3 * interval); s.Wrote() }, at: now.Add(interval)},
		"a write, and steps are left":         {change: func(s *Schedule) { s.Wrote(); s.Finished(false) }, at: listed.paced.Add(-2 * interval)},
		"a write, and all steps were taken":   {change: func(s *Schedule) { s.Wrote(); s.Finished(true) }, due: true, at: listed.paced.Add(-2 * interval)},
		"nobody had credentials for one":      {change: func(s *Schedule) { s.NoCredentials(now.Add(time.Hour)) }, due: true, at: now.Add(time.Hour)},
		"nobody ever had credentials":         {change: func(s *Schedule) { *s = Schedule{}; s.NoCredentials(now.Add(time.Hour)) }, due: true, at: now.Add(time.Hour)},
		"the last one was in doubt":           {change: func(s *Schedule) { s.retry(now) }, at: now.Add(interval)},
		"a list was answered after a write":   {change: func(s *Schedule) { s.Wrote(); s.called(now, now.Add(time.Minute)) }, at: now.Add(time.Minute)},
		"a list was answered after the blind": {change: func(s *Schedule) { s.NoCredentials(now); s.called(now, now.Add(time.Minute)) }, at: now.Add(time.Minute)},
	} {
		s := listed
		if test.change != nil {
			test.change(&s)
		}
		if got := s.due(now, test.doubting); got != test.due {
			t.Errorf("%s: due %t, want %t", name, got, test.due)
		}
		if got := s.nextList(1); !got.Equal(test.at) {
			t.Errorf("%s: the next list is at %s, want %s", name, got, test.at)
		}
	}
}

// What verifies a write may wait for the regular list, which calls are kept for; the first list is
// made in any case.
func TestAListThatVerifiesWaitsWhereCallsAreShort(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	listed := Schedule{Listed: now.Add(-time.Minute), Next: now.Add(time.Hour)}
	due := listed
	due.Next = now
	for name, test := range map[string]struct {
		schedule          Schedule
		changing, listing int
		want              bool
	}{
		"calls for changes are left":           {listed, 1, 1, true},
		"none are, and the regular one is off": {listed, 0, 1, false},
		"none are, at the regular time":        {due, 0, 1, true},
		"no call at all is left":               {due, 0, 0, false},
		"nothing is known":                     {Schedule{}, 0, 0, true},
	} {
		if got := test.schedule.mayList(now, test.changing, test.listing); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
	listed.Wrote()
	if got := listed.nextList(0); !got.Equal(listed.Next) {
		t.Errorf("without calls for changes the next list is at %s, want the regular time", got)
	}
}
