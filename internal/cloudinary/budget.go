// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"math"
	"time"
)

// DefaultCallShare is the default for the largest share of the Cloudinary plan's calls.
const DefaultCallShare = 0.5

const (
	// lastCalls is the share of the Cloudinary plan's calls that the operator never uses: people
	// and their tools need some when the budget runs out.
	lastCalls = 0.05
	// listReserve bounds the calls that are kept for lists. repairReserve are the calls that
	// repairs leave to people. Both are shares of the allowance.
	listReserve   = 0.25
	repairReserve = 0.25
)

// Purpose is the purpose of a call. Changes that people ask for come before repairs, and neither
// may use up the calls for lists.
type Purpose int

// The purposes, the most important first.
const (
	Listing Purpose = iota
	Changing
	Repairing
)

// Budget counts the calls to one product environment: a share of the Cloudinary plan's calls, from
// one reset to the next. It learns from the X-FeatureRateLimit headers of the answers, and allows
// any number of calls until an answer has them. All times are by the server's clock.
//
// A new process does not know how many calls of the present hour its predecessor made. It counts
// all of them as its own, so that restarts do not add up to more than the share.
type Budget struct {
	// Share of the Cloudinary plan's calls, above 0 and at most 1.
	Share float64
	// ListInterval is the time between two lists. Calls for them are reserved until the reset.
	ListInterval time.Duration

	limit     int
	remaining int
	reset     time.Time
	spent     int
	known     bool
}

const (
	// window is the time between two resets if the server does not report it (Cloudinary: on the
	// hour).
	window = time.Hour
	// resetSlack is the precision of the header Date, which counts in seconds.
	resetSlack = time.Second
)

// Spend records calls.
func (b *Budget) Spend(calls int, now time.Time) {
	b.roll(now)
	b.spent += calls
	b.remaining = max(0, b.remaining-calls)
}

// Learn records the headers of an answer, after Spend for its call.
func (b *Budget) Learn(limit RateLimit, now time.Time) {
	b.roll(now)
	reset := limit.Reset
	if reset.IsZero() {
		reset = now.Truncate(window).Add(window)
	}
	switch {
	case !b.known:
		b.spent = max(b.spent, limit.Limit-limit.Remaining)
	case b.reset.IsZero(): // the first answer after a reset
	case reset.Before(b.reset): // an answer that was overtaken
		return
	// The server reset earlier than expected; the call that was answered is of its new window
	case reset.After(b.reset):
		b.spent = 1
	}
	b.known, b.limit, b.remaining, b.reset = true, limit.Limit, limit.Remaining, reset
}

// roll begins a new hour if a reset has passed. The next answer has the time of the next reset.
func (b *Budget) roll(now time.Time) {
	if b.known && !b.reset.IsZero() && !now.Before(b.reset.Add(resetSlack)) {
		b.spent, b.remaining, b.reset = 0, b.limit, time.Time{}
	}
}

// Left is the number of calls for a purpose now; math.MaxInt if the server reports no limit.
func (b *Budget) Left(p Purpose, now time.Time) int {
	b.roll(now)
	if !b.known {
		return math.MaxInt
	}
	allowance := b.Share * float64(b.limit)
	left := min(allowance-float64(b.spent), float64(b.remaining)-math.Max(1, lastCalls*float64(b.limit)))
	if p >= Changing {
		left -= min(b.listsUntilReset(now), listReserve*allowance)
	}
	if p >= Repairing {
		left -= repairReserve * allowance
	}
	return int(math.Max(0, math.Floor(left)))
}

func (b *Budget) listsUntilReset(now time.Time) float64 {
	if b.ListInterval <= 0 {
		return 0
	}
	return math.Ceil(float64(b.untilReset(now)) / float64(b.ListInterval))
}

// untilReset is how long the remaining calls have to last.
func (b *Budget) untilReset(now time.Time) time.Duration {
	if b.reset.IsZero() {
		return window
	}
	return max(0, b.reset.Add(resetSlack).Sub(now))
}

// Allowance is the number of calls from one reset to the next, and the number that the Cloudinary
// plan allows; 0 and 0 if the server reports no limit.
func (b *Budget) Allowance() (share, limit int) { return int(b.Share * float64(b.limit)), b.limit }

// ResetAt is the time of the next reset; zero if the server has not reported it.
func (b *Budget) ResetAt(now time.Time) time.Time {
	b.roll(now)
	if b.reset.IsZero() {
		return time.Time{}
	}
	return b.reset.Add(resetSlack)
}

// Stretch is the interval at which the remaining calls last until the reset. It is at least the
// given one.
func (b *Budget) Stretch(interval time.Duration, now time.Time) time.Duration {
	left := b.Left(Listing, now)
	if left == math.MaxInt || left == 0 {
		return interval
	}
	return max(interval, b.untilReset(now)/time.Duration(left))
}
