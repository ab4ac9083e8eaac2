// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"time"
)

// store holds the triggers, oldest first, and as much of their past as a lagging LIST needs. It is not safe for concurrent use.
type store struct {
	lag     time.Duration
	history []snapshot // oldest first
}

type snapshot struct {
	since    time.Time
	triggers []trigger
}

func newStore(lag time.Duration) *store {
	return &store{lag: lag, history: []snapshot{{}}}
}

// current are the triggers as they are. The caller does not change the slice.
func (s *store) current() []trigger {
	return s.history[len(s.history)-1].triggers
}

// lagging are the triggers as they were one lag ago.
func (s *store) lagging(now time.Time) []trigger {
	s.forget(now)
	return s.history[0].triggers
}

// forget drops every state that no LIST can show any more: all that were replaced at least one lag ago.
func (s *store) forget(now time.Time) {
	shown := now.Add(-s.lag)
	for len(s.history) > 1 && !s.history[1].since.After(shown) {
		s.history = s.history[1:]
	}
}

func (s *store) change(now time.Time, triggers []trigger) {
	s.history = append(s.history, snapshot{since: now, triggers: triggers})
	s.forget(now)
}

func (s *store) find(id string) (trigger, bool) {
	triggers := s.current()
	i := slices.IndexFunc(triggers, func(t trigger) bool { return t.id == id })
	if i < 0 {
		return trigger{}, false
	}
	return triggers[i], true
}

func (s *store) add(now time.Time, t trigger) {
	s.change(now, append(slices.Clone(s.current()), t))
}

func (s *store) replace(now time.Time, t trigger) {
	triggers := slices.Clone(s.current())
	for i := range triggers {
		if triggers[i].id == t.id {
			triggers[i] = t
		}
	}
	s.change(now, triggers)
}

func (s *store) remove(now time.Time, id string) {
	s.change(now, slices.DeleteFunc(slices.Clone(s.current()), func(t trigger) bool { return t.id == id }))
}
