// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"
)

// ServerClock converts between this process's time and Cloudinary's.
type ServerClock struct {
	offset time.Duration
	known  bool
}

// maxOffsetJitter is how far the header Date, which counts in seconds, may stray before the offset
// changes. A constant offset keeps times in order.
const maxOffsetJitter = 2 * time.Second

// learn takes the server's time from an answer that came at a local time. Zero: the answer has no
// time.
func (c *ServerClock) learn(date, local time.Time) {
	if date.IsZero() {
		return
	}
	offset := date.Sub(local)
	if !c.known || (offset-c.offset).Abs() > maxOffsetJitter {
		c.offset, c.known = offset, true
	}
}

// At is the server's time at a local time.
func (c *ServerClock) At(local time.Time) time.Time { return local.Add(c.offset) }

// local is this process's time at a time of the server.
func (c *ServerClock) local(server time.Time) time.Time { return server.Add(-c.offset) }
