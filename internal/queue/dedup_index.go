// SPDX-License-Identifier: Apache-2.0

package queue

// keyIndex is a hash table with linear probing that tells where keys are. Whoever is farther from where it would be alone goes first ("Robin
// Hood"): so a search for something that is not there ends early, and what is removed leaves no trace. It can be made larger, and be searched
// for what is not there, without a look at the keys, each of which is somewhere else in memory.
type keyIndex struct {
	slots []indexSlot
	n     int
}

// indexSlot is free when its place is 0.
type indexSlot struct {
	hash      uint16 // some of it
	low, high uint16 // of the place: a whole number would be aligned, which takes more room
}

const (
	// smallestIndex is how many slots an index has at least.
	smallestIndex = 16
	hashBits      = 16 // of what is kept
	halfPlace     = 16 // bits
)

func (s indexSlot) place() uint32 { return uint32(s.low) | uint32(s.high)<<halfPlace }

func slotOf(h uint64, place uint32) indexSlot {
	return indexSlot{hash: indexHash(h), low: uint16(place), high: uint16(place >> halfPlace)} //nolint:gosec // its halves
}

// indexHash has none of the bits by which the index was chosen.
func indexHash(h uint64) uint16 { return uint16(h >> (64 - hashBits)) }

// home is where something with this hash would be alone.
func (x *keyIndex) home(hash uint16) int { return int(hash) * len(x.slots) >> hashBits }

func (x *keyIndex) after(i int) int {
	if i++; i == len(x.slots) {
		return 0
	}
	return i
}

// distance is how far what is at i is from its home.
func (x *keyIndex) distance(i int) int {
	d := i - x.home(x.slots[i].hash)
	if d < 0 {
		d += len(x.slots)
	}
	return d
}

// put puts in something that is not there yet, for which there is room.
func (x *keyIndex) put(s indexSlot) {
	for i, d := x.home(s.hash), 0; ; i, d = x.after(i), d+1 {
		if x.slots[i].place() == 0 {
			x.slots[i] = s
			x.n++
			return
		}
		if is := x.distance(i); is < d {
			s, x.slots[i] = x.slots[i], s
			d = is
		}
	}
}

// remove takes out what is at i, and moves up what follows.
func (x *keyIndex) remove(i int) {
	for j := x.after(i); x.slots[j].place() != 0 && x.distance(j) > 0; i, j = j, x.after(j) {
		x.slots[i] = x.slots[j]
	}
	x.slots[i] = indexSlot{}
	x.n--
}

// insert puts in something that is not there yet. The index grows by little at a time, and is full but for an eighth.
func (x *keyIndex) insert(s indexSlot) {
	if size := len(x.slots); x.n+1 > size*7/8 {
		x.resize(max(smallestIndex, size+size/8))
	}
	x.put(s)
}

// shrink gives back room that there is no use for.
func (x *keyIndex) shrink() {
	if size := len(x.slots); size > smallestIndex && x.n < size/2 {
		x.resize(max(smallestIndex, x.n*3/2))
	}
}

func (x *keyIndex) resize(size int) {
	old := x.slots
	*x = keyIndex{slots: make([]indexSlot, size)}
	for _, s := range old {
		if s.place() != 0 {
			x.put(s)
		}
	}
}

// find is where a key is in the index of its hash, or -1.
func (s *keySet) find(x *keyIndex, h uint64, key *dedupKey) int {
	if x.n == 0 {
		return -1
	}
	hash := indexHash(h)
	for i, d := x.home(hash), 0; ; i, d = x.after(i), d+1 {
		is := x.slots[i]
		if is.place() == 0 || x.distance(i) < d {
			return -1
		}
		if is.hash != hash {
			continue
		}
		if _, slot := s.blocks.slot(is.place()); slot.key == *key {
			return i
		}
	}
}
