// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// StatusEnhanceYourCalm is Cloudinary's own status for a call beyond the budget.
const StatusEnhanceYourCalm = 420

// budget counts the calls of the current window. It is not safe for concurrent use.
type budget struct {
	limit  int // negative: any number
	window time.Duration
	status int
	reset  time.Time
	used   int
}

func (b *budget) roll(now time.Time) {
	if now.Before(b.reset) && !now.Before(b.reset.Add(-b.window)) {
		return
	}
	b.reset = now.UTC().Truncate(b.window).Add(b.window)
	b.used = 0
}

// spend takes one call from the budget and reports whether there was one.
func (b *budget) spend(now time.Time) bool {
	b.roll(now)
	if b.limit >= 0 && b.used >= b.limit {
		return false
	}
	b.used++
	return true
}

func (b *budget) addHeaders(now time.Time, header http.Header) {
	if b.limit < 0 {
		return
	}
	b.roll(now)
	header.Set("X-Featureratelimit-Limit", strconv.Itoa(b.limit))
	header.Set("X-Featureratelimit-Remaining", strconv.Itoa(b.limit-b.used))
	header.Set("X-Featureratelimit-Reset", b.reset.Format(http.TimeFormat))
}

func (b *budget) refusal() answer {
	return failure(b.status, fmt.Sprintf(messageRateLimitFormat, b.limit, b.reset.Format("2006-01-02 15:04:05 UTC")))
}
