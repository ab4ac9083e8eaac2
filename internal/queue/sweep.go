// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	sweepEvery = time.Second
	// stubBlock is how many IDs are swept together.
	stubBlock = 1024
	// blocksPerSweep times stubBlock is more than can be accepted in the same time.
	blocksPerSweep = 64
	// sweepsPerRound is in how many sweeps all keys are looked through, and blocksAtOnce how many blocks of them without a pause for others.
	sweepsPerRound = 32
	blocksAtOnce   = 64
)

// stubBlocks knows, for each range of IDs, how many stubs and links there are, and when the last key expires.
type stubBlocks map[ID]stubRange

type stubRange struct {
	n         int
	expires   int64
	forgotten int // stubs whose keys were forgotten before they expired
}

// ripe reports whether it is worth the while to remove something: all that is there, or much of it. One by one it would only make the engine
// rewrite what is around it.
func (r stubRange) ripe(now int64) bool {
	const much = 4 // times as many
	return r.expires <= now || r.forgotten*much > r.n && r.n > 0
}

func (b stubBlocks) add(id ID, expires int64) {
	r := b[id/stubBlock]
	r.n, r.expires = r.n+1, max(r.expires, expires)
	b[id/stubBlock] = r
}

// keep has what is in the range of an ID stay until a key there expires. Removed one by one before, it would only make the engine
// rewrite what is around it.
func (b stubBlocks) keep(id ID, expires int64) {
	r := b[id/stubBlock]
	r.expires = max(r.expires, expires)
	b[id/stubBlock] = r
}

// forget notes that the key of a stub was forgotten before it expired.
func (b stubBlocks) forget(id ID) {
	r := b[id/stubBlock]
	r.forgotten++
	b[id/stubBlock] = r
}

func (b stubBlocks) remove(id ID) {
	r := b[id/stubBlock]
	if r.n--; r.n <= 0 {
		delete(b, id/stubBlock)
		return
	}
	b[id/stubBlock] = r
}

// expired lists up to n blocks of which something can be removed, now that keys there have expired or were forgotten. The last link stays.
func (b stubBlocks) expired(now int64, n int, link ID) []ID {
	var blocks []ID
	for block, r := range b {
		switch {
		case !r.ripe(now) || r.n == 1 && block == link/stubBlock:
		case r.n == 0:
			delete(b, block)
		case len(blocks) < n:
			blocks = append(blocks, block)
			r.forgotten = 0 // by whoever gets the list
			b[block] = r
		}
	}
	return blocks
}

// sweep tidies up until Close: keys that expired, their stubs, the room on the volume.
func (s *Store) sweep() {
	defer close(s.swept)
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.stop:
		case <-s.failed:
		}
		cancel()
	}()
	told := &forgottenLog{counts: map[Endpoint]int{}}
	for {
		select {
		case <-ctx.Done():
			s.tellForgotten(told)
			return
		case <-ticker.C:
		}
		s.expireKeys()
		s.tellForgotten(told)
		if err := errors.Join(s.sweepStubs(ctx), s.sweepFloors(ctx)); err != nil && ctx.Err() == nil {
			s.paced.Error(err, "cannot remove expired deduplication keys")
		}
		s.makeRoom(ctx)
		if s.damageSeen.Load() {
			s.inbox.poke()
		}
	}
}

// expireKeys forgets expired keys: in a part of those that there are.
func (s *Store) expireKeys() {
	now := s.keyTime()
	for left := s.keys.size()/sweepsPerRound + 1; left > 0; left -= blocksAtOnce {
		s.keys.expire(now, min(left, blocksAtOnce))
	}
}

// sweepStubs removes the stubs of keys that are not remembered any more.
func (s *Store) sweepStubs(ctx context.Context) error {
	s.mu.Lock()
	now := s.keyTime()
	blocks := s.stubs.expired(now, blocksPerSweep, s.linkID)
	repairs := s.repairs
	s.mu.Unlock()
	for _, block := range blocks {
		keys, err := s.expiredStubs(block, now)
		if err != nil {
			return err
		}
		s.o.Failpoint(FailBeforeSweep)
		o := &op{apply: applySweep, stubs: keys, n: repairs, done: make(chan struct{}, 1)}
		if err, _ := s.do(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// expiredStubs lists what is of no use any more in a range of IDs.
func (s *Store) expiredStubs(block ID, now int64) (keys []entryKey, err error) { //nolint:gocognit // one loop over what there is
	lower, upper := keyOf(block*stubBlock, 0), keyOf((block+1)*stubBlock, 0)
	iter, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper[:]})
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := iter.Close(); err == nil {
			err = closeErr
		}
	}()
	for valid := iter.First(); valid; valid = iter.Next() {
		id, k, ok := splitKey(iter.Key())
		if ok && k == kindLink {
			keys = append(keys, keyOf(id, k))
		}
		if !ok || k != kindStub {
			continue
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, err
		}
		is, err := decodeStub(value)
		if err != nil {
			return nil, fmt.Errorf("stub %d: %w: %w", id, ErrDamaged, err)
		}
		if is.expires <= now || s.keys.isForgotten(is.owner, id) {
			keys = append(keys, keyOf(id, k))
		}
	}
	return keys, iter.Error()
}

// applySweep removes stubs, unless a repair since they were listed has changed what is there.
func applySweep(s *Store, g *group, o *op) {
	if o.n != s.repairs {
		return
	}
	for _, key := range o.stubs {
		id, k, _ := splitKey(key[:])
		if k == kindLink && id == s.linkID {
			continue // the last one, which counts
		}
		s.remove(g, key)
		s.stubs.remove(id)
		if k == kindStub {
			s.ledger.remove(id, k)
		}
	}
}

// makeRoom has the engine give back the room of what was finished, if the volume is short of it. It would do so by itself
// only after more was written, which is refused by then.
func (s *Store) makeRoom(ctx context.Context) {
	const worthwhile = 1 << 20
	s.disk.refill()
	s.mu.Lock()
	freed := s.freed
	s.mu.Unlock()
	if freed < worthwhile || !s.disk.short() {
		return
	}
	if err := s.compact(ctx); err != nil && ctx.Err() == nil {
		s.paced.Error(err, "cannot free room on the queue's volume")
		return
	}
	s.mu.Lock()
	s.freed -= freed
	s.mu.Unlock()
}

func (s *Store) compact(ctx context.Context) error {
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.db.Compact(ctx, []byte{0}, topStart(), false); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}
