// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// model is what a lane is held against: everything that was added and is not done, in the order in which it was added.
type model struct {
	lane    lane
	terms   terms
	now     int64
	last    queue.ID
	undone  []entry
	flights []*flight
	admit   bool
}

func (m *model) undo(t *rapid.T, id queue.ID) {
	i := slices.IndexFunc(m.undone, func(e entry) bool { return e.id == id })
	if i < 0 {
		t.Fatalf("%d ended and is not there", id)
	}
	m.undone = slices.Delete(m.undone, i, i+1)
}

// look does what the lane says until it says nothing more.
func (m *model) look(t *rapid.T) {
	for {
		s := m.lane.next(m.now, &m.terms, func(b budget, _ int64) bool { return b == ofFirsts || m.admit })
		switch {
		case s.nothing():
			m.rest(t)
			return
		case s.flight != nil:
			m.begun(t, s.flight)
		case s.ended != nil:
			if deadline := m.terms.deadline(s.ended); m.now < deadline {
				t.Fatalf("%d was given up %s early", s.ended.id, time.Duration(deadline-m.now))
			}
			m.undo(t, s.ended.id)
			m.lane.unrecorded--
		}
	}
}

// begun holds an attempt that begins against the rules.
func (m *model) begun(t *rapid.T, f *flight) {
	if !m.terms.open {
		t.Fatalf("%d began while the routes do not have the target", f.id)
	}
	if !m.lane.breaker.closed() && (!f.probe || m.now < m.lane.breaker.until) {
		t.Fatalf("%d began while the lane is paused", f.id)
	}
	bytes := int64(f.size)
	for _, other := range m.flights {
		if other.id == f.id {
			t.Fatalf("%d is in flight twice", f.id)
		}
		if !m.lane.breaker.closed() && other.probe && f.probe {
			t.Fatalf("%d and %d are probes at once", f.id, other.id)
		}
		bytes += int64(other.size)
	}
	if len(m.flights) >= m.lane.width || (len(m.flights) > 0 && bytes > m.lane.maxBytes) {
		t.Fatalf("%d beside %d others, %d bytes in all, are too much", f.id, len(m.flights), bytes)
	}
	first := slices.IndexFunc(m.undone, func(e entry) bool { return e.id == f.id || (f.order != 0 && e.order == f.order) })
	if first < 0 || m.undone[first].id != f.id {
		t.Fatalf("%d began before %+v, which has the same order key", f.id, m.undone[max(first, 0)])
	}
	m.flights = append(m.flights, f)
}

// rest checks what must be true when a lane has nothing to do.
func (m *model) rest(t *rapid.T) {
	if got := m.lane.waiting(); got != len(m.undone) {
		t.Fatalf("the lane has %d, want %d", got, len(m.undone))
	}
	wake := m.lane.wake(m.now, &m.terms)
	if wake != 0 && wake <= m.now {
		t.Fatalf("it wants to be woken %s ago and has nothing to do", time.Duration(m.now-wake))
	}
	if wake == 0 && len(m.flights) == 0 && len(m.undone) > 0 && m.terms.maxAge < 1<<62 {
		t.Fatalf("it sleeps for ever with %d to do", len(m.undone))
	}
	if _, ok := m.lane.oldest(); ok != (len(m.undone) > 0) {
		t.Fatal("something is old though nothing waits, or the other way round")
	}
}

// land ends one attempt.
func (m *model) land(t *rapid.T, i int, how string) {
	f := m.flights[i]
	m.flights = slices.Delete(m.flights, i, i+1)
	why := failure{message: "answered 500", wait: backoff(int(f.attempts), minBackoff, maxBackoff, 0.5), jitter: 0.5}
	switch how {
	case "done":
		m.lane.done(f)
		m.lane.unrecorded--
		m.undo(t, f.id)
	case "gone":
		m.lane.gone(f)
		m.undo(t, f.id)
	case "ours":
		why.ours = true
		m.lane.failed(f, m.now, &m.terms, why)
	case "asks":
		why.asked = time.Minute
		m.lane.failed(f, m.now, &m.terms, why)
	default:
		m.lane.failed(f, m.now, &m.terms, why)
	}
	m.look(t)
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"add": func(t *rapid.T) {
			for range rapid.IntRange(1, 20).Draw(t, "n") {
				m.last++
				e := entry{id: m.last, order: rapid.Uint64Range(0, 4).Draw(t, "order"), since: m.now, size: rapid.Uint32Range(0, 600).Draw(t, "size")}
				m.undone = append(m.undone, e)
				m.lane.add(e)
			}
			m.look(t)
		},
		"land": func(t *rapid.T) {
			if len(m.flights) == 0 {
				t.Skip()
			}
			how := rapid.SampledFrom([]string{"done", "done", "gone", "ours", "asks", "fails", "fails", "fails"}).Draw(t, "how")
			m.land(t, rapid.IntRange(0, len(m.flights)-1).Draw(t, "which"), how)
		},
		"pass": func(t *rapid.T) {
			m.now += int64(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "time"))
			m.look(t)
		},
		"wake": func(t *rapid.T) {
			if at := m.lane.wake(m.now, &m.terms); at != 0 {
				m.now = at
				m.look(t)
			}
		},
		"hasten": func(t *rapid.T) {
			m.lane.hasten()
			m.look(t)
		},
		"routes": func(t *rapid.T) {
			m.terms = rapid.SampledFrom([]terms{
				{open: true, maxAge: time.Hour, kind: queue.Dead},
				{open: true, maxAge: time.Hour, kind: queue.Dead},
				{floor: m.now + int64(time.Minute), kind: queue.Discarded, gone: "the target was removed"},
				waitForEver(),
			}).Draw(t, "terms")
			m.look(t)
		},
		"share": func(t *rapid.T) {
			m.admit = rapid.Bool().Draw(t, "admit")
			m.look(t)
		},
	}
}

// TestLaneProperties holds a lane against the rules whatever happens, and sees that nothing is left when all goes well in the end.
func TestLaneProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			lane: lane{width: rapid.IntRange(1, 6).Draw(t, "width"), maxBytes: 1000}, now: int64(time.Hour), admit: true,
			terms: terms{open: true, maxAge: time.Hour, kind: queue.Dead},
		}
		t.Repeat(m.actions())

		m.admit, m.terms = true, terms{open: true, maxAge: 1000 * time.Hour, kind: queue.Dead}
		m.look(t)
		for range 10*len(m.undone) + 100 {
			if len(m.flights) > 0 {
				m.land(t, 0, "done")
			} else if at := m.lane.wake(m.now, &m.terms); at != 0 {
				m.now = at
				m.look(t)
			}
		}
		if len(m.undone) > 0 || !m.lane.empty() || len(m.lane.keys) > 0 || m.lane.bytesFlying != 0 || m.lane.retriesFlying != 0 {
			t.Fatalf("left over in the end: %d, %+v", len(m.undone), m.lane)
		}
	})
}

func TestRetriesLeaveRoomForOthers(t *testing.T) {
	l := lane{width: 4, maxBytes: 1 << 20}
	open := terms{open: true, maxAge: time.Hour, kind: queue.Dead}
	now := int64(time.Hour)
	for id := range queue.ID(4) {
		l.add(entry{id: id + 1, since: now})
	}
	var flights []*flight
	for range 4 {
		flights = append(flights, l.next(now, &open, always1).flight)
	}
	for _, f := range flights {
		l.failed(f, now, &open, failure{wait: time.Second})
	}
	now += int64(time.Minute)
	for id := range queue.ID(10) {
		l.add(entry{id: id + 10, since: now})
	}
	retried := 0
	for range 4 {
		if l.next(now, &open, always1).flight.retried() {
			retried++
		}
	}
	if retried != 2 {
		t.Errorf("%d of 4 workers retry while others wait, want 2", retried)
	}
}

func always1(budget, int64) bool { return true }

func TestFifo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f fifo[int]
		var want []int
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 3*chunkSize).Draw(t, "n") {
					v := rand.Int()
					f.push(v)
					want = append(want, v)
				}
			},
			"pop": func(t *rapid.T) {
				for range rapid.IntRange(1, 3*chunkSize).Draw(t, "n") {
					if len(want) == 0 {
						break
					}
					if got := f.pop(); got != want[0] {
						t.Fatalf("popped %d, want %d", got, want[0])
					}
					want = want[1:]
				}
			},
			"": func(t *rapid.T) {
				var all []int
				f.all(func(v *int) { all = append(all, *v) })
				first := f.peek()
				if f.n != len(want) || !slices.Equal(all, want) || (first == nil) != (len(want) == 0) || (first != nil && *first != want[0]) {
					t.Fatalf("%d elements, want %d", f.n, len(want))
				}
			},
		})
	})
}
