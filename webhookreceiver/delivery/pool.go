// SPDX-License-Identifier: Apache-2.0

package delivery

import "sync"

// budget says which of a Dispatcher's pools an attempt is charged to.
type budget int

const (
	// ofFirsts is for the first that a lane has in flight, so that those of busy lanes do not keep it waiting.
	ofFirsts budget = iota
	// ofMore is for those beyond.
	ofMore
	budgets
)

// pool is how many attempts, and of how many bytes, may be in flight at once. It is shared by namespaces: one that has something in
// flight gets more only where as much is left for others as it has then, and not before one that has nothing. So targets that hang fill
// half of it at most if they are of one namespace, and two thirds if they are of two.
type pool struct {
	of budget

	mu      sync.Mutex
	limit   amount
	free    amount
	shares  map[string]*share // by namespace: of those that have something in flight or wait
	waiting []*share          // each once, in turn
	poor    int               // how many of those have nothing in flight
	freed   bool              // somebody may go on who waits
}

type amount struct {
	flights int
	bytes   int64
}

// share is what a namespace has of a pool.
type share struct {
	used    amount
	waiting fifo[*track]
}

// seat is where a track stands in a pool.
type seat struct {
	bytes   int64 // of the attempt that it waits to begin
	waiting bool
	turn    bool // it may begin one before those that wait
}

func newPool(of budget, flights int, bytes int64) *pool {
	all := amount{flights, bytes}
	return &pool{of: of, limit: all, free: all, shares: map[string]*share{}}
}

// take asks for one attempt of a number of bytes. Where there is no room, the track is looked at later; see next.
func (p *pool) take(t *track, bytes int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes = p.charge(bytes)
	s, seat := p.share(t), &t.seats[p.of]
	if (seat.turn || s.waiting.n == 0) && p.fits(s, bytes) {
		seat.turn = false
		p.change(s, func() { s.used.add(1, bytes) })
		p.free.add(-1, -bytes)
		return true
	}
	if !seat.waiting {
		p.wait(s, t)
	} else if bytes < seat.bytes {
		p.freed = true
	}
	seat.bytes = bytes
	return false
}

// giveBack is told that an attempt of a number of bytes has ended.
func (p *pool) giveBack(t *track, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes = p.charge(bytes)
	s := p.share(t)
	p.change(s, func() { s.used.add(-1, -bytes) })
	p.free.add(1, bytes)
	p.freed = true
	p.forget(t, s)
}

// next returns a track that there is room for, nil for none: of the namespaces that wait one after the other, and of each of them the one
// that has waited longest. It is its turn until passed.
func (p *pool) next() *track {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.freed {
		return nil
	}
	for i, s := range p.waiting {
		t := *s.waiting.peek()
		if !p.fits(s, t.seats[p.of].bytes) {
			continue
		}
		p.change(s, func() {
			s.waiting.pop()
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			if s.waiting.n > 0 {
				p.waiting = append(p.waiting, s)
			}
		})
		t.seats[p.of] = seat{turn: true}
		return t
	}
	p.freed = false
	return nil
}

// passed ends a track's turn.
func (p *pool) passed(t *track) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.seats[p.of].turn = false
	p.forget(t, p.share(t))
}

// wait has a track wait: before others of its namespace if it was its turn, and behind them if it was not.
func (p *pool) wait(s *share, t *track) {
	seat := &t.seats[p.of]
	p.change(s, func() {
		if s.waiting.n == 0 {
			p.waiting = append(p.waiting, s)
		}
		if seat.turn {
			s.waiting.pushFront(t)
		} else {
			s.waiting.push(t)
		}
	})
	seat.waiting, seat.turn = true, false
}

// charge is what an attempt is counted as: one that is larger than the whole pool takes all of it.
func (p *pool) charge(bytes int64) int64 { return min(bytes, p.limit.bytes) }

func (p *pool) fits(s *share, bytes int64) bool {
	left := amount{p.free.flights - 1, p.free.bytes - bytes}
	if left.flights < 0 || left.bytes < 0 {
		return false
	}
	if s.used.flights == 0 {
		return true
	}
	return p.poor == 0 && left.flights >= s.used.flights+1 && left.bytes >= s.used.bytes+bytes
}

func (p *pool) share(t *track) *share {
	s := p.shares[t.endpoint.Namespace]
	if s == nil {
		s = &share{}
		p.shares[t.endpoint.Namespace] = s
	}
	return s
}

func (p *pool) forget(t *track, s *share) {
	if s.used.flights == 0 && s.waiting.n == 0 {
		delete(p.shares, t.endpoint.Namespace)
	}
}

// change keeps count of the poor while a share changes.
func (p *pool) change(s *share, change func()) {
	before := s.poor()
	change()
	p.poor += s.poor() - before
}

// poor is 1 for a share that waits and has nothing.
func (s *share) poor() int {
	if s.waiting.n > 0 && s.used.flights == 0 {
		return 1
	}
	return 0
}

func (a *amount) add(flights int, bytes int64) {
	a.flights += flights
	a.bytes += bytes
}
