// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"sync/atomic"
	"time"
	"unsafe"

	"k8s.io/utils/clock"
)

// nodeClock is the clock of a node, which people and programs set. As with a real one, what it shows jumps then, and what it
// measures does not: its times have a monotonic reading beside what they show.
type nodeClock struct {
	clock.RealClock
	ahead atomic.Int64 // seconds
}

// Now implements clock.Clock.
func (c *nodeClock) Now() time.Time {
	return withMonotonic(time.Now().Add(time.Duration(c.ahead.Load()) * time.Second))
}

// Since implements clock.Clock.
func (c *nodeClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// timeFields are those of a time.Time, which in a bubble has no monotonic reading of its own.
type timeFields struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

const (
	hasMonotonic  = 1 << 63
	nsecShift     = 30
	minWallSecond = -2682288000 // 1885, as a Unix time: what a time with a monotonic reading counts from
)

// withMonotonic gives a time the monotonic reading of this instant, as time.Since takes it.
func withMonotonic(shown time.Time) time.Time {
	zero := timeFields{wall: hasMonotonic}
	reading := time.Since(*(*time.Time)(unsafe.Pointer(&zero)))
	of := timeFields{
		wall: hasMonotonic | uint64(shown.Unix()-minWallSecond)<<nsecShift | uint64(shown.Nanosecond()),
		ext:  int64(reading), loc: time.UTC,
	}
	return *(*time.Time)(unsafe.Pointer(&of))
}
