// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"strconv"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// probeLimit fills the environment with URLs, if it is asked to.
func (c *check) probeLimit(ctx context.Context) error {
	if !c.options.FillLimit {
		for _, question := range []string{"url-limit", "move-at-limit", "put-limit-check"} {
			c.answer(question, NotChecked, "needs --fill-limit: it can only be seen by using every URL up")
		}
		return nil
	}
	// With a second trigger at its URL, the first one cannot take the URL along.
	if _, err := c.create(ctx, cloudinary.TriggerSpec{URI: c.main.spec.URI, EventType: otherEventType}); err != nil {
		return err
	}
	alone, urls, reached, err := c.fill(ctx)
	if err != nil {
		return err
	}
	if !reached {
		c.answer("url-limit", noLimit, "%d different URLs were not refused, and no more were tried", urls)
		c.answer("move-at-limit", NotApplicable, "no limit was reached")
		c.answer("put-limit-check", NotApplicable, "no limit was reached")
		return nil
	}
	c.answer("url-limit", strconv.Itoa(urls), "with %d different URLs, one more was refused", urls)
	if err := c.moveAlone(ctx, alone); err != nil {
		return err
	}
	return c.moveOneOfTwo(ctx)
}

// fill makes triggers at new URLs until one is refused; last is the id of the last one that was not, if any.
func (c *check) fill(ctx context.Context) (last string, urls int, reached bool, err error) {
	for urls = c.used + 1; urls < c.options.URLLimit+beyondLimit; urls++ {
		one, err := c.create(ctx, cloudinary.TriggerSpec{URI: c.newURL(), EventType: eventType})
		if cloudinary.IsLimitReached(err) {
			return last, urls, true, nil
		}
		if err != nil {
			return "", 0, false, err
		}
		last = one.ID
	}
	return last, urls, false, nil
}

func (c *check) moveAlone(ctx context.Context, id string) error {
	if id == "" {
		c.answer("move-at-limit", NotApplicable, "the limit left no room for a trigger to move")
		return nil
	}
	err := c.move(ctx, id, c.newURL())
	switch {
	case err == nil:
		c.answer("move-at-limit", "allowed", "the number of URLs stays the same")
	case cloudinary.IsLimitReached(err):
		c.answer("move-at-limit", verdictRefused, "%v", err)
	default:
		return err
	}
	return nil
}

func (c *check) moveOneOfTwo(ctx context.Context) error {
	err := c.move(ctx, c.main.id, c.newURL())
	switch {
	case err == nil:
		c.answer("put-limit-check", "false", "one of two triggers at a URL could move to a new one beyond the limit")
	case cloudinary.IsLimitReached(err):
		c.answer("put-limit-check", "true", "one of two triggers at a URL could not move to a new one: %v", err)
	default:
		return err
	}
	return nil
}
