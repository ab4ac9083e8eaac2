// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// MaxStateBytes is how many bytes of names and values SetStates takes at most.
const MaxStateBytes = 1 << 20

const stateHead = 5

// States implements Queue.
func (s *Store) States(prefix string, yield func(name string, value []byte) bool) (err error) {
	if err := s.readable(); err != nil {
		return err
	}
	iter, err := s.db.NewIter(&pebble.IterOptions{LowerBound: topKey(topState, prefix), UpperBound: topKey(topState+1, "")})
	if err != nil {
		return err
	}
	defer func() {
		// What Close says was said by Error before, or comes of it.
		if closeErr := iter.Close(); err == nil {
			err = closeErr
		}
	}()
	for valid := iter.First(); valid; valid = iter.Next() {
		name := string(iter.Key()[keyLen:])
		if !strings.HasPrefix(name, prefix) {
			return nil
		}
		stored, err := iter.ValueAndErr()
		if err != nil {
			return s.stateError(name, err)
		}
		value, err := decodeState(stored)
		if err != nil {
			return s.stateError(name, err)
		}
		if !yield(name, value) {
			return nil
		}
	}
	if err := iter.Error(); err != nil {
		return s.stateError(prefix, err)
	}
	return nil
}

func (s *Store) stateError(name string, err error) error {
	if pebble.IsCorruptionError(err) {
		s.noteDamage()
		err = errors.Join(ErrDamaged, err)
	}
	return fmt.Errorf("state %s: %w", name, err)
}

// decodeState returns a copy of the value.
func decodeState(b []byte) ([]byte, error) {
	if len(b) < stateHead || b[0] != valueVersion || binary.LittleEndian.Uint32(b[1:]) != checksum(b[stateHead:]) {
		return nil, ErrDamaged
	}
	return bytes.Clone(b[stateHead:]), nil
}

// SetStates implements Queue.
func (s *Store) SetStates(values map[string][]byte) error {
	o := &op{apply: applyStates, done: make(chan struct{}, 1)}
	n := 0
	for _, name := range slices.Sorted(maps.Keys(values)) {
		n += len(name) + len(values[name])
		if len(name) > maxReason || n > MaxStateBytes {
			return fmt.Errorf("state %s, and those with it: %w", excerpt.Head(name, maxReason), ErrTooLarge)
		}
		o.states = append(o.states, state{name: name, value: slices.Clone(values[name])})
	}
	err, _ := s.do(context.Background(), o)
	return err
}

// state is a small value under a name; an empty value is none.
type state struct {
	name  string
	value []byte
}

func applyStates(s *Store, g *group, o *op) {
	for _, state := range o.states {
		key := topKey(topState, state.name)
		if len(state.value) == 0 {
			s.must(g.batch.Delete(key, nil))
			continue
		}
		b := append(make([]byte, stateHead, stateHead+len(state.value)), state.value...)
		b[0] = valueVersion
		binary.LittleEndian.PutUint32(b[1:], checksum(state.value))
		s.set(g, key, b)
	}
}
