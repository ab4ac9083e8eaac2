// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"
)

// ServerClock turns this process's time into Cloudinary's.
type ServerClock struct {
	offset time.Duration
	known  bool
}

// maxOffsetJitter is how far the header Date, which counts in seconds, may stray before the offset
// is set anew. An offset that stays keeps times in order.
const maxOffsetJitter = 2 * time.Second

// learn takes note of the server's time in an answer that came then; zero: it has none.
func (c *ServerClock) learn(date, local time.Time) {
	if date.IsZero() {
		return
	}
	offset := date.Sub(local)
	if !c.known || (offset-c.offset).Abs() > maxOffsetJitter {
		c.offset, c.known = offset, true
	}
}

// At is the server's time.
func (c *ServerClock) At(local time.Time) time.Time { return local.Add(c.offset) }

// local is this process's time.
func (c *ServerClock) local(server time.Time) time.Time { return server.Add(-c.offset) }
