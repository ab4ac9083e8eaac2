// SPDX-License-Identifier: Apache-2.0

package test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// Which moments the receiver is killed at, and how often. Unset: other moments each time, six of them.
const (
	crashSeedVariable = "RECEIVER_CRASH_SEED"
	crashesVariable   = "RECEIVER_CRASHES"
)

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func TestKilledReceiverDeliversWhatItAnswered200(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	seed, crashes := number(t, crashSeedVariable, uint64(time.Now().UnixNano())), number(t, crashesVariable, 6)
	t.Logf("%s=%d %s=%d", crashSeedVariable, seed, crashesVariable, crashes)
	random := rand.New(rand.NewPCG(seed, 0))
	var failures atomicRandom
	failures.seed(random.Uint64())
	catalog.answers(func(arrival) int {
		if failures.oneIn(100) {
			return http.StatusBadGateway // so that something is always waiting for another attempt
		}
		return http.StatusOK
	})
	p := s.startReady("media")
	l := s.load("media", 16)
	for i := range crashes {
		if i%2 == 0 { // while it works
			goal := l.count() + 1 + random.IntN(300)
			testenv.Eventually(t, patience, func() error {
				if n := l.count(); n < goal {
					return errNot("%d notifications were answered 200, to be killed at %d", n, goal)
				}
				return nil
			})
		} else { // possibly while it starts
			select {
			case <-time.After(time.Duration(random.Int64N(int64(400 * time.Millisecond)))):
			case <-p.ended:
				t.Fatalf("the receiver ended by itself: %v", p.err)
			}
		}
		p.kill()
		p = s.start()
	}
	s.ready(p)
	l.stop()
	l.arrive(catalog)
	p.terminate()
}

// atomicRandom may be used by many goroutines at once.
type atomicRandom struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (a *atomicRandom) seed(seed uint64) { a.r = rand.New(rand.NewPCG(seed, 1)) }

func (a *atomicRandom) oneIn(n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.r.IntN(n) == 0
}
