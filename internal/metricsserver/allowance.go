// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// How many unknown tokens the API server is asked about: of one address, and of all together that have not shown a right one. Each question is
// two calls. Prometheus has one new token an hour.
const (
	questionsOfEach, burstOfEach = 1, 5
	questionsOfAll, burstOfAll   = 5, 10

	maxAddresses = 1024
	maxKnown     = 64
)

// allowance bounds those questions, so that whoever makes tokens up delays nobody: neither those who share the API server, nor whoever comes
// with a new token from another address.
type allowance struct {
	mu    sync.Mutex
	all   *rate.Limiter
	each  *lru.Cache // a *rate.Limiter for each address
	known *lru.Cache // when an address last had a token that let in
}

func newAllowance() *allowance {
	return &allowance{all: rate.NewLimiter(questionsOfAll, burstOfAll), each: lru.New(maxAddresses), known: lru.New(maxKnown)}
}

// take reports whether the API server may be asked now. Nobody waits.
func (a *allowance) take(address string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	own, ok := a.each.Get(address)
	if !ok {
		own = rate.NewLimiter(questionsOfEach, burstOfEach)
		a.each.Add(address, own)
	}
	if limiter, _ := own.(*rate.Limiter); !limiter.AllowN(now, 1) {
		return false
	}
	return a.knows(address, now) || a.all.AllowN(now, 1)
}

func (a *allowance) knows(address string, now time.Time) bool {
	last, ok := a.known.Get(address)
	if !ok {
		return false
	}
	at, _ := last.(time.Time)
	return now.Sub(at) < acquaintance
}

// wasRight is told that a token from an address let in.
func (a *allowance) wasRight(address string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.Add(address, now)
}
