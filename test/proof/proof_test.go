// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	runsFlag   = flag.Int("proof.runs", 200, "how many runs to make")
	seedFlag   = flag.Int64("proof.seed", 0, "seed of the first run, the others follow; 0: from the clock")
	strideFlag = flag.Int("proof.stride", 7, "how far apart the steps of a scene are at which something goes wrong, or people change something; 1: at every step")
	traceFlag  = flag.Bool("proof.trace", false, "tell every write of a status and every step in the history of a run that fails")
)

// totals are of many runs.
type totals struct {
	mu        sync.Mutex
	runs      int
	reached   map[step]int
	kills     map[string]int
	processes int
	takeovers int
	calls     int
	writes    int
	failures  []failedRun
}

type failedRun struct {
	seed int64
	text string
}

func (t *totals) add(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	for s, n := range r.reached {
		t.reached[s] += n
	}
	for where, n := range r.kills {
		t.kills[where] += n
	}
	t.processes += r.processes
	t.takeovers += r.takeover
	t.calls += r.ledger.writes
	t.writes += len(r.api.log)
	if r.failure != nil {
		t.failures = append(t.failures, failedRun{r.seed, r.report()})
	}
}

// report tells how to repeat a run that failed, and all that happened in it.
func (r *run) report() string {
	return fmt.Sprintf("seed %d: %v\nlast step: %q\nrepeat it with: go test ./test/proof -run TestProof -proof.runs=1 -proof.seed=%d\n\t%s",
		r.seed, r.failure, r.last, r.seed, strings.Join(r.history, "\n\t"))
}

// simulate makes runs with seeds that follow each other, on all processors, and stops after a few
// failures.
func simulate(t *testing.T, first int64, runs int, breaks breakage, enough int) *totals {
	t.Helper()
	sum := &totals{reached: map[step]int{}, kills: map[string]int{}}
	seeds := make(chan int64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				r, err := newRun(seed, breaks)
				if err != nil {
					t.Error(err)
					return
				}
				_ = r.drive() // it is in the run
				sum.add(r)
			}
		})
	}
	for i := range runs {
		sum.mu.Lock()
		failures := len(sum.failures)
		sum.mu.Unlock()
		if failures >= enough {
			break
		}
		seeds <- first + int64(i)
	}
	close(seeds)
	workers.Wait()
	slices.SortFunc(sum.failures, func(a, b failedRun) int { return cmp.Compare(a.seed, b.seed) })
	return sum
}

// TestProof makes random histories with a manager that ends everywhere. See docs/proof.md.
func TestProof(t *testing.T) {
	first := *seedFlag
	if first == 0 {
		first = time.Now().UnixMilli()
	}
	t.Logf("%d runs from seed %d", *runsFlag, first)
	begun := time.Now()
	sum := simulate(t, first, *runsFlag, "", 3)
	for _, f := range sum.failures {
		t.Error(f.text)
	}
	t.Logf("%d runs in %s: %d processes, %d of them after one that ended or froze, %d writes at Cloudinary, %d at the API server",
		sum.runs, time.Since(begun).Round(time.Millisecond), sum.processes, sum.takeovers, sum.calls, sum.writes)
	var table strings.Builder
	for _, s := range steps() {
		fmt.Fprintf(&table, "\n%-75s reached %9d, ended there %7d", s, sum.reached[s], sum.kills[string(s)])
		if *runsFlag >= 100 && sum.reached[s] == 0 {
			t.Errorf("the step %q was never reached", s)
		}
		delete(sum.kills, string(s))
	}
	for _, where := range slices.Sorted(maps.Keys(sum.kills)) {
		fmt.Fprintf(&table, "\n%-75s                    ended there %7d", where, sum.kills[where])
	}
	t.Log(table.String())
}

// The ways in which the manager, or what it relies on, is broken on purpose.
const (
	lostIntents  breakage = "the API server loses intents"
	staleWrites  breakage = "the API server takes writes that rest on something old"
	noFinalizers breakage = "the API server takes no finalizers"
)

// TestTheProofFindsWhatIsWrong breaks what the manager's safety rests on.
func TestTheProofFindsWhatIsWrong(t *testing.T) {
	const first, runs = 1, 5000 // it ends with the first that is found
	for _, breaks := range []breakage{lostIntents, staleWrites, noFinalizers} {
		t.Run(string(breaks), func(t *testing.T) {
			sum := simulate(t, first, runs, breaks, 1)
			if len(sum.failures) == 0 {
				t.Fatalf("%d runs have found nothing wrong", sum.runs)
			}
			t.Logf("found after %d runs: %s", sum.runs, strings.SplitN(sum.failures[0].text, "\n", 2)[0])
		})
	}
}

// TestARunRepeatsItself: the same seed gives the same history.
func TestARunRepeatsItself(t *testing.T) {
	for seed := range int64(20) {
		var before string
		for i := range 2 {
			r, err := newRun(seed, "")
			if err != nil {
				t.Fatal(err)
			}
			_ = r.drive() // TestProof judges
			text := fmt.Sprint(strings.Join(r.history, "\n"), r.now, len(r.api.log), r.reached)
			if i > 0 && text != before {
				t.Fatalf("seed %d gives two histories:\n%s\n\n%s", seed, before, text)
			}
			before = text
		}
	}
}
