// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"math/bits"
)

// dedupKey is as much of a deduplication key as is remembered: 2^64 keys would be needed for a chance of two alike.
type dedupKey [16]byte

// keySet remembers keys until they expire, at most limit of them. It is 256 hash tables with linear probing, so that one that
// grows costs little room and time. There are no pointers in it for the garbage collector to follow.
type keySet struct {
	segments  [256]keySegment
	n, limit  int
	floor     uint32 // keys that expire until then are not remembered, since there are too many
	forgotten int
}

type keySegment struct {
	slots []keySlot
	n     int
}

// keySlot is free when expires is 0.
type keySlot struct {
	key     dedupKey
	expires uint32 // unix seconds
}

func (k *dedupKey) hash() uint64 {
	h := binary.LittleEndian.Uint64(k[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(k[8:])
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>29
}

// has tells whether key is remembered and has not expired.
func (s *keySet) has(key *dedupKey, now int64) bool {
	h := key.hash()
	seg := &s.segments[h&0xff]
	if seg.n == 0 {
		return false
	}
	slot := seg.find(h, key)
	return int64(slot.expires) > now
}

// add remembers key until it expires.
func (s *keySet) add(key *dedupKey, expires int64) {
	if expires <= int64(s.floor) {
		s.forgotten++
		return
	}
	h := key.hash()
	seg := &s.segments[h&0xff]
	if seg.n+1 > len(seg.slots)*4/5 {
		seg.resize(max(16, len(seg.slots)+len(seg.slots)/4), 0)
	}
	slot := seg.find(h, key)
	if slot.expires == 0 {
		slot.key = *key
		seg.n++
		s.n++
	}
	slot.expires = max(slot.expires, uint32(expires)) //nolint:gosec // see expirySeconds
	if s.n > s.limit {
		s.forgetOldest()
	}
}

// find returns the slot of key, or the free one where it belongs.
func (s *keySegment) find(h uint64, key *dedupKey) *keySlot {
	n := uint64(len(s.slots))
	at, _ := bits.Mul64(h, n)
	for {
		slot := &s.slots[at]
		if slot.expires == 0 || slot.key == *key {
			return slot
		}
		if at++; at == n {
			at = 0
		}
	}
}

// resize moves what expires after floor into a table of a given size.
func (s *keySegment) resize(size int, floor uint32) {
	old := s.slots
	s.slots, s.n = make([]keySlot, size), 0
	for i := range old {
		if old[i].expires > floor {
			*s.find(old[i].key.hash(), &old[i].key) = old[i]
			s.n++
		}
	}
}

// expire forgets what has expired in one of the 256 segments.
func (s *keySet) expire(segment int, now int64) {
	seg := &s.segments[segment&0xff]
	left := 0
	for i := range seg.slots {
		if int64(seg.slots[i].expires) > now {
			left++
		}
	}
	if left == seg.n {
		return
	}
	s.n -= seg.n - left
	seg.resize(max(16, left*3/2), uint32(now)) //nolint:gosec // seconds since 1970
}

// forgetOldest makes room for a sixteenth of the limit by forgetting what would expire first.
func (s *keySet) forgetOldest() {
	lowest, highest := s.expiryRange()
	const buckets = 1024
	width := (highest-lowest)/buckets + 1
	var histogram [buckets]int
	for i := range s.segments {
		for _, slot := range s.segments[i].slots {
			if slot.expires > 0 {
				histogram[(slot.expires-lowest)/width]++
			}
		}
	}
	excess := s.n - s.limit + s.limit/16
	floor := lowest
	for _, n := range histogram {
		floor += width
		if excess -= n; excess <= 0 {
			break
		}
	}
	s.floor = max(s.floor, floor-1)
	before := s.n
	s.n = 0
	for i := range s.segments {
		seg := &s.segments[i]
		if len(seg.slots) > 0 {
			seg.resize(len(seg.slots), s.floor)
		}
		s.n += seg.n
	}
	s.forgotten += before - s.n
}

func (s *keySet) expiryRange() (lowest, highest uint32) {
	lowest = ^uint32(0)
	for i := range s.segments {
		for _, slot := range s.segments[i].slots {
			if slot.expires > 0 {
				lowest, highest = min(lowest, slot.expires), max(highest, slot.expires)
			}
		}
	}
	return lowest, highest
}
