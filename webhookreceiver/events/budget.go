// SPDX-License-Identifier: Apache-2.0

package events

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Rate is how much may be written: Burst at once, and one more each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// bucket is a token bucket. Unlike those of golang.org/x/time/rate it takes back what was not used after all.
type bucket struct {
	tokens float64
	at     time.Time
}

func (b *bucket) refill(r Rate, now time.Time) {
	if b.at.IsZero() {
		b.tokens = float64(r.Burst)
	} else if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(float64(r.Burst), b.tokens+float64(passed)/float64(r.Every))
	}
	b.at = now
}

// take takes a token if there is one.
func (b *bucket) take(r Rate, now time.Time) bool {
	b.refill(r, now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// reserve takes a token, and says how long to wait until it is there. One that would take longer than most is not taken.
func (b *bucket) reserve(r Rate, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	b.refill(r, now)
	if missing := 1 - b.tokens; missing > 0 {
		wait = time.Duration(missing * float64(r.Every))
	}
	if wait > most {
		return 0, false
	}
	b.tokens--
	return wait, true
}

func (b *bucket) giveBack(r Rate) { b.tokens = min(float64(r.Burst), b.tokens+1) }

// budget is what may be written, for each endpoint and for all of them.
type budget struct {
	endpoint, receiver Rate
	most               time.Duration

	mu        sync.Mutex
	endpoints map[types.NamespacedName]*bucket
	all       bucket
	tidied    time.Time
}

func newBudget(endpoint, receiver Rate, most time.Duration) *budget {
	return &budget{endpoint: endpoint, receiver: receiver, most: most, endpoints: map[types.NamespacedName]*bucket{}}
}

// verdict says what is over its budget, if anything.
type verdict int

const (
	granted verdict = iota
	endpointOver
	receiverOver
)

// take grants one write, after a wait.
func (b *budget) take(key types.NamespacedName, now time.Time) (time.Duration, verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tidy(now)
	own := b.endpoints[key]
	if own == nil {
		own = &bucket{}
		b.endpoints[key] = own
	}
	if !own.take(b.endpoint, now) {
		return 0, endpointOver
	}
	wait, ok := b.all.reserve(b.receiver, now, b.most)
	if !ok {
		own.giveBack(b.endpoint)
		return 0, receiverOver
	}
	return wait, granted
}

// giveBack returns to an endpoint what was not written. The receiver's own budget, which spares the API server, is used up by
// the attempt.
func (b *budget) giveBack(key types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if own := b.endpoints[key]; own != nil {
		own.giveBack(b.endpoint)
	}
}

// tidy forgets, now and then, the endpoints that have their whole budget, as an unknown one has.
func (b *budget) tidy(now time.Time) {
	if now.Sub(b.tidied) < time.Minute {
		return
	}
	b.tidied = now
	for key, own := range b.endpoints {
		if own.refill(b.endpoint, now); own.tokens >= float64(b.endpoint.Burst) {
			delete(b.endpoints, key)
		}
	}
}
