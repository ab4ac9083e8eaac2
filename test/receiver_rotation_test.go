// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// traffic is sent all the time, and counts what is refused.
type traffic struct {
	done    chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	sent    int
	refused map[string]int
}

// traffic sends notifications signed with each of the secrets in turn.
func (s *receiverSetting) traffic(endpoint, name string, secrets ...string) *traffic {
	t := &traffic{done: make(chan struct{}), refused: map[string]int{}}
	t.running.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for seq := 1; ; seq++ {
			select {
			case <-t.done:
				return
			case <-pace.C:
			}
			a, err := s.post(s.url(endpoint), upload(name, seq).signedWith(secrets[seq%len(secrets)]))
			t.mu.Lock()
			t.sent++
			if err != nil || a.status != http.StatusOK {
				t.refused[fmt.Sprint(a, err)]++
			}
			t.mu.Unlock()
		}
	})
	return t
}

// stop ends it, and fails if anything was refused.
func (t *traffic) stop(s *receiverSetting, what string) {
	s.Helper()
	close(t.done)
	t.running.Wait()
	if len(t.refused) > 0 || t.sent == 0 {
		s.Errorf("%s: of %d notifications these were refused: %v", what, t.sent, t.refused)
	}
}

// within waits until a notification is answered as it should be, and says how long that took.
func (s *receiverSetting) within(what string, next func() notification, want answer) {
	s.Helper()
	begin := time.Now()
	testenv.Eventually(s.T, soon, func() error { return s.answers("media", next(), want) })
	s.Logf("%s after %s", what, time.Since(begin).Round(time.Millisecond))
}

// numbered are notifications that were not sent before.
func numbered(asset, secret string) func() notification {
	seq := 0
	return func() notification {
		seq++
		return upload(asset, seq).signedWith(secret)
	}
}

func TestRotatedKeysRefuseNothingWhileBothCount(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	first, second, third := key("1", "first"), key("2", "second"), key("3", "third")
	taken, refused := answer{status: http.StatusOK}, answer{status: http.StatusUnauthorized, reason: "bad_signature"}
	s.keys(first)
	s.endpoint("media")
	s.startReady("media")

	old := s.traffic("media", "old", first.Secret)
	end := time.Now().Add(5 * time.Second).Truncate(time.Second)
	ending := first
	ending.NotAfter = &end
	s.keys(second, ending)
	s.within("the new key counts", numbered("new", second.Secret), taken)
	both := s.traffic("media", "both", first.Secret, second.Secret)
	testenv.Eventually(t, soon, func() error {
		if left := time.Until(end); left > time.Second { // which what is under way has to end
			return errNot("the old key counts for another %s", left)
		}
		return nil
	})
	old.stop(s, "signed with the old key")
	both.stop(s, "signed with either key")
	if !time.Now().Before(end) {
		t.Fatal("this machine is too slow for a test with this key: it ended before its traffic did")
	}
	s.within("the old key has ended", numbered("ended", first.Secret), refused)
	if late := time.Since(end); late < 0 {
		t.Errorf("the old key ended %s early", -late)
	}

	s.keys(third)
	s.within("a key that was taken out counts no more", numbered("gone", second.Secret), refused)
	s.within("the one in its place counts", numbered("third", third.Secret), taken)
	s.keys()
	s.within("without keys nothing can be judged", numbered("none", third.Secret), answer{status: http.StatusServiceUnavailable, reason: "no_keys"})
}

func TestEndpointIsServedWhileItExists(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("other")
	s.startReady("other")
	next := numbered("asset", theKey().Secret)
	taken, unknown := answer{status: http.StatusOK}, answer{status: http.StatusNotFound, reason: "unknown_endpoint"}
	for range 2 {
		s.must(s.answers("media", next(), unknown))
		e := s.endpoint("media")
		s.within("a new endpoint is served", next, taken)
		s.must(cluster.Client.Delete(t.Context(), e))
		s.within("a deleted endpoint is not served", next, unknown)
		s.must(s.answers("other", next(), taken))
	}
}
