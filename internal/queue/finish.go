// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"encoding/binary"
	"slices"
	"unique"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// Finish implements Queue.
func (s *Store) Finish(ctx context.Context, outcomes ...Outcome) error {
	if len(outcomes) == 0 {
		return s.failure()
	}
	// The operation may outlive this call.
	o := &op{apply: applyFinish, outcomes: slices.Clone(outcomes), done: make(chan struct{}, 1)}
	err, _ := s.do(ctx, o)
	return err
}

func applyFinish(s *Store, g *group, o *op) {
	g.finishes = true
	for i := range o.outcomes {
		out := &o.outcomes[i]
		e := s.index.entries[out.ID]
		if e == nil {
			continue
		}
		target := slices.Index(e.route.targets, out.Target)
		if target < 0 {
			continue
		}
		is := e.state(target).kind
		switch pending := is == targetPending || is == targetRedriven; {
		case pending && out.Kind == Dead:
			s.settle(g, e, target, targetState{kind: targetDead, reason: unique.Make(excerpt.Head(out.Reason, maxReason))})
		case pending, is == targetDead && out.Kind == Discarded:
			s.settle(g, e, target, targetState{kind: targetDone})
		}
	}
	s.evictDead(g)
}

// settle writes how a target now stands, or that the whole notification is done with.
func (s *Store) settle(g *group, e *entry, target int, to targetState) {
	if to.kind == targetDone && int(e.pending)+int(e.dead) == 1 {
		s.finishEntry(g, e)
		return
	}
	s.index.set(e, target, to)
	s.writeState(g, e)
}

func (s *Store) finishEntry(g *group, e *entry) {
	s.index.remove(e)
	if !e.lost {
		s.remove(g, keyOf(e.id, kindRecord))
		s.ledger.remove(e.id, kindRecord)
	}
	if e.stored {
		s.remove(g, keyOf(e.id, kindState))
		s.ledger.remove(e.id, kindState)
	}
	s.writeStub(g, e, s.keyTime())
	s.freed += int64(e.size)
}

func (s *Store) writeState(g *group, e *entry) {
	key := keyOf(e.id, kindState)
	s.set(g, key[:], encodeStates(e.states))
	if !e.stored {
		e.stored = true
		s.ledger.add(e.id, kindState)
	}
}

// evictDead discards the oldest dead letters beyond the share that they may take up.
func (s *Store) evictDead(g *group) {
	const together = 1000
	for n := 0; n < together && s.tooManyDead(); n++ {
		e := s.index.dead.first
		g.evicted += int(e.dead)
		s.evicted += int(e.dead)
		s.finishEntry(g, e)
	}
}

func (s *Store) tooManyDead() bool {
	return s.index.deadBytes > s.o.MaxBytes/2 || s.index.deadCounted > s.o.MaxNotifications/2
}

const valueVersion = 1

func encodeStates(states []targetState) []byte {
	b := []byte{valueVersion}
	for _, t := range states {
		b = append(b, byte(t.kind))
		if t.kind == targetDead {
			b = appendString(b, t.reason.Value())
		}
	}
	return b
}

func decodeStates(b []byte, n int) ([]targetState, error) {
	d := decoder{b: b}
	if d.byte() != valueVersion {
		return nil, errMalformed
	}
	states := make([]targetState, n)
	for i := range states {
		states[i].kind = targetKind(d.byte())
		switch states[i].kind {
		case targetDead:
			states[i].reason = unique.Make(string(d.sized()))
		case targetPending, targetDone, targetRedriven:
		default:
			return nil, errMalformed
		}
	}
	if len(d.b) > 0 {
		return nil, errMalformed
	}
	return states, d.err
}

const (
	// stubFixed is the length of what stands before the endpoint of a stub: version, key, its expiry.
	stubFixed = 1 + 16 + 4
	// ownerlessStub is the version of stubs that do not tell their endpoint.
	ownerlessStub = 1
	stubVersion   = 2
)

// stub is what is left of a notification that is done with.
type stub struct {
	key     dedupKey
	expires int64  // Unix seconds
	owner   []byte // the endpoint, encoded; when decoded, it aliases what it was decoded from
}

func (s *stub) appendTo(b []byte) []byte {
	b = append(b, stubVersion)
	b = append(b, s.key[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.expires)) //nolint:gosec // see expirySeconds
	return append(b, s.owner...)
}

func decodeStub(b []byte) (s stub, err error) {
	if len(b) < stubFixed {
		return s, errMalformed
	}
	copy(s.key[:], b[1:])
	s.expires, s.owner = int64(binary.LittleEndian.Uint32(b[stubFixed-4:])), b[stubFixed:]
	switch {
	case b[0] == ownerlessStub && len(s.owner) == 0:
		s.owner = appendOwner(nil, Endpoint{})
	case b[0] != stubVersion || ownerOf(s.owner) == nil || len(ownerOf(s.owner)) != len(s.owner):
		return s, errMalformed
	}
	return s, nil
}
