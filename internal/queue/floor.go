// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// noteForgotten notes a key that was forgotten before it expired. Its stub is of no use any more.
func (s *Store) noteForgotten(one oneForgotten) {
	s.forgotten[one.owner]++
	if s.index.entries[one.id] == nil {
		s.stubs.forget(one.id)
	}
}

// writeFloors adds to a group which keys were forgotten by it, so that the same ones are known after a restart.
func (s *Store) writeFloors(g *group) {
	for _, f := range s.keys.takeUnsaved() {
		key := topKey(topFloor, f.owner)
		if f.id == 0 {
			s.must(g.batch.Delete(key, nil))
			continue
		}
		s.set(g, key, f.encode())
	}
}

// loadFloors reads which keys were forgotten. Where that cannot be read, they are known again, which does no harm: the damage is
// met again when everything is read, and cut out then.
func (s *Store) loadFloors() error {
	iter, err := s.db.NewIter(&pebble.IterOptions{LowerBound: topKey(topFloor, ""), UpperBound: topKey(topFloor+1, "")})
	if err != nil {
		return err
	}
	var unreadable error
	for valid := iter.First(); valid && unreadable == nil; valid = iter.Next() {
		var value []byte
		if value, unreadable = iter.ValueAndErr(); unreadable == nil {
			s.loadFloor(iter.Key()[keyLen:], value)
		}
	}
	if err := errors.Join(unreadable, iter.Error(), iter.Close()); !pebble.IsCorruptionError(err) {
		return err
	}
	return nil
}

func (s *Store) loadFloor(owner, value []byte) {
	f, err := decodeFloor(value)
	if err != nil {
		s.log.Error(err, "it is not known any more which deduplication keys of an endpoint were forgotten", "endpoint", endpointOf(owner).String())
		f = keyFloor{id: 1} // which is below all, and removed as one that does not matter any more
	}
	s.keys.restoreFloor(owner, f)
}

// sweepFloors removes those that do not matter any more, since all keys before them have expired.
func (s *Store) sweepFloors(ctx context.Context) error {
	if !s.keys.lapseFloors(s.keyTime()) {
		return nil
	}
	o := &op{apply: func(s *Store, g *group, _ *op) { s.writeFloors(g) }, done: make(chan struct{}, 1)}
	err, _ := s.do(ctx, o)
	return err
}

const (
	// forgottenEvery is how often the log tells that keys were forgotten, and forgottenNamed how many endpoints it names then.
	forgottenEvery = time.Minute
	forgottenNamed = 10
)

// forgottenLog tells whose keys were forgotten before they expired.
type forgottenLog struct {
	counts map[Endpoint]int // since the log told of it
	next   time.Time
}

// tellForgotten tells whose keys were forgotten: at once to whoever counts, and now and then to the log.
func (s *Store) tellForgotten(l *forgottenLog) {
	s.mu.Lock()
	latest := maps.Clone(s.forgotten)
	clear(s.forgotten)
	s.mu.Unlock()
	for owner, n := range latest {
		e := endpointOf([]byte(owner))
		l.counts[e] += n
		s.o.OnForgotten(e, n)
	}
	now := s.o.Now()
	if len(l.counts) == 0 || now.Before(l.next) {
		return
	}
	l.next = now.Add(forgottenEvery)
	most := slices.SortedFunc(maps.Keys(l.counts), func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(l.counts[b], l.counts[a]), cmp.Compare(a.String(), b.String()))
	})
	for _, e := range most[:min(len(most), forgottenNamed)] {
		s.log.Info("forgot deduplication keys before they expired, for want of room: what is sent again to this endpoint may be delivered again",
			"endpoint", e.String(), "count", l.counts[e], "endpoints", len(most))
	}
	clear(l.counts)
}
