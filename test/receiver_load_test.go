// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// load sends notifications from many senders at once, each about an asset of its own and one after the other. What is not answered 200
// is sent again as it is, as Cloudinary does, only sooner.
type load struct {
	s        *receiverSetting
	endpoint string
	done     chan struct{}
	running  sync.WaitGroup

	mu       sync.Mutex
	accepted []notification
	resent   int
	answered map[string]int // by what the answer was, where it was not 200
}

// again is how soon a sender tries again.
const again = 20 * time.Millisecond

func (s *receiverSetting) load(endpoint string, senders int) *load {
	l := &load{s: s, endpoint: endpoint, done: make(chan struct{}), answered: map[string]int{}}
	for i := range senders {
		l.running.Go(func() { l.sender(fmt.Sprintf("asset-%d", i)) })
	}
	return l
}

func (l *load) sender(asset string) {
	client := newClient(l.s.T)
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for seq := 1; ; seq++ {
		select {
		case <-l.done:
			return
		case <-l.s.Context().Done():
			return
		case <-pace.C:
		}
		if !l.deliver(client, upload(asset, seq)) {
			return
		}
	}
}

// deliver sends a notification until it is answered 200, or for as long as the test has patience.
func (l *load) deliver(client *http.Client, n notification) bool {
	for begin := time.Now(); time.Since(begin) < patience; {
		a, err := postWith(client, l.s, l.s.url(l.endpoint), n)
		if err == nil && a.status == http.StatusOK {
			l.mu.Lock()
			l.accepted = append(l.accepted, n)
			l.mu.Unlock()
			return true
		}
		l.mu.Lock()
		l.resent++
		if err == nil {
			l.answered[a.String()]++
		}
		l.mu.Unlock()
		select {
		case <-l.s.Context().Done():
			return false
		case <-time.After(again):
		}
	}
	l.s.Errorf("a notification was not answered 200 within %s", patience)
	return false
}

// count is how many were answered 200.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// stop ends the load, once what is being sent was answered 200.
func (l *load) stop() {
	close(l.done)
	l.running.Wait()
}

// arrive waits until everything that was answered 200 has arrived as it was sent, and holds what came against what has to hold.
func (l *load) arrive(t *target) {
	l.s.Helper()
	testenv.Eventually(l.s.T, patience, func() error {
		got, missing := t.bodies(), 0
		for _, n := range l.accepted {
			if got[string(n.body)] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return errNot("%d of %d notifications that were answered 200 have not arrived as they were sent", missing, len(l.accepted))
		}
		return nil
	})
	sent := map[string]bool{}
	for _, n := range l.accepted {
		sent[string(n.body)] = true
	}
	keys, last := map[string]int{}, map[string]int{}
	for _, a := range t.got() {
		keys[a.header.Get("Idempotency-Key")]++
		if !sent[a.body] || !a.genuine {
			l.s.Errorf("what arrived is not what was sent, or does not verify any more: %q", a.body)
		}
		if a.seq > last[a.asset]+1 {
			l.s.Errorf("%s: number %d arrived after number %d", a.asset, a.seq, last[a.asset])
		}
		last[a.asset] = max(last[a.asset], a.seq)
	}
	if len(keys) != len(l.accepted) {
		l.s.Errorf("%d notifications have %d idempotency keys", len(l.accepted), len(keys))
	}
	l.s.Logf("%d notifications were answered 200, after %d requests that were not (%v); %d arrived, %d of them more than once",
		len(l.accepted), l.resent, l.answered, len(t.got()), len(t.got())-len(keys))
}
