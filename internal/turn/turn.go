// SPDX-License-Identifier: Apache-2.0

// Package turn decides when a person is told that an object has got into trouble, or is well again, and how often at most. It writes
// nothing, and knows no conditions.
package turn

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

// How often a person is told of one subject's troubles: so many times at once, and then once in this time.
const (
	Burst = 5
	Every = 10 * time.Minute
)

const (
	tidyEvery = time.Minute
	// forgetAfter is how long trouble is remembered of which nothing was heard: the object may be gone.
	forgetAfter = 24 * time.Hour
)

// State is how a subject fares. The zero value is neither well nor in trouble: it is being worked on, or nothing is known.
type State struct {
	Well    bool
	Trouble string // what it is, as a word; empty: none
}

// Telling is what to tell of a turn.
type Telling int

// The tellings.
const (
	Nothing Telling = iota
	Trouble
	WellAgain
)

// Subject is what turns: one condition of one object.
type Subject struct {
	UID       types.UID
	Condition string
}

// Teller remembers what was told. The zero value is ready, and any goroutine may use it.
type Teller struct {
	mu       sync.Mutex
	subjects map[Subject]*memory
	tidied   time.Time
}

type memory struct {
	limiter *rate.Limiter
	told    bool // of trouble, and not yet that it is over
	at      time.Time
}

// Turn says what to tell of a subject that fared one way, and fares another way now. Of trouble that was told it is told, too, that
// it is over, however much was told already, also where the subject was worked on in between.
func (t *Teller) Turn(of Subject, before, after State, now time.Time) Telling {
	if before == after {
		return Nothing
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tidy(now)
	m := t.subjects[of]
	switch {
	case after.Trouble != "" && after.Trouble != before.Trouble:
		m = t.remember(of, now)
		if !m.limiter.AllowN(now, 1) {
			return Nothing
		}
		m.told = true
		return Trouble
	case after.Well && m != nil && m.told:
		m.told, m.at = false, now
		return WellAgain
	case after.Well && m == nil && before.Trouble != "": // it was told before this program started
		if m = t.remember(of, now); !m.limiter.AllowN(now, 1) {
			return Nothing
		}
		return WellAgain
	default:
		return Nothing
	}
}

func (t *Teller) remember(of Subject, now time.Time) *memory {
	if t.subjects == nil {
		t.subjects = map[Subject]*memory{}
	}
	m := t.subjects[of]
	if m == nil {
		m = &memory{limiter: rate.NewLimiter(rate.Every(Every), Burst)}
		t.subjects[of] = m
	}
	m.at = now
	return m
}

// tidy forgets, now and then, the subjects that are as one that was never seen, and those that are most likely gone.
func (t *Teller) tidy(now time.Time) {
	if now.Sub(t.tidied) < tidyEvery {
		return
	}
	t.tidied = now
	for of, m := range t.subjects {
		if !m.told && m.limiter.TokensAt(now) >= Burst || now.Sub(m.at) > forgetAfter {
			delete(t.subjects, of)
		}
	}
}
