// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"math"
	"time"
)

// DefaultCallShare is the share of a plan's calls that is spent at most where nothing else is said.
const DefaultCallShare = 0.5

const (
	// lastCalls is the share of a plan's calls that is never touched, whoever used the others: people and their tools
	// need some when a budget runs out.
	lastCalls = 0.05
	// listReserve bounds what is kept for lists, and repairReserve is what repairs leave to people, as shares of the allowance.
	listReserve   = 0.25
	repairReserve = 0.25
)

// Purpose is what a call is for. What people ask for comes before repairs, and neither may use up what it takes to see.
type Purpose int

// The purposes, the most important first.
const (
	Listing Purpose = iota
	Changing
	Repairing
)

// Budget is a bucket of calls to one product environment: as many as a share of the plan's calls, filled at each reset. It is fed by
// the X-FeatureRateLimit headers of the answers, and allows anything as long as none has had them. All times are by the server's clock.
//
// A process that has just started does not know how many of the calls of the present window were its predecessor's. It takes all of
// them for that, whoever made them, so that restarts do not add up to more than the share.
type Budget struct {
	// Share of the plan's calls, above 0 and at most 1.
	Share float64
	// ListInterval is the time between two lists; calls for them are kept until the reset.
	ListInterval time.Duration

	limit     int
	remaining int
	reset     time.Time
	spent     int
	known     bool
}

const (
	// window is how often a budget is reset where the server does not say when (Cloudinary: on the hour).
	window = time.Hour
	// resetSlack is how exactly the header Date, which counts in seconds, tells when a reset is.
	resetSlack = time.Second
)

// Spend notes calls that were made.
func (b *Budget) Spend(calls int, now time.Time) {
	b.roll(now)
	b.spent += calls
	b.remaining = max(0, b.remaining-calls)
}

// Learn notes what an answer says, after Spend for its call.
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
	case reset.After(b.reset): // the server reset earlier than expected; the call that was answered is of its new window
		b.spent = 1
	}
	b.known, b.limit, b.remaining, b.reset = true, limit.Limit, limit.Remaining, reset
}

// roll fills the bucket where a reset has passed. When the next one is, the next answer tells.
func (b *Budget) roll(now time.Time) {
	if b.known && !b.reset.IsZero() && !now.Before(b.reset.Add(resetSlack)) {
		b.spent, b.remaining, b.reset = 0, b.limit, time.Time{}
	}
}

// Left is how many calls may be made for a purpose now; math.MaxInt where the server tells nothing.
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

// untilReset is how long the calls that are left have to last.
func (b *Budget) untilReset(now time.Time) time.Duration {
	if b.reset.IsZero() {
		return window
	}
	return max(0, b.reset.Add(resetSlack).Sub(now))
}

// Allowance is how many calls may be made from one reset to the next, and how many the plan allows; 0 and 0 where the server tells nothing.
func (b *Budget) Allowance() (share, limit int) { return int(b.Share * float64(b.limit)), b.limit }

// ResetAt is when the bucket is filled next; zero where the server has not told.
func (b *Budget) ResetAt(now time.Time) time.Time {
	b.roll(now)
	if b.reset.IsZero() {
		return time.Time{}
	}
	return b.reset.Add(resetSlack)
}

// Stretch is the interval at which the calls that are left suffice until the reset, at least the one given.
func (b *Budget) Stretch(interval time.Duration, now time.Time) time.Duration {
	left := b.Left(Listing, now)
	if left == math.MaxInt || left == 0 {
		return interval
	}
	return max(interval, b.untilReset(now)/time.Duration(left))
}
