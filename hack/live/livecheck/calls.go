// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// begin refuses a call where the check was interrupted. A call that has begun is not cut off: whether it took effect would not be known.
func begin(ctx context.Context) (context.Context, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return context.WithoutCancel(ctx), nil
}

func (c *check) list(ctx context.Context) ([]shown, cloudinary.Meta, error) {
	ctx, err := begin(ctx)
	if err != nil {
		return nil, cloudinary.Meta{}, err
	}
	triggers, meta, err := c.client.ListTriggers(ctx)
	return listed(triggers, c.recorder.body), meta, err
}

// create makes a trigger of the check's own. Whatever becomes of the call, the ledger knows.
func (c *check) create(ctx context.Context, spec cloudinary.TriggerSpec) (shown, error) {
	ctx, err := begin(ctx)
	if err != nil {
		return shown{}, err
	}
	spec.FilterLanguage = c.language
	c.ledger.intend(c.options.Now())
	t, _, err := c.client.CreateTrigger(ctx, spec)
	if cloudinary.IsAmbiguous(err) {
		return shown{}, err
	}
	c.ledger.settle()
	if err != nil {
		return shown{}, err
	}
	one, _ := created(t, c.recorder.body)
	return one, c.ledger.add(t.ID)
}

// update sends every field, or those that withOnly leaves of them.
func (c *check) update(ctx context.Context, id string, spec cloudinary.TriggerSpec, options cloudinary.UpdateOptions) error {
	ctx, err := begin(ctx)
	if err != nil {
		return err
	}
	spec.FilterLanguage = c.language
	_, err = c.client.UpdateTrigger(ctx, id, spec, options)
	return err
}

// move sends the URL and nothing else.
func (c *check) move(ctx context.Context, id, url string) error {
	return c.update(withOnly(ctx, "new_uri"), id, cloudinary.TriggerSpec{URI: url}, cloudinary.UpdateOptions{})
}

func (c *check) remove(ctx context.Context, id string) error {
	ctx, err := begin(ctx)
	if err != nil {
		return err
	}
	_, err = c.client.DeleteTrigger(ctx, id)
	if err == nil || cloudinary.IsNotFound(err) {
		c.ledger.gone(id)
	}
	return err
}

func (c *check) test(ctx context.Context, id string, sample map[string]any) (cloudinary.TestResult, error) {
	ctx, err := begin(ctx)
	if err != nil {
		return cloudinary.TestResult{}, err
	}
	var body json.RawMessage
	if sample != nil {
		if body, err = json.Marshal(sample); err != nil {
			return cloudinary.TestResult{}, fmt.Errorf("encode the sample: %w", err)
		}
	}
	result, _, err := c.client.TestTrigger(ctx, id, body)
	return result, err
}

// lag is how late the list is, as far as was seen.
type lag struct {
	// atLeast is the longest time after a write at which a list did not show it; atMost the longest until one did.
	atLeast, atMost time.Duration
	isLate          bool
	lists           int
}

// await lists until the list shows what was just written, and measures how long that takes. The lag that is known is waited for at
// once, and whatever comes on top of it in pauses of their own.
func (c *check) await(ctx context.Context, what string, isShown func([]shown) bool) ([]shown, error) {
	wrote := c.options.Now()
	missed := time.Duration(-1)
	wait, extra := c.lag.atMost, time.Duration(0)
	for {
		c.sleep(ctx, wait)
		asked := c.options.Now()
		triggers, meta, err := c.list(ctx)
		if err != nil {
			return nil, err
		}
		since := asked.Sub(wrote)
		if isShown(triggers) {
			c.lag.lists++
			if missed >= 0 {
				c.lag.isLate = true
				c.lag.atLeast, c.lag.atMost = max(c.lag.atLeast, missed), max(c.lag.atMost, since)
			}
			return triggers, nil
		}
		missed = since
		if since >= c.options.Patience {
			return nil, fmt.Errorf("the list does not show %s after %s", what, since.Round(time.Millisecond))
		}
		if limit := meta.RateLimit; limit != nil && limit.Remaining <= c.reserve() {
			return nil, fmt.Errorf("the list does not show %s after %s; %d calls are left in this hour, and they are kept to clean up",
				what, since.Round(time.Millisecond), limit.Remaining)
		}
		extra = nextWait(extra)
		wait = extra
	}
}

// reserve is how many calls cleaning up may take: a delete of each trigger, and the lists until they are seen to be gone.
func (c *check) reserve() int {
	return len(c.ledger.owned) + len(sweepWaits())
}

// nextWait grows, so that a short lag is measured closely and a long one costs few calls.
func nextWait(last time.Duration) time.Duration {
	const shortest, longest = 250 * time.Millisecond, 5 * time.Second
	return min(max(2*last, shortest), longest)
}

func (c *check) sleep(ctx context.Context, d time.Duration) {
	if d > 0 {
		c.options.Sleep(ctx, d)
	}
}

// awaitURL lists until a trigger is shown at a URL. Each update that has to be watched moves the trigger, since its URL is the one
// field that every list shows.
func (c *check) awaitURL(ctx context.Context, id, url string) (shown, error) {
	return c.awaitTrigger(ctx, "the update of trigger "+id, func(t shown) bool { return t.ID == id && t.URI == url })
}

func (c *check) awaitCreated(ctx context.Context, id string) (shown, error) {
	return c.awaitTrigger(ctx, "the new trigger "+id, func(t shown) bool { return t.ID == id })
}

func (c *check) awaitTrigger(ctx context.Context, what string, matches func(shown) bool) (shown, error) {
	triggers, err := c.await(ctx, what, func(all []shown) bool { return slices.ContainsFunc(all, matches) })
	if err != nil {
		return shown{}, err
	}
	return triggers[slices.IndexFunc(triggers, matches)], nil
}
