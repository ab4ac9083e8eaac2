// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// question is one that is waiting for its answer.
type question struct {
	audiences []string
	answer    chan<- int // 0: none comes
}

var errAway = errors.New("the API server is away")

// gated is a gate whose questions a test answers, and a clock.
type gated struct {
	*testing.T
	gate      *gate
	questions chan question
	mu        sync.Mutex
	now       time.Time
}

func newGated(t *testing.T) *gated {
	t.Helper()
	g := &gated{T: t, questions: make(chan question, 100), now: time.Unix(1_700_000_000, 0)}
	ask := func(ctx context.Context, _ string, audiences []string) (int, error) {
		answer := make(chan int)
		g.questions <- question{audiences, answer}
		select {
		case status := <-answer:
			if status != 0 {
				return status, nil
			}
		case <-ctx.Done():
		}
		return 0, errAway
	}
	clock := func() time.Time {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.now
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	g.gate = &gate{next: next, ask: ask, now: clock, log: logr.Discard(), verdicts: newVerdicts(), allowance: newAllowance()}
	return g
}

func (g *gated) later(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

func (g *gated) get(token, address string) int {
	r := httptest.NewRequestWithContext(g.Context(), http.MethodGet, path, http.NoBody)
	r.RemoteAddr = address + ":1234"
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	g.gate.ServeHTTP(w, r)
	return w.Code
}

// asked is what a token is answered, and the API server says of it.
func (g *gated) asked(token, address string, says int) int {
	g.Helper()
	got := make(chan int)
	go func() { got <- g.get(token, address) }()
	select {
	case q := <-g.questions:
		q.answer <- says
	case status := <-got:
		g.Errorf("answered %d, and nobody was asked", status)
		return status
	case <-time.After(patience):
		g.Fatal("nobody was asked")
	}
	return <-got
}

// unasked is what a token is answered without a question.
func (g *gated) unasked(token, address string) int {
	g.Helper()
	got := g.get(token, address)
	select {
	case <-g.questions:
		g.Error("the API server is asked")
	default:
	}
	return got
}

const scraper, stranger = "10.0.0.1", "10.0.0.2"

func TestAKnownTokenDoesNotWaitForTheAPIServer(t *testing.T) {
	g := newGated(t)
	token := forged(t, map[string]any{"sub": "prometheus"})
	if got := g.asked(token, scraper, http.StatusOK); got != http.StatusOK {
		t.Fatalf("a right token is answered %d", got)
	}
	for range 5 {
		if got := g.unasked(token, scraper); got != http.StatusOK {
			t.Errorf("it is answered %d at once afterwards", got)
		}
		g.later(refreshBehind)
		for range 3 { // nor does it wait while that is under way
			if got := g.get(token, scraper); got != http.StatusOK {
				t.Errorf("it is answered %d half a minute later", got)
			}
		}
		(<-g.questions).answer <- http.StatusOK
		testenv.Eventually(t, soon, func() error {
			if _, standing := g.gate.verdicts.find(hashOf(token), g.gate.now()); standing != settled {
				return errors.New("the answer has not arrived")
			}
			return nil
		})
	}
	g.later(verdictsFor)
	if got := g.asked(token, scraper, http.StatusForbidden); got != http.StatusForbidden {
		t.Errorf("a minute after its right is gone it is answered %d", got)
	}
}

func TestJunkIsInNobodysWay(t *testing.T) {
	g := newGated(t)
	token := forged(t, map[string]any{"sub": "prometheus"})
	if got := g.asked(token, scraper, http.StatusOK); got != http.StatusOK {
		t.Fatalf("a right token is answered %d", got)
	}
	junk := func(n int) string { return forged(t, map[string]any{"jti": n}) }
	for i := range burstOfEach {
		if got := g.asked(junk(i), stranger, http.StatusUnauthorized); got != http.StatusUnauthorized {
			t.Errorf("junk is answered %d", got)
		}
	}
	for i := range 10 {
		if got := g.unasked(junk(burstOfEach+i), stranger); got != http.StatusTooManyRequests {
			t.Errorf("more junk is answered %d", got)
		}
	}
	if got := g.unasked(junk(0), stranger); got != http.StatusUnauthorized {
		t.Errorf("junk that is known is answered %d", got)
	}
	if got := g.asked(forged(t, map[string]any{"jti": "new"}), scraper, http.StatusOK); got != http.StatusOK {
		t.Errorf("a new right token from elsewhere is answered %d", got)
	}
	g.later(verdictsFor)
	if got := g.asked(token, scraper, http.StatusOK); got != http.StatusOK {
		t.Errorf("the right token is answered %d a minute later", got)
	}
}

func TestATokenThatManyShowIsOneQuestion(t *testing.T) {
	g := newGated(t)
	token := forged(t, map[string]any{"aud": Audience})
	const many = burstOfEach
	var answered sync.WaitGroup
	var right atomic.Int64
	for range many {
		answered.Go(func() {
			if g.get(token, scraper) == http.StatusOK {
				right.Add(1)
			}
		})
	}
	q := <-g.questions
	if len(q.audiences) != 1 || q.audiences[0] != Audience {
		t.Errorf("it is asked about for %q", q.audiences)
	}
	q.answer <- http.StatusOK
	answered.Wait()
	if right.Load() != many || len(g.questions) != 0 {
		t.Errorf("%d of %d are let in, %d more questions", right.Load(), many, len(g.questions))
	}
}

func TestWhatTheAPIServerDoesNotSayIsNotRemembered(t *testing.T) {
	g := newGated(t)
	token := forged(t, nil)
	if got := g.asked(token, scraper, 0); got != http.StatusServiceUnavailable {
		t.Errorf("while the API server is away it is answered %d", got)
	}
	if got := g.asked(token, scraper, http.StatusOK); got != http.StatusOK {
		t.Errorf("afterwards it is answered %d", got)
	}
}
