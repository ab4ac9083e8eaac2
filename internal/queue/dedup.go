// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"hash/maphash"
	"math"
	"sync"
)

// dedupKey is as much of a deduplication key as is remembered: 2^64 keys would be needed for a chance of two alike.
type dedupKey [16]byte

// keySet remembers keys until they expire, at most limit of them. Beyond that whoever has most loses its oldest: of the namespaces the
// one with most keys, and of its endpoints the one with most. So nobody loses a key to another who has no more than it: each
// namespace can have an equal part of the limit, and of what the namespace can have, each of its endpoints an equal part.
//
// Each endpoint's keys are a queue, in order of arrival (dedup_blocks.go), and all of them are in one hash table (dedup_index.go). There are no
// pointers in either for the garbage collector to follow.
type keySet struct {
	// mu guards everything below. What adds or forgets a key holds Store.mu as well, since stubs go with it.
	mu        sync.Mutex
	limit     int
	n         int // keys that are remembered
	forgotten int // keys that were forgotten before they expired
	seed      maphash.Seed
	segments  [keySegments]keyIndex
	blocks    keyBlocks
	shares    keyShares
}

// keySegments is how many hash tables the set consists of, so that one that grows costs little room and time.
const keySegments = 256

func newKeySet(limit int) *keySet {
	return &keySet{limit: limit, seed: maphash.MakeSeed(), blocks: newKeyBlocks(), shares: newKeyShares()}
}

// hash cannot be foreseen: whoever signs notifications chooses what the keys are made of, and must not choose who is whose neighbor.
func (s *keySet) hash(key *dedupKey) uint64 { return maphash.Bytes(s.seed, key[:]) }

func (s *keySet) segment(h uint64) *keyIndex { return &s.segments[h%keySegments] }

// has reports whether key is remembered and has not expired, and the notification that it was remembered for.
func (s *keySet) has(key *dedupKey, now int64) (ID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hash(key)
	x := s.segment(h)
	i := s.find(x, h, key)
	if i < 0 {
		return 0, false
	}
	b, slot := s.blocks.slot(x.slots[i].place())
	return b.first + ID(slot.id), int64(slot.expires) > now
}

// add remembers the key of a notification that came in after all others of its endpoint, until it expires. It reports whether there are too
// many now, so that one has to be forgotten.
func (s *keySet) add(owner []byte, key *dedupKey, id ID, expires int64) (tooMany bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hash(key)
	x := s.segment(h)
	until := uint32(min(expires, math.MaxUint32)) //nolint:gosec // see expirySeconds
	if i := s.find(x, h, key); i >= 0 {
		place := x.slots[i].place()
		_, slot := s.blocks.slot(place)
		until = max(until, slot.expires)
		x.remove(i)
		s.removeSlot(place)
	}
	place := s.append(s.shares.endpoint(owner), id, keySlot{key: *key, expires: until})
	x.insert(slotOf(h, place))
	s.n++
	return s.tooMany()
}

func (s *keySet) tooMany() bool { return s.shares.all.held > s.limit || s.blocks.full() }

// oneForgotten is a key that was forgotten.
type oneForgotten struct {
	owner string
	id    ID
	early bool // before it expired
}

// forgetOne forgets the oldest key of the endpoint that has most. It reports whether there are still too many.
func (s *keySet) forgetOne(now int64) (one oneForgotten, tooMany bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.shares.largest()
	b := s.blocks.block(e.oldest)
	slot := &b.slots[b.from] // there is one: a block has no hole at its beginning
	one = oneForgotten{owner: e.name, id: b.first + ID(slot.id), early: int64(slot.expires) > now}
	if one.early {
		s.shares.raise(e, one.id, int64(slot.expires))
		s.forgotten++
	}
	h := s.hash(&slot.key)
	x := s.segment(h)
	x.remove(s.find(x, h, &slot.key))
	s.removeSlot(placeOf(e.oldest, int(b.from)))
	return one, s.tooMany()
}

// expire forgets what has expired in n of the blocks, after those of the call before.
func (s *keySet) expire(now int64, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n = min(n, s.blocks.count()); n > 0 && s.blocks.used > 0; n-- {
		at := s.blocks.following()
		b := s.blocks.block(at)
		for i := int(b.from); i < int(b.to); i++ {
			slot := &b.slots[i]
			if slot.expires == 0 || int64(slot.expires) > now {
				continue
			}
			h := s.hash(&slot.key)
			x := s.segment(h)
			x.remove(s.find(x, h, &slot.key))
			x.shrink()
			if s.removeSlot(placeOf(at, i)); b.live == 0 {
				break // it is nobody's any more
			}
		}
	}
}

// size is how many blocks there are to expire.
func (s *keySet) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks.count()
}

// counts is how many keys are remembered, and how many were forgotten before they expired.
func (s *keySet) counts() (keys, forgotten int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.forgotten
}
