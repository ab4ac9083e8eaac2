// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// chance is one actor's source of numbers. Each actor has one of its own, made of the seed and the actor's name, so that the
// numbers of one do not depend on how others are scheduled.
type chance struct {
	mu     sync.Mutex
	random *rand.Rand
}

func newChance(seed uint64, actor string) *chance {
	h := fnv.New64a()
	_, _ = h.Write([]byte(actor))
	return &chance{random: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

func (c *chance) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

// one reports true once in so many times.
func (c *chance) one(in int) bool { return c.below(in) == 0 }

func (c *chance) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Float64()
}

func (c *chance) between(least, most time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return least + time.Duration(c.random.Int64N(int64(most-least)+1)).Truncate(100*time.Microsecond)
}

func pick[T any](c *chance, from ...T) T { return from[c.below(len(from))] }
