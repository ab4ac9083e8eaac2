// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"crypto/sha256"
	"net/http"
	"time"

	"k8s.io/utils/lru"
)

const (
	// verdictsFor is how long a verdict counts: a right that was taken away is gone after that. One that lets in is asked for anew before.
	verdictsFor   = time.Minute
	refreshBehind = verdictsFor / 2
	// acquaintance is how long it is remembered that a token was right once.
	acquaintance = time.Hour

	maxGood = 64
	maxBad  = 1024
)

// tokenHash is what is kept of a token.
type tokenHash [sha256.Size]byte

type verdict struct {
	status int
	at     time.Time
}

// verdicts are what the API server has said of tokens. Those that let in have a memory of their own, which no number of wrong ones gets into.
type verdicts struct{ good, bad *lru.Cache }

func newVerdicts() *verdicts { return &verdicts{good: lru.New(maxGood), bad: lru.New(maxBad)} }

// standing is what is known of a token.
type standing int

const (
	unknown standing = iota
	settled          // the verdict counts
	ripe             // it counts, and is to be asked for anew meanwhile
	former           // it let in, and is to be asked for anew first
)

func (v *verdicts) find(of tokenHash, now time.Time) (int, standing) {
	if found, ok := v.good.Get(of); ok {
		last, _ := found.(verdict)
		switch age := now.Sub(last.at); {
		case age < refreshBehind:
			return last.status, settled
		case age < verdictsFor:
			return last.status, ripe
		case age < acquaintance:
			return last.status, former
		}
	}
	if found, ok := v.bad.Get(of); ok {
		if last, _ := found.(verdict); now.Sub(last.at) < verdictsFor {
			return last.status, settled
		}
	}
	return 0, unknown
}

func (v *verdicts) keep(of tokenHash, status int, now time.Time) {
	if status == http.StatusOK {
		v.bad.Remove(of)
		v.good.Add(of, verdict{status, now})
		return
	}
	v.good.Remove(of)
	v.bad.Add(of, verdict{status, now})
}
