// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// arrived is a key that was added.
type arrived struct {
	key     dedupKey
	id      ID
	expires int64
}

// naiveSet does what a keySet does, with lists. Nothing in it expires by itself.
type naiveSet struct {
	limit  int
	owners map[Endpoint][]arrived
}

func (n *naiveSet) has(k *dedupKey, now int64) bool {
	for _, keys := range n.owners {
		if slices.ContainsFunc(keys, func(a arrived) bool { return a.key == *k && a.expires > now }) {
			return true
		}
	}
	return false
}

// held counts the keys of a namespace, and all.
func (n *naiveSet) held() (namespaces map[string]int, all int) {
	namespaces = map[string]int{}
	for e, keys := range n.owners {
		namespaces[e.Namespace] += len(keys)
		all += len(keys)
	}
	return namespaces, all
}

// mayForget lists who may lose a key: of the namespaces with most keys the endpoints with most.
func (n *naiveSet) mayForget() (endpoints []Endpoint) {
	namespaces, _ := n.held()
	most := slices.Max(slices.Collect(maps.Values(namespaces)))
	of := map[string]int{}
	for e, keys := range n.owners {
		of[e.Namespace] = max(of[e.Namespace], len(keys))
	}
	for e, keys := range n.owners {
		if namespaces[e.Namespace] == most && len(keys) == of[e.Namespace] {
			endpoints = append(endpoints, e)
		}
	}
	return endpoints
}

// setMachine does the same to both.
type setMachine struct {
	*keySet

	model naiveSet
	now   int64
	id    ID
}

func (m *setMachine) owners() []Endpoint {
	return []Endpoint{{"a", "1"}, {"a", "2"}, {"a", "3"}, {"b", "1"}, {"b", "2"}, {"c", "1"}}
}

func (m *setMachine) put(t *rapid.T, lifetime int64) {
	// Few that get most, so that somebody is over the share.
	e := m.owners()[min(rapid.IntRange(0, 5).Draw(t, "endpoint"), rapid.IntRange(0, 5).Draw(t, "or"))]
	m.id += ID(rapid.Uint64Range(1, 3).Draw(t, "apart"))
	k := *benchKey(rapid.Uint64Range(0, 3000).Draw(t, "key"))
	if got, want := m.known(&k), m.model.has(&k, m.now); got != want {
		t.Fatalf("has gave %t, want %t", got, want)
	}
	if m.known(&k) {
		return
	}
	for at, keys := range m.model.owners { // an expired one, which comes anew
		m.model.owners[at] = slices.DeleteFunc(keys, func(a arrived) bool { return a.key == k })
	}
	m.model.owners[e] = append(m.model.owners[e], arrived{k, m.id, m.now + lifetime})
	for tooMany := m.add(appendOwner(nil, e), &k, m.id, m.now+lifetime); tooMany; {
		var one oneForgotten
		one, tooMany = m.forgetOne(m.now)
		m.check(t, one)
	}
}

// check has the model forget what the set has forgotten, if that may be.
func (m *setMachine) check(t *rapid.T, one oneForgotten) {
	at := endpointOf([]byte(one.owner))
	if may := m.model.mayForget(); !slices.Contains(may, at) {
		t.Fatalf("%s lost a key, and only %v may", at, may)
	}
	oldest := m.model.owners[at][0]
	if oldest.id != one.id || one.early != (oldest.expires > m.now) {
		t.Fatalf("%s lost %d (early: %t), want %d, which expires at %d", at, one.id, one.early, oldest.id, oldest.expires)
	}
	m.model.owners[at] = m.model.owners[at][1:]
}

func (m *setMachine) known(k *dedupKey) bool {
	_, known := m.has(k, m.now)
	return known
}

// same holds all that is remembered against the model.
func (m *setMachine) same(t *rapid.T) {
	n := 0
	for e, keys := range m.model.owners {
		for _, a := range keys {
			id, known := m.has(&a.key, m.now)
			if known != (a.expires > m.now) || known && id != a.id {
				t.Fatalf("key %d of %s, which expires at %d, is known: %t, as %d", a.id, e, a.expires, known, id)
			}
			n++
		}
	}
	if got, _ := m.counts(); got != n || n > m.limit {
		t.Fatalf("%d keys are counted, and %d are there, of at most %d", got, n, m.limit)
	}
}

// What is remembered is what lists would remember, whoever floods it.
func TestKeySetForgetsOfWhoeverHasMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 200).Draw(t, "limit")
		m := &setMachine{keySet: newKeySet(limit), model: naiveSet{limit: limit, owners: map[Endpoint][]arrived{}}, now: 1000}
		for range rapid.IntRange(1, 800).Draw(t, "steps") {
			m.put(t, 10)
		}
		m.same(t)
	})
}

// Keys that expire, in no order, come and go as in lists. With room for all, it does not matter when they are swept.
func TestKeySetAgainstLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &setMachine{keySet: newKeySet(1 << 20), model: naiveSet{limit: 1 << 20, owners: map[Endpoint][]arrived{}}, now: 1000}
		for range rapid.IntRange(1, 1500).Draw(t, "steps") {
			switch rapid.IntRange(0, 20).Draw(t, "do") {
			case 0:
				m.now += int64(rapid.IntRange(1, 50).Draw(t, "wait"))
			case 1:
				m.expire(m.now, rapid.IntRange(0, 50).Draw(t, "blocks"))
			default:
				m.put(t, int64(rapid.IntRange(1, 100).Draw(t, "lifetime")))
			}
		}
		m.expire(m.now, m.size())
		for e, keys := range m.model.owners {
			m.model.owners[e] = slices.DeleteFunc(keys, func(a arrived) bool { return a.expires <= m.now })
		}
		m.same(t)
		m.now += 1000
		m.expire(m.now, m.size())
		if n, _ := m.counts(); n != 0 || m.shares.all.held != 0 || len(m.shares.owners) != 0 || len(m.shares.namespaces) != 0 || m.blocks.used != 0 {
			t.Fatalf("when all have expired, %d are left, %d held, %v, %d blocks", n, m.shares.all.held, m.shares.owners, m.blocks.used)
		}
	})
}

// What is in the set again after a restart is what was there before, whatever has expired, been swept or forgotten meanwhile.
func TestKeySetIsTheSameAfterARestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		s := newKeySet(limit)
		var disk []arrived // in order, as stubs are
		owners := map[ID]Endpoint{}
		floors := map[string]keyFloor{}
		now := int64(1000)
		all := (&setMachine{}).owners()
		for id := ID(1); id < ID(rapid.IntRange(2, 1000).Draw(t, "steps")); id++ {
			now += int64(rapid.IntRange(0, 2).Draw(t, "wait"))
			e := all[min(rapid.IntRange(0, 5).Draw(t, "endpoint"), rapid.IntRange(0, 5).Draw(t, "or"))]
			a := arrived{*benchKey(uint64(id)), id, now + int64(rapid.IntRange(1, 400).Draw(t, "lifetime"))}
			owners[id], disk = e, append(disk, a)
			for tooMany := s.add(appendOwner(nil, e), &a.key, id, a.expires); tooMany; {
				_, tooMany = s.forgetOne(now)
			}
			if rapid.IntRange(0, 20).Draw(t, "sweep") == 0 {
				s.expire(now, rapid.IntRange(0, 50).Draw(t, "blocks"))
				s.lapseFloors(now)
			}
			for _, f := range s.takeUnsaved() {
				if floors[f.owner] = f.keyFloor; f.id == 0 {
					delete(floors, f.owner)
				}
			}
		}
		again := newKeySet(limit)
		for owner, f := range floors {
			again.restoreFloor([]byte(owner), f)
		}
		for _, a := range disk {
			if owner := appendOwner(nil, owners[a.id]); a.expires > now && !again.isForgotten(owner, a.id) && again.add(owner, &a.key, a.id, a.expires) {
				t.Fatalf("something would have to be forgotten on loading")
			}
		}
		for _, a := range disk {
			_, before := s.has(&a.key, now)
			_, after := again.has(&a.key, now)
			if before != after {
				t.Fatalf("key %d of %s was known: %t, and is: %t", a.id, owners[a.id], before, after)
			}
		}
	})
}

// An endpoint of one namespace, and a thousand of another, flood it: whoever has few keys keeps all of them.
func TestKeySetKeepsTheKeysOfWhoeverHasFew(t *testing.T) {
	const limit = 10_000
	few, neighbor, huge := Endpoint{"shop", "media"}, Endpoint{"flood", "own"}, Endpoint{"large", "media"}
	s := newKeySet(limit)
	ids := map[Endpoint][]ID{}
	id := ID(0)
	put := func(e Endpoint, expires int64) {
		id++
		ids[e] = append(ids[e], id)
		for tooMany := s.add(appendOwner(nil, e), benchKey(uint64(id)), id, expires); tooMany; {
			_, tooMany = s.forgetOne(0)
		}
	}
	for range 3000 {
		put(few, 10) // expires first of all
	}
	for range 3 {
		put(neighbor, 10)
	}
	for i := range 20 * limit {
		put(huge, 1000)
		put(Endpoint{"flood", fmt.Sprint(i % 1000)}, 1000)
	}
	known := map[Endpoint]int{}
	for e, of := range ids {
		for _, id := range of {
			if _, is := s.has(benchKey(uint64(id)), 0); is {
				known[e]++
			}
		}
	}
	if known[few] != 3000 || known[neighbor] != 3 {
		t.Errorf("of 3000 keys of an endpoint with few %d are known, and of 3 of one whose namespace floods it %d", known[few], known[neighbor])
	}
	if n := known[huge]; n < 3500-1 || n > 3500+1 {
		t.Errorf("an endpoint that floods it has %d keys, want half of what is left", n)
	}
	n, forgotten := s.counts()
	if n != limit || forgotten != int(id)-limit {
		t.Errorf("%d keys are there and %d were forgotten, of %d", n, forgotten, id)
	}
}

// Whoever chooses the bodies must not choose what is slow: keys that are alike in all ways but one lie apart.
func TestKeySetWithKeysThatAreAlike(t *testing.T) {
	s := newKeySet(100_000)
	for i := range 100_000 {
		k := dedupKey{15: byte(i), 7: byte(i >> 8), 0: byte(i >> 16)}
		s.add(appendOwner(nil, Endpoint{"a", "b"}), &k, ID(i+1), 10)
	}
	farthest := 0
	for i := range s.segments {
		x := &s.segments[i]
		for at := range x.slots {
			if x.slots[at].place() != 0 {
				farthest = max(farthest, x.distance(at))
			}
		}
	}
	if farthest > 100 {
		t.Errorf("one is %d slots from where it should be", farthest)
	}
}

func TestFloorIsReadAsItWasWritten(t *testing.T) {
	f := keyFloor{id: 1 << 60, until: 1 << 40}
	got, err := decodeFloor(f.encode())
	if diff := cmp.Diff(f, got, cmp.AllowUnexported(keyFloor{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for i, b := range f.encode() {
		damaged := f.encode()
		damaged[i] = b ^ 1
		if _, err := decodeFloor(damaged); err == nil {
			t.Errorf("byte %d is damaged, and nobody says so", i)
		}
	}
}

func TestStubOfBeforeHasNoOwner(t *testing.T) {
	is := stub{key: *benchKey(1), expires: 12345, owner: appendOwner(nil, Endpoint{"shop", "media"})}
	b := is.appendTo(nil)
	got, err := decodeStub(b)
	if diff := cmp.Diff(is, got, cmp.AllowUnexported(stub{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for n := range b {
		if _, err := decodeStub(b[:n]); err == nil {
			t.Errorf("of %d bytes %d are a stub, too", len(b), n)
		}
	}
	before := append([]byte{ownerlessStub}, b[1:stubFixed]...)
	got, err = decodeStub(before)
	is.owner = appendOwner(nil, Endpoint{})
	if diff := cmp.Diff(is, got, cmp.AllowUnexported(stub{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
