// SPDX-License-Identifier: Apache-2.0

// Package queuetest holds what every queue.Queue has to do, as tests, and a model of one to compare with. It must not know any
// implementation.
package queuetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// Start is when the clock of a test begins.
func Start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// Endpoint is the one that Record's notifications came in for.
func Endpoint() queue.Endpoint { return queue.Endpoint{Namespace: "shop", Name: "media"} }

// Record makes the n-th of a series of different notifications.
func Record(n int, targets ...string) *queue.Record {
	return &queue.Record{
		Key: sha256.Sum256([]byte(fmt.Sprint(n))), KeyExpires: Start().Add(2 * time.Hour), Endpoint: Endpoint(),
		ReceivedAt: Start().Add(time.Duration(n)), EventType: "upload", OrderKey: uint64(n % 3), //nolint:gosec // small
		Header: []queue.Header{{Name: "X-Cld-Timestamp", Value: fmt.Sprint(n)}, {Name: "X-Empty"}},
		Body:   []byte(strings.Repeat(fmt.Sprintf("{%d}", n), 20)), Targets: targets,
	}
}

// fixture is a queue and what it was told to do.
type fixture struct {
	queue.Queue

	open      func(testing.TB, queue.Options) queue.Queue
	options   queue.Options
	clock     *clock
	announced *announcements
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type announcements struct {
	mu    sync.Mutex
	items []queue.Item
}

func (a *announcements) add(i queue.Item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.items = append(a.items, i)
}

func (a *announcements) take() []queue.Item {
	a.mu.Lock()
	defer a.mu.Unlock()
	items := a.items
	a.items = nil
	return items
}

// Run holds the queue that open opens to the whole contract. Opening twice with the same options opens the same queue, once the
// first is closed. Options that open gets have no Dir, which it has to add, and no two tests may share one.
func Run(t *testing.T, open func(t testing.TB, id string, o queue.Options) queue.Queue) {
	t.Helper()
	tests := map[string]func(*testing.T, *fixture){
		"what is put is there":                       testPut,
		"a record comes back as it was":              testRoundTrip,
		"items come in order and say how they stand": testItems,
		"new items are announced in order":           testAnnounced,
		"a key is known until it expires":            testDuplicates,
		"of equal records put at once one is new":    testConcurrentDuplicates,
		"without targets only the key stays":         testNoTargets,
		"outcomes end what they are about":           testFinish,
		"a second outcome changes nothing":           testFinishTwice,
		"dead letters are redriven":                  testRedrive,
		"chosen dead letters are redriven":           testRedriveSome,
		"dead letters are discarded":                 testDiscard,
		"many dead letters are discarded":            testDiscardMany,
		"dead letters are listed page by page":       testDeadLetters,
		"a context that ended changes nothing":       testDeadContext,
		"limits refuse and recover":                  testLimits,
		"many targets count more than once":          testManyTargets,
		"one endpoint leaves room to others":         testShares,
		"one endpoint leaves bytes to others":        testSharesOfBytes,
		"dead letters take no endpoint's share":      testSharesOfDead,
		"dead letters make room":                     testDeadLimits,
		"too many keys are forgotten":                testMaxKeys,
		"one endpoint leaves keys to others":         testSharesOfKeys,
		"the same keys are known after a restart":    testMaxKeysRestart,
		"a key is known once it is durable":          testKnown,
		"states are kept":                            testState,
		"everything is there after a restart":        testRestart,
		"IDs are not used again after a restart":     testIDs,
		"a closed queue refuses":                     testClosed,
		"a context that ended ends the wait":         testContext,
		"many at once":                               testConcurrent,
		"what is too large is refused":               testTooLarge,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{clock: &clock{now: Start()}, announced: &announcements{}}
			f.open = func(t testing.TB, o queue.Options) queue.Queue { return open(t, name, o) }
			f.options = queue.Options{Now: f.clock.Now, OnItem: f.announced.add}
			test(t, f)
		})
	}
}

// start opens the queue, with the options as changed.
func (f *fixture) start(t *testing.T, change ...func(*queue.Options)) {
	t.Helper()
	for _, c := range change {
		c(&f.options)
	}
	f.Queue = f.open(t, f.options)
}

func (f *fixture) restart(t *testing.T) {
	t.Helper()
	must(t, f.Close())
	f.start(t)
}

func (f *fixture) put(t *testing.T, r *queue.Record) queue.ID {
	t.Helper()
	res, err := f.Put(t.Context(), r)
	must(t, err)
	if res.Duplicate || res.ID == 0 {
		t.Fatalf("Put gave %+v for something new", res)
	}
	return res.ID
}

func (f *fixture) duplicate(t *testing.T, r *queue.Record, want bool) {
	t.Helper()
	if known, durable := f.Known(r.Key); known != want || durable != want {
		t.Fatalf("Known gave %t, and %t for durable, want %t", known, durable, want)
	}
	res, err := f.Put(t.Context(), r)
	must(t, err)
	if res.Duplicate != want || res.Duplicate != (res.ID == 0) {
		t.Fatalf("Put gave %+v, want duplicate %t", res, want)
	}
}

func (f *fixture) finish(t *testing.T, outcomes ...queue.Outcome) {
	t.Helper()
	must(t, f.Finish(t.Context(), outcomes...))
}

// items lists what is unfinished as "ID target", with the reason behind it if it is dead.
func (f *fixture) items() []string { return describe(slices.Collect(f.Items)) }

func describe(items []queue.Item) []string {
	list := []string{}
	for _, i := range items {
		line := fmt.Sprintf("%d %s", i.ID, i.Target)
		if i.Dead {
			line += " dead: " + i.Reason
		}
		if i.Redriven {
			line += " redriven"
		}
		list = append(list, line)
	}
	return list
}

func (f *fixture) want(t *testing.T, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, f.items()); diff != "" {
		t.Fatalf("items (-want +got):\n%s", diff)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}
