// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

var (
	runsFlag  = flag.Int("proof.runs", 60, "how many histories to play")
	seedFlag  = flag.Uint64("proof.seed", 1, "seed of the first history, the others follow; 0: from the clock")
	triesFlag = flag.Int("proof.tries", 1, "how often to play each history, at most, until it fails")
	forFlag   = flag.Duration("proof.for", 0, "begin no further history after so long; 0: play all")
	traceFlag = flag.Bool("proof.trace", false, "tell all of a history that fails, and not its end alone; and of one that does not if it is the only one")
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	utilruntime.ErrorHandlers = nil // one of them pauses, by a clock that all histories would share
	debug.SetGCPercent(400)
	flag.Parse()
	os.Exit(m.Run())
}

// totals are of many histories.
type totals struct {
	mu       sync.Mutex
	runs     int
	counts   [clauses]int
	took     time.Duration
	failures []verdict

	notes, acknowledged, deliveries, twice, ends int
}

func (t *totals) add(v *verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	for c, n := range v.counts {
		t.counts[c] += n
	}
	t.took += v.took
	t.notes, t.acknowledged, t.deliveries, t.twice, t.ends = t.notes+v.notes, t.acknowledged+v.acknowledged, t.deliveries+v.deliveries, t.twice+v.twice, t.ends+v.ends
	if len(v.failures) > 0 {
		t.failures = append(t.failures, *v)
	}
}

func (t *totals) failed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.failures)
}

// simulate plays histories with seeds that follow each other, on all processors, and stops after a few failures.
func simulate(t *testing.T, first uint64, runs, tries, enough int) *totals {
	t.Helper()
	sum := &totals{}
	scratch := scratchDir(t)
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				for try := range tries {
					v := playOne(t, seed, try, scratch)
					sum.add(&v)
					if len(v.failures) > 0 {
						break
					}
					if runs == 1 && *traceFlag && try == tries-1 {
						t.Log(strings.Join(v.story, "\n\t"))
					}
				}
			}
		})
	}
	begun := time.Now()
	for i := range runs {
		if sum.failed() >= enough || *forFlag > 0 && time.Since(begun) > *forFlag {
			break
		}
		seeds <- first + uint64(i)
	}
	close(seeds)
	workers.Wait()
	return sum
}

// scratchDir is a folder in memory, if there is one: what is written there is read by the next process at most.
func scratchDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "receiverproof") //nolint:usetesting // that is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func playOne(t *testing.T, seed uint64, try int, scratch string) verdict {
	t.Helper()
	dir := fmt.Sprintf("%s/%d-%d", scratch, seed, try)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Error(err)
		return verdict{seed: seed, failures: []string{err.Error()}}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var last atomic.Pointer[string]
	ended := make(chan struct{})
	defer close(ended)
	go watchFor(seed, &last, ended)
	return play(t, seed, dir, &last)
}

// standsStill is how long nothing happens in a history at most. Time does not pass in it while somebody waits for a lock: so it stands
// still for ever if the one who holds that waits for time to pass, as a disk that hangs.
const standsStill = 5 * time.Minute

// watchFor ends the tests if a history stands still. last is the last line of its story.
func watchFor(seed uint64, last *atomic.Pointer[string], ended <-chan struct{}) {
	var seen *string
	for {
		select {
		case <-ended:
			return
		case <-time.After(standsStill):
		}
		is := last.Load()
		if is == seen && is != nil {
			standing(seed, *is)
		}
		seen = is
	}
}

func standing(seed uint64, last string) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	fmt.Fprintf(os.Stderr, "seed %d: time stands still after: %s\nEither somebody waits for a lock whose holder waits for a disk, a target or a pause, or somebody tries again and again without a pause.\n", seed, last)
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if head, _, _ := strings.Cut(stack, "\n"); strings.Contains(head, "bubble") && !strings.Contains(head, "durable") || strings.Contains(stack, "receiverproof.(*mount).suffers") {
			fmt.Fprintln(os.Stderr, stack+"\n")
		}
	}
	os.Exit(3) //nolint:revive // nothing in the bubble can end any more, so that no test can
}

// enoughForAll is how many histories come by each clause, as good as surely.
const enoughForAll = 500

// TestProof plays random histories. See docs/proof.md.
func TestProof(t *testing.T) {
	first := *seedFlag
	if first == 0 {
		first = uint64(time.Now().UnixMilli())
	}
	t.Logf("%d histories from seed %d", *runsFlag, first)
	begun := time.Now()
	sum := simulate(t, first, *runsFlag, *triesFlag, 3)
	lines := 60
	if *traceFlag {
		lines = 0
	}
	for i := range sum.failures {
		t.Error(sum.failures[i].text(lines))
	}
	took := time.Since(begun)
	t.Logf("%d histories of %s in %s (%.1f a second): %d notifications, %d answered with 200, %d deliveries, %d of them more than once; %d processes ended",
		sum.runs, sum.took.Round(time.Minute), took.Round(time.Millisecond), float64(sum.runs)/took.Seconds(), sum.notes, sum.acknowledged, sum.deliveries, sum.twice, sum.ends)
	var table strings.Builder
	for c, text := range words() {
		fmt.Fprintf(&table, "\n%9d  %s", sum.counts[c], text)
		if sum.counts[c] == 0 && *runsFlag >= enoughForAll && sum.runs >= *runsFlag {
			t.Errorf("no history has come by this: %s", text)
		}
	}
	t.Log(table.String())
}
