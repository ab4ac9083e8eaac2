// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"math"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// entry is one notification that waits in a lane. There may be a million: every byte counts.
type entry struct {
	id       queue.ID
	order    uint64
	since    int64 // when its age began; see Dispatcher.steady for this and all other times of a lane
	size     uint32
	attempts uint16 // as far as it counts
	redriven bool   // it was a dead letter before
}

func (e *entry) tried() {
	if e.attempts < math.MaxUint16 {
		e.attempts++
	}
}

// retry is an entry that has failed.
type retry struct {
	entry
	due    int64
	reason string
}

// flight is an attempt that has begun and not ended.
type flight struct {
	retry
	probe   bool
	charged budget
}

func (f *flight) retried() bool { return f.attempts > 1 }

// terms are what the routes say of a lane at present.
type terms struct {
	// open says that attempts may begin.
	open bool
	// What is older than maxAge is ended as kind, but not before floor.
	maxAge time.Duration
	floor  int64
	kind   queue.Kind
	// gone says why it is discarded, if it is. What was a dead letter before is not: it becomes one again.
	gone string
}

// end is how an entry is ended.
func (t *terms) end(e *entry) queue.Kind {
	if e.redriven {
		return queue.Dead
	}
	return t.kind
}

// waitForEver has a lane do nothing.
func waitForEver() terms { return terms{maxAge: math.MaxInt64} }

func (t *terms) deadline(e *entry) int64 {
	if e.since > math.MaxInt64-int64(t.maxAge) {
		return math.MaxInt64
	}
	return max(e.since+int64(t.maxAge), t.floor)
}

// laterHeap is a heap of what is not due, by when it will be.
type laterHeap []retry

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h laterHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *laterHeap) Push(r any)        { *h = append(*h, r.(retry)) } // a heap of these alone
func (h *laterHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = retry{}
	*h = old[:len(old)-1]
	return r
}

// maxMessage is what a status has room for.
const maxMessage = 256
