// SPDX-License-Identifier: Apache-2.0

package delivery

import "sync"

// pool is the budget that all lanes share, for what each has in flight beyond its first attempt. A lane that finds it empty
// goes on with one attempt at a time until it is its turn.
type pool struct {
	mu      sync.Mutex
	flights int
	bytes   int64
	waiting []*track // each once; see track.inPool
}

// take asks for one attempt of a number of bytes. Where there is no room, the track is woken later.
func (p *pool) take(t *track, bytes int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flights > 0 && p.bytes >= bytes && (len(p.waiting) == 0 || t.itsTurn) {
		p.flights--
		p.bytes -= bytes
		return true
	}
	if !t.inPool {
		t.inPool = true
		p.waiting = append(p.waiting, t)
	}
	return false
}

func (p *pool) giveBack(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flights++
	p.bytes += bytes
}

// next returns a track to look at, if there is room for it: the one that has waited longest. Its turn lasts until passed.
func (p *pool) next() *track {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || p.flights == 0 {
		return nil
	}
	t := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	t.inPool, t.itsTurn = false, true
	return t
}

func (p *pool) passed(t *track) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.itsTurn = false
}
