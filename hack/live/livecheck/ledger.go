// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// ledger knows what the check has to delete.
type ledger struct {
	// foreign are the ids of triggers that are not the check's.
	foreign map[string]bool
	// owned are the ids of the check's own triggers that may exist.
	owned map[string]bool
	// deleted are the ids that a lagging list may still show.
	deleted map[string]bool
	// shown are the check's own in the last list of the cleaning up.
	shown   []string
	touched bool
	// pending is set while it is not known whether a create made a trigger.
	pending bool
	// asked is when that create was made.
	asked time.Time
}

func newLedger() *ledger {
	return &ledger{foreign: map[string]bool{}, owned: map[string]bool{}, deleted: map[string]bool{}}
}

// intend is called before a create, so that a panic in the midst of it leaves it pending.
func (l *ledger) intend(now time.Time) {
	l.touched, l.pending, l.asked = true, true, now
}

// settle is called once it is known what became of the create.
func (l *ledger) settle() {
	l.pending = false
}

func (l *ledger) add(id string) error {
	if l.foreign[id] {
		return fmt.Errorf("a create was answered with trigger %s, which was there before: it is left alone", id)
	}
	l.touched = true
	l.owned[id] = true
	return nil
}

func (l *ledger) gone(id string) {
	delete(l.owned, id)
	l.deleted[id] = true
}

// ids are what is to be deleted, in a stable order.
func (l *ledger) ids() []string {
	return slices.Sorted(maps.Keys(l.owned))
}
