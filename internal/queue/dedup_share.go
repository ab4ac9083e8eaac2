// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"math"
)

// keyHolder is an endpoint, a namespace, or all of them: whoever holds keys.
type keyHolder struct {
	name  string       // of an endpoint: the whole owner; of a namespace: its own
	held  int          // slots in use, those included that wait to be swept
	of    *keyHolder   // that it is a part of
	at    int          // among the parts of that
	parts []*keyHolder // a heap: the one that holds most comes first

	// Of an endpoint alone:
	number         uint32
	oldest, newest uint32 // blocks
	floor          keyFloor
	unsaved        bool // the floor differs from the one on disk
}

// keyFloor says which keys of an endpoint were forgotten before they expired: those of all notifications before this one.
type keyFloor struct {
	id    ID
	until int64 // when the last of them expires, in Unix seconds
}

// keyShares knows who holds how much.
type keyShares struct {
	all        keyHolder
	namespaces map[string]*keyHolder
	owners     map[string]*keyHolder // endpoints
	endpoints  []*keyHolder          // by number; 0 is none
	free       []uint32              // numbers that can be used again
	floors     int                   // endpoints that have one
	unsaved    []*keyHolder
}

func newKeyShares() keyShares {
	return keyShares{namespaces: map[string]*keyHolder{}, owners: map[string]*keyHolder{}, endpoints: make([]*keyHolder, 1)}
}

// endpoint returns an endpoint by its owner: namespace and name, encoded as in a route.
func (k *keyShares) endpoint(owner []byte) *keyHolder {
	if e := k.owners[string(owner)]; e != nil {
		return e
	}
	d := decoder{b: owner}
	name := string(d.sized())
	namespace := k.namespaces[name]
	if namespace == nil {
		namespace = &keyHolder{name: name}
		k.namespaces[name] = namespace
		k.all.add(namespace)
	}
	e := &keyHolder{name: string(owner)}
	if n := len(k.free); n > 0 {
		e.number, k.free = k.free[n-1], k.free[:n-1]
		k.endpoints[e.number] = e
	} else {
		e.number = uint32(len(k.endpoints)) //nolint:gosec // there are fewer
		k.endpoints = append(k.endpoints, e)
	}
	k.owners[e.name] = e
	namespace.add(e)
	return e
}

// dropIfIdle has an endpoint go of which nothing is remembered.
func (k *keyShares) dropIfIdle(e *keyHolder) {
	if e.held > 0 || e.floor.id != 0 || e.unsaved {
		return
	}
	delete(k.owners, e.name)
	k.endpoints[e.number] = nil
	k.free = append(k.free, e.number)
	namespace := e.of
	namespace.remove(e)
	if len(namespace.parts) == 0 {
		delete(k.namespaces, namespace.name)
		k.all.remove(namespace)
	}
}

// largest is the endpoint that holds most in the namespace that holds most.
func (k *keyShares) largest() *keyHolder { return k.all.parts[0].parts[0] }

// count adds to what an endpoint holds, and all that it is a part of.
func (h *keyHolder) count(n int) {
	for ; h.of != nil; h = h.of {
		h.held += n
		h.of.settle(h)
	}
	h.held += n
}

func (h *keyHolder) add(part *keyHolder) {
	part.of, part.at = h, len(h.parts)
	h.parts = append(h.parts, part) // it holds nothing yet
}

func (h *keyHolder) remove(part *keyHolder) {
	last := len(h.parts) - 1
	moved := h.parts[last]
	h.parts[last] = nil
	h.parts = h.parts[:last]
	if moved != part {
		h.parts[part.at], moved.at = moved, part.at
		h.settle(moved)
	}
}

// settle moves a part to where it belongs by what it holds.
func (h *keyHolder) settle(part *keyHolder) {
	for part.at > 0 {
		above := h.parts[(part.at-1)/2]
		if above.held >= part.held {
			break
		}
		h.swap(part, above)
	}
	for {
		below := 2*part.at + 1
		if below >= len(h.parts) {
			return
		}
		if other := below + 1; other < len(h.parts) && h.parts[other].held > h.parts[below].held {
			below = other
		}
		if h.parts[below].held <= part.held {
			return
		}
		h.swap(part, h.parts[below])
	}
}

func (h *keyHolder) swap(a, b *keyHolder) {
	a.at, b.at = b.at, a.at
	h.parts[a.at], h.parts[b.at] = a, b
}

// raise notes that what came in up to id is forgotten, the last of which would have expired at a time.
func (k *keyShares) raise(e *keyHolder, id ID, expires int64) {
	if e.floor.id == 0 {
		k.floors++
	}
	e.floor = keyFloor{id: id + 1, until: max(e.floor.until, expires)}
	if !e.unsaved {
		e.unsaved = true
		k.unsaved = append(k.unsaved, e)
	}
}

// isForgotten reports whether the key of an endpoint's notification was forgotten before it expired.
func (s *keySet) isForgotten(owner []byte, id ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.shares.owners[string(owner)]
	return e != nil && id < e.floor.id
}

// restoreFloor takes in a floor that was saved, before any key is added.
func (s *keySet) restoreFloor(owner []byte, floor keyFloor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.shares.endpoint(owner)
	if e.floor.id == 0 {
		s.shares.floors++
	}
	e.floor = floor
}

// savedFloor is a floor to be written. With id 0 there is none any more.
type savedFloor struct {
	owner string
	keyFloor
}

// takeUnsaved returns the floors that have changed. They are taken for saved from then on.
func (s *keySet) takeUnsaved() []savedFloor {
	s.mu.Lock()
	defer s.mu.Unlock()
	var floors []savedFloor
	for _, e := range s.shares.unsaved {
		floors = append(floors, savedFloor{e.name, e.floor})
		e.unsaved = false
		s.shares.dropIfIdle(e)
	}
	s.shares.unsaved = s.shares.unsaved[:0]
	return floors
}

// lapseFloors gives up the floors below which all keys have expired, and reports whether there are any to be saved.
func (s *keySet) lapseFloors(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shares.floors > 0 {
		for _, e := range s.shares.endpoints {
			if e != nil && e.floor.id != 0 && e.floor.until <= now {
				s.shares.lapse(e)
			}
		}
	}
	return len(s.shares.unsaved) > 0
}

func (k *keyShares) lapse(e *keyHolder) {
	k.floors--
	e.floor = keyFloor{}
	if !e.unsaved {
		e.unsaved = true
		k.unsaved = append(k.unsaved, e)
	}
}

const floorLen = 1 + 8 + 8 + 4

func (f *keyFloor) encode() []byte {
	b := make([]byte, 0, floorLen)
	b = append(b, valueVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.id))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.until)) //nolint:gosec // as it is read back
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

func decodeFloor(b []byte) (keyFloor, error) {
	if len(b) != floorLen || b[0] != valueVersion {
		return keyFloor{}, errMalformed
	}
	if binary.LittleEndian.Uint32(b[floorLen-4:]) != checksum(b[:floorLen-4]) {
		return keyFloor{}, errChecksum
	}
	f := keyFloor{id: ID(binary.LittleEndian.Uint64(b[1:])), until: int64(min(binary.LittleEndian.Uint64(b[9:]), math.MaxInt64))}
	return f, nil
}
