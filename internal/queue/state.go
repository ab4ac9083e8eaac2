// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// maxStateBytes is what SetState takes at most.
const maxStateBytes = 1 << 20

// State implements Queue.
func (s *Store) State(name string) ([]byte, error) {
	value, err := s.read(topKey(topState, name))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("state %s: %w", name, err)
	case len(value) < 5 || value[0] != valueVersion || binary.LittleEndian.Uint32(value[1:]) != checksum(value[5:]):
		return nil, fmt.Errorf("state %s: %w", name, ErrDamaged)
	}
	return value[5:], nil
}

// SetState implements Queue.
func (s *Store) SetState(name string, value []byte) error {
	if len(value) > maxStateBytes || len(name) > maxReason {
		return fmt.Errorf("state %s: %w", cutReason(name), ErrTooLarge)
	}
	o := &op{apply: applyState, name: name, value: slices.Clone(value), done: make(chan struct{}, 1)}
	err, _ := s.do(context.Background(), o)
	return err
}

func applyState(s *Store, g *group, o *op) {
	b := append(make([]byte, 5, 5+len(o.value)), o.value...)
	b[0] = valueVersion
	binary.LittleEndian.PutUint32(b[1:], checksum(o.value))
	s.set(g, topKey(topState, o.name), b)
}
