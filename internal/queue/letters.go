// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"cmp"
	"context"
	"slices"
)

// lettersTogether is how many dead letters are changed in one write.
const lettersTogether = 1000

// deadItem is a dead letter: a notification, and the index of one of its targets.
type deadItem struct {
	id     ID
	target int
}

// Redrive implements Queue.
func (s *Store) Redrive(ctx context.Context, which Selection) (int, error) {
	return s.changeDead(ctx, which, applyRedrive, func(Item) {})
}

// Discard implements Queue.
func (s *Store) Discard(ctx context.Context, which Selection, discarded func(Item)) (int, error) {
	return s.changeDead(ctx, which, applyDiscard, discarded)
}

// changeDead applies a change to dead letters, some of them at a time. What is being written when ctx ends is waited for, so that it is known
// what became of it.
func (s *Store) changeDead(ctx context.Context, which Selection, apply func(*Store, *group, *op), ended func(Item)) (int, error) {
	n := 0
	for chunk := range slices.Chunk(s.deadItems(which), lettersTogether) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		o := &op{apply: apply, dead: chunk, done: make(chan struct{}, 1)}
		if err := s.doForSure(ctx, o); err != nil {
			return n, err
		}
		n += o.n
		for _, item := range o.ended {
			ended(item)
		}
	}
	return n, s.failure()
}

// deadItems lists the dead letters of a selection in order of ID, each once.
func (s *Store) deadItems(which Selection) []deadItem {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []deadItem
	s.index.deadEntries(&which, func(e *entry) {
		for i := range e.route.targets {
			if which.has(e, i) {
				found = append(found, deadItem{id: e.id, target: i})
			}
		}
	})
	slices.SortFunc(found, func(a, b deadItem) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.target, b.target))
	})
	return found
}

// DeadLetters implements Queue.
func (s *Store) DeadLetters(which Selection, after Letter, limit int) []Item {
	if limit <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []Item
	for _, e := range s.index.firstDead(&which, after.ID, limit+1) { // the first of them may be behind us
		next := 0
		if e.id == after.ID {
			next = slices.Index(e.route.targets, after.Target) + 1
		}
		for ; next < len(e.route.targets); next++ {
			if !which.has(e, next) {
				continue
			}
			if items = append(items, e.item(next)); len(items) == limit {
				return items
			}
		}
	}
	return items
}

// firstDead lists up to n entries with dead letters of a selection, from an ID on, in order. It goes over all there are, and
// keeps no more than twice as many as it returns.
func (x *index) firstDead(which *Selection, from ID, n int) []*entry {
	var found []*entry
	byID := func(a, b *entry) int { return cmp.Compare(a.id, b.id) }
	last := ^ID(0)
	x.deadEntries(which, func(e *entry) {
		if e.id < from || e.id > last || !which.hasAny(e) {
			return
		}
		if found = append(found, e); len(found) >= 2*n {
			slices.SortFunc(found, byID)
			found = found[:n]
			last = found[n-1].id
		}
	})
	slices.SortFunc(found, byID)
	return found[:min(n, len(found))]
}

// deadEntries visits what may have dead letters of a selection, each once, in no particular order.
func (x *index) deadEntries(which *Selection, visit func(*entry)) {
	if which.IDs == nil {
		for _, e := range x.entries {
			if e.dead > 0 {
				visit(e)
			}
		}
		return
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(which.IDs))) {
		if e := x.entries[id]; e != nil && e.dead > 0 {
			visit(e)
		}
	}
}

// has reports whether the target of an entry has it as a dead letter of the selection; IDs are not looked at.
func (which *Selection) has(e *entry, target int) bool {
	at := &e.route.endpoint
	return e.state(target).kind == targetDead &&
		(which.Endpoint.Namespace == "" || which.Endpoint.Namespace == at.Namespace) &&
		(which.Endpoint.Name == "" || which.Endpoint.Name == at.Name) &&
		(which.Target == "" || which.Target == e.route.targets[target])
}

func (which *Selection) hasAny(e *entry) bool {
	for i := range e.route.targets {
		if which.has(e, i) {
			return true
		}
	}
	return false
}

func applyRedrive(s *Store, g *group, o *op) {
	var hint *entry
	for _, d := range o.dead {
		e := s.index.entries[d.id]
		if e == nil || e.state(d.target).kind != targetDead {
			continue
		}
		hint = s.index.revive(e, d.target, hint)
		s.writeState(g, e)
		g.items = append(g.items, e.item(d.target))
		o.n++
	}
}

func applyDiscard(s *Store, g *group, o *op) {
	g.finishes = true
	for _, d := range o.dead {
		e := s.index.entries[d.id]
		if e == nil || e.state(d.target).kind != targetDead {
			continue
		}
		o.ended = append(o.ended, e.item(d.target))
		s.settle(g, e, d.target, targetState{kind: targetDone})
		o.n++
	}
}
