// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// maxAge has an endpoint take what is so old.
func (s *receiverSetting) maxAge(e *v1alpha1.NotificationEndpoint, age v1alpha1.Duration) {
	s.Helper()
	e.Spec.Receiver.Verification = &v1alpha1.Verification{MaxAge: age}
	s.must(cluster.Client.Update(s.Context(), e))
}

// Whoever lets signatures be old has keys that are kept for long. They must not push out those of others.
func TestAFloodForOneEndpointTakesNoKeyOfAnothers(t *testing.T) {
	t.Parallel()
	const limit = 500
	s := newReceiverSetting(t, fmt.Sprintf("--store-max-keys=%d", limit))
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	s.maxAge(s.endpoint("flood"), "24h")
	p := s.startReady("media", "flood")
	first, fresh := upload("first", 1), upload("fresh", 2)
	s.send("media", first)
	for i := range limit + 10 {
		s.send("flood", upload("flood", i))
	}
	replay := func() {
		for range 3 {
			s.send("media", first)
			s.send("media", fresh)
		}
	}
	replay()
	p.terminate()
	s.startReady("media", "flood")
	replay()
	s.settled(catalog, map[string]int{string(first.body): 1, string(fresh.body): 1})
	told := func(endpoint string) bool {
		for line := range strings.Lines(p.log.String()) {
			if strings.Contains(line, "forgot deduplication keys") && strings.Contains(line, `"`+s.namespace+"/"+endpoint+`"`) {
				return true
			}
		}
		return false
	}
	if !told("flood") || told("media") {
		t.Errorf("the log tells of the endpoint that was flooded: %t, and of the other one: %t", told("flood"), told("media"))
	}
}

// A stranger who has seen a notification, or Cloudinary's answer to an upload, can send it as often as he likes: it is rightly signed. It must not
// keep out what is new.
func TestReplaysTakeNothingOfAnEndpointsRate(t *testing.T) {
	t.Parallel()
	const rate, times = 10, 100
	s := newReceiverSetting(t, fmt.Sprintf("--max-endpoint-rate=%d", rate))
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	s.startReady("media")
	recorded := upload("recorded", 0)
	s.send("media", recorded)
	// Of an upload's answer Cloudinary signs "public_id=…&version=…", and a version is the time in seconds.
	answered := signedNow("public_id=avatar&version=")
	for range times {
		s.must(s.answers("media", answered, answer{status: http.StatusBadRequest, reason: "not_json"}))
		s.send("media", recorded)
	}
	want := map[string]int{string(recorded.body): 1}
	for i := range rate - 1 {
		n := upload("genuine", i+1)
		s.send("media", n)
		want[string(n.body)] = 1
	}
	s.answersSoon("there is a limit", upload("too many", 1), http.StatusServiceUnavailable)
	testenv.Eventually(t, soon, func() error {
		for body, n := range want {
			if got := catalog.bodies()[body]; got != n {
				return errNot("%q has arrived %d times, not %d", body, got, n)
			}
		}
		return nil
	})
}

// answersSoon sends one notification after another that differ until one is answered as it says.
func (s *receiverSetting) answersSoon(what string, like notification, status int) {
	s.Helper()
	for i := range 10_000 {
		a, err := s.post(s.url("media"), signedNow(fmt.Sprintf("{\"n\":%d,\"like\":%q}", i, like.body)))
		s.must(err)
		if a.status == status {
			return
		}
	}
	s.Errorf("%s: nothing was answered %d", what, status)
}

// What was taken under a shorter maximum age is not remembered for as long as the new one would take it.
func TestARaisedMaximumAgeBringsNothingBack(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	e := s.endpoint("media")
	s.maxAge(e, "10m")
	p := s.startReady("media")
	old := signedAt(`{"n":1}`, time.Now().Add(-30*time.Minute))
	stale := answer{status: http.StatusUnauthorized, reason: "stale"}
	s.must(s.answers("media", old, stale))
	s.maxAge(e, "24h")
	testenv.Eventually(t, soon, func() error {
		routes, err := os.ReadFile(filepath.Join(s.store, route.SnapshotName))
		if err != nil || !strings.Contains(string(routes), `"maxAge":86400000000000`) {
			return errNot("the longer maximum age does not count yet: %v", err)
		}
		return nil
	})
	s.must(s.answers("media", old, stale))
	p.terminate()
	s.startReady("media")
	s.must(s.answers("media", old, stale))
	s.send("media", signedNow(`{"n":2}`))
}
