// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// knobs are the receiver's flags in a history.
type knobs struct {
	maxBytes, maxInFlightBytes         int64
	maxNotifications, maxKeys, maxRate int
	maxInFlight, maxConnections        int
	large                              bool // bodies
}

// history is one simulated world, from a seed to its verdict.
type history struct {
	seed    uint64
	scratch string // a folder
	begun   time.Time
	knobs   knobs
	clock   *nodeClock
	volume  *volume
	api     *apiServer
	cloud   *cloudinary
	targets map[string]*target
	jitter  *chance

	mu       sync.Mutex
	last     *atomic.Pointer[string] // of the lines
	lines    []string
	failures []string
	counts   [clauses]int

	process *process      // that runs, or is about to
	killed  chan struct{} // is closed when it is killed
	serving bool
	routes  []byte        // as they were saved last
	ambush  chan struct{} // is closed when something is sent
	graves  sync.WaitGroup
	bursts  sync.WaitGroup
	over    bool
	era     int

	troubles    map[string]bool // what is wrong; true: it may keep notifications from being taken
	calmFrom    time.Time       // since when nothing is
	takesFrom   time.Time       // since when nothing keeps notifications from being taken
	hangs       []*hang
	notes       []*note
	byBody      map[string]*note
	byKey       map[string]*note // by the first digits of its deduplication key
	byID        map[stamp]*note
	unjudged    map[stamp][]delivery.Attempt
	forged      map[string]bool
	sendings    []*sending
	eventsOf    map[types.NamespacedName][]time.Time
	diskBadFrom time.Time // zero: the disk is well

	acknowledged, deliveries, twice, ends, starts, underWay int
	world
}

func newHistory(seed uint64, scratch string) *history {
	c := newChance(seed, "world")
	h := &history{
		seed: seed, scratch: scratch, begun: time.Now(), clock: &nodeClock{}, jitter: newChance(seed, "jitter"), targets: map[string]*target{},
		troubles: map[string]bool{}, byBody: map[string]*note{}, byKey: map[string]*note{}, byID: map[stamp]*note{},
		unjudged: map[stamp][]delivery.Attempt{}, forged: map[string]bool{}, eventsOf: map[types.NamespacedName][]time.Time{},
		knobs: knobs{maxBytes: 1 << 30, maxInFlightBytes: 1 << 20, maxNotifications: 1_000_000, maxKeys: 2_000_000, maxInFlight: 64, maxConnections: 128},
	}
	h.volume = newVolume(newChance(seed, "disk"))
	h.volume.sparse = !c.one(5)
	h.api = newAPIServer(h)
	h.settle(c)
	return h
}

// note writes a line of the history's story.
func (h *history) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noteLocked(format, args...)
}

func (h *history) noteLocked(format string, args ...any) {
	if len(h.lines) > 200_000 {
		panic("a history has no end: " + fmt.Sprintf(format, args...))
	}
	h.lines = append(h.lines, fmt.Sprintf("%12s  ", time.Since(h.begun).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	if h.last != nil {
		h.last.Store(&h.lines[len(h.lines)-1])
	}
}

// broken notes that a clause does not hold.
func (h *history) broken(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.brokenLocked(format, args...)
}

func (h *history) brokenLocked(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(h.failures) < 5 {
		h.failures = append(h.failures, text)
	}
	h.noteLocked("BROKEN: %s", text)
}

// come counts that a history has come by a clause.
func (h *history) come(c clause) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.comeLocked(c)
}

func (h *history) comeLocked(c clause) { h.counts[c]++ }

// log has what a process logs told in the story.
func (h *history) log(p *process, name string) logr.Logger {
	return funcr.New(func(_, text string) { h.note("process %d, %s: %s", p.number, name, text) }, funcr.Options{})
}

// trouble begins something that is wrong. The function that it returns ends it.
func (h *history) trouble(what string) (end func()) { return h.begin(what, true) }

// begin begins something that is wrong, and says whether it may keep notifications from being taken.
func (h *history) begin(what string, takesNothing bool) (end func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := fmt.Sprintf("%s (%d)", what, len(h.lines))
	h.troubles[key] = takesNothing
	h.noteLocked("begins: %s", what)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.troubles, key)
		h.calmFrom = time.Now()
		if takesNothing {
			h.takesFrom = time.Now()
		}
		h.noteLocked("ends: %s", what)
	}
}

// calmAfter is how long after its end something that was wrong may still tell.
const calmAfter = 40 * time.Second

// calmSince reports whether nothing is wrong, and was since a time.
func (h *history) calmSince(at time.Time) bool {
	return len(h.troubles) == 0 && at.Sub(h.calmFrom) >= calmAfter && h.serving
}

// takesSince reports whether nothing keeps notifications from being taken, and has since a time.
func (h *history) takesSince(at time.Time) bool {
	for _, takesNothing := range h.troubles {
		if takesNothing {
			return false
		}
	}
	return at.Sub(h.takesFrom) >= calmAfter && h.serving
}

// running is the process that serves, nil if there is none.
func (h *history) running() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.serving {
		return nil
	}
	return h.process
}

func (h *history) savedRoutes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.routes
}

func (h *history) saveRoutes(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.routes = b
}

func (h *history) storeFailed(p *process, err error) {
	h.note("the store of process %d has failed: %v", p.number, err)
}

func (h *history) forgotten(p *process, at queue.Endpoint, n int) {
	h.note("process %d forgets %d keys of %s", p.number, n, at)
}

// verdict is how a history ended.
type verdict struct {
	seed     uint64
	failures []string
	story    []string
	counts   [clauses]int
	took     time.Duration // of simulated time

	notes, acknowledged, deliveries, twice, ends int
}

// text says what is wrong, and how to repeat it.
func (v *verdict) text(lines int) string {
	story := v.story
	if lines > 0 && len(story) > lines {
		story = story[len(story)-lines:]
	}
	return fmt.Sprintf("seed %d: %s\nrepeat it with: make proof-receiver PROOFFLAGS='-proof.runs=1 -proof.seed=%d -proof.tries=20 -proof.trace'\n\t%s",
		v.seed, strings.Join(v.failures, "; "), v.seed, strings.Join(story, "\n\t"))
}

// play plays the history of a seed.
func play(t *testing.T, seed uint64, scratch string, last *atomic.Pointer[string]) (v verdict) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))) // a bubble begins in 2000
		h := newHistory(seed, scratch)
		h.last = last
		h.live()
		v = verdict{
			seed: seed, failures: h.failures, story: h.lines, counts: h.counts, took: time.Since(h.begun),
			notes: len(h.notes), acknowledged: h.acknowledged, deliveries: h.deliveries, twice: h.twice, ends: h.ends,
		}
	})
	return v
}
