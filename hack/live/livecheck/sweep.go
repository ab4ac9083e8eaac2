// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// settleTime is how long a create whose answer was lost may take to show in the list, where the list's lag is not known.
const settleTime = 30 * time.Second

// sweep deletes everything that the check made, and lists until that is seen to be so. It is tried for about two minutes.
func (c *check) sweep(ctx context.Context) error {
	if !c.ledger.touched {
		return nil
	}
	var err error
	for _, wait := range sweepWaits() {
		c.sleep(ctx, wait)
		var done bool
		if done, err = c.sweepOnce(ctx); done {
			return nil
		}
	}
	return c.leftBehind(err)
}

// sweepWaits are the pauses before each round; the first has none.
func sweepWaits() []time.Duration {
	return []time.Duration{
		0, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
		15 * time.Second, 15 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
	}
}

// sweepOnce reports whether nothing is left.
func (c *check) sweepOnce(ctx context.Context) (done bool, err error) {
	failed := c.deleteOwned(ctx)
	triggers, _, err := c.list(ctx)
	if err != nil {
		return false, errors.Join(failed, err)
	}
	isNew := false
	c.ledger.shown = nil
	for _, t := range triggers {
		if !isOurs(t.Trigger) || c.ledger.foreign[t.ID] {
			continue
		}
		c.ledger.shown = append(c.ledger.shown, t.ID)
		if !c.ledger.deleted[t.ID] && !c.ledger.owned[t.ID] {
			// The answer to its create was lost.
			isNew = true
			_ = c.ledger.add(t.ID) // not foreign, as was just seen
		}
	}
	if isNew {
		failed = c.deleteOwned(ctx)
	}
	waits := c.ledger.pending && c.options.Now().Sub(c.ledger.asked) < c.settle()
	return len(c.ledger.shown) == 0 && !waits && len(c.ledger.owned) == 0, failed
}

// settle is after what time a list that does not show a create proves that there was none.
func (c *check) settle() time.Duration {
	return max(settleTime, 2*c.lag.atMost)
}

func (c *check) deleteOwned(ctx context.Context) error {
	var failed error
	for _, id := range c.ledger.ids() {
		if err := c.remove(ctx, id); c.ledger.owned[id] {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// leftBehind says what is left, or may be.
func (c *check) leftBehind(cause error) error {
	if ids := c.ledger.ids(); len(ids) > 0 {
		return fmt.Errorf("not deleted, please delete them or run the check again: triggers %s: %w", strings.Join(ids, ", "), cause)
	}
	if cause != nil {
		return fmt.Errorf("every trigger that is known to be the check's was deleted, but the list that was to confirm it failed: run the check again: %w", cause)
	}
	if c.ledger.pending {
		return errors.New("the answer to a create was lost, and the list has not shown for long enough that there is nothing: run the check again")
	}
	return fmt.Errorf("every trigger of the check's was deleted, and the list still shows some: run the check again: triggers %s",
		strings.Join(c.ledger.shown, ", "))
}
