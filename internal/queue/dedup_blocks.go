// SPDX-License-Identifier: Apache-2.0

package queue

import "math"

// keySlot is a key. It is free when expires is 0.
type keySlot struct {
	key     dedupKey
	expires uint32 // Unix seconds
	id      uint32 // of the notification, counted from the first of the block
}

const (
	// blockKeys is how many keys of one endpoint lie together.
	blockKeys = 1 << slotBits
	slotBits  = 5
	maxBlocks = 1<<(32-slotBits) - 1
	// pageBlocks is how many blocks are made at once.
	pageBits   = 8
	pageBlocks = 1 << pageBits
)

// keyBlock is some keys of one endpoint, in order of arrival.
type keyBlock struct {
	slots      [blockKeys]keySlot
	first      ID
	next, prev uint32 // blocks of the endpoint; or the next free one
	endpoint   uint32 // its number
	from, to   uint8  // what was used and is not given back
	live       uint8
}

// keyBlocks are all blocks. They are known by number; 0 is none.
type keyBlocks struct {
	pages [][]keyBlock
	made  uint32
	free  uint32 // the first of those that can be used again
	used  int
	last  uint32 // the one that was looked at last
}

func newKeyBlocks() keyBlocks { return keyBlocks{made: 1} }

func (b *keyBlocks) block(n uint32) *keyBlock { return &b.pages[n>>pageBits][n%pageBlocks] }

// placeOf is where a key is: a block, and one of its slots.
func placeOf(block uint32, slot int) uint32 { return block<<slotBits | uint32(slot) } //nolint:gosec // less than blockKeys

func (b *keyBlocks) slot(place uint32) (*keyBlock, *keySlot) {
	block := b.block(place >> slotBits)
	return block, &block.slots[place%blockKeys]
}

// full reports whether there are as many blocks as can be told apart, but for one that an endpoint may need for its next key.
func (b *keyBlocks) full() bool { return b.used >= maxBlocks-1 }

func (b *keyBlocks) take() uint32 {
	b.used++
	if n := b.free; n != 0 {
		b.free = b.block(n).next
		*b.block(n) = keyBlock{}
		return n
	}
	n := b.made
	if int(n>>pageBits) == len(b.pages) {
		b.pages = append(b.pages, make([]keyBlock, pageBlocks))
	}
	b.made++
	return n
}

func (b *keyBlocks) give(n uint32) {
	b.used--
	*b.block(n) = keyBlock{next: b.free}
	b.free = n
	if b.used == 0 {
		*b = newKeyBlocks()
	}
}

// count is how many there are, those that can be used again included.
func (b *keyBlocks) count() int { return int(b.made) - 1 }

// following goes through the blocks in turn.
func (b *keyBlocks) following() uint32 {
	if b.last++; b.last >= b.made {
		b.last = 1
	}
	return b.last
}

// append puts a key behind all others of an endpoint, and returns where it is.
func (s *keySet) append(e *keyHolder, id ID, slot keySlot) uint32 {
	b := (*keyBlock)(nil)
	if e.newest != 0 {
		b = s.blocks.block(e.newest)
	}
	if b == nil || b.to == blockKeys || id-b.first > math.MaxUint32 {
		n := s.blocks.take()
		next := s.blocks.block(n)
		next.first, next.prev, next.endpoint = id, e.newest, e.number
		if b != nil {
			b.next = n
		} else {
			e.oldest = n
		}
		e.newest, b = n, next
	}
	slot.id = uint32(id - b.first) //nolint:gosec // see above
	b.slots[b.to] = slot
	b.to++
	b.live++
	e.count(1)
	return placeOf(e.newest, int(b.to)-1)
}

// removeSlot removes a key from its block, and the block with its last key.
func (s *keySet) removeSlot(place uint32) {
	b, slot := s.blocks.slot(place)
	e := s.shares.endpoints[b.endpoint]
	*slot = keySlot{}
	s.n--
	if b.live--; b.live > 0 {
		for b.slots[b.from].expires == 0 {
			b.from++
			e.count(-1)
		}
		return
	}
	e.count(int(b.from) - int(b.to))
	if b.prev != 0 {
		s.blocks.block(b.prev).next = b.next
	} else {
		e.oldest = b.next
	}
	if b.next != 0 {
		s.blocks.block(b.next).prev = b.prev
	} else {
		e.newest = b.prev
	}
	s.blocks.give(place >> slotBits)
	s.shares.dropIfIdle(e)
}
