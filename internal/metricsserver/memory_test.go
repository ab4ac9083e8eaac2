// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
	"time"
)

func hashOf(name string) tokenHash { return sha256.Sum256([]byte(name)) }

func TestWhatIsRememberedOfATokenGetsOld(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	v := newVerdicts()
	v.keep(hashOf("good"), http.StatusOK, begin)
	v.keep(hashOf("bad"), http.StatusForbidden, begin)
	for _, tc := range []struct {
		token string
		after time.Duration
		want  standing
	}{
		{"good", 0, settled},
		{"good", 29 * time.Second, settled},
		{"good", 30 * time.Second, ripe},
		{"good", 59 * time.Second, ripe},
		{"good", time.Minute, former},
		{"good", 59 * time.Minute, former},
		{"good", time.Hour, unknown},
		{"bad", 59 * time.Second, settled},
		{"bad", time.Minute, unknown},
		{"another", 0, unknown},
	} {
		if _, got := v.find(hashOf(tc.token), begin.Add(tc.after)); got != tc.want {
			t.Errorf("%s after %s: %d, want %d", tc.token, tc.after, got, tc.want)
		}
	}
	v.keep(hashOf("good"), http.StatusForbidden, begin.Add(time.Second))
	if status, got := v.find(hashOf("good"), begin.Add(time.Second)); got != settled || status != http.StatusForbidden {
		t.Errorf("once its right is gone a token is remembered with %d (%d)", status, got)
	}
}

func TestJunkPushesNoGoodTokenOut(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	v := newVerdicts()
	v.keep(hashOf("good"), http.StatusOK, now)
	for i := range 10 * maxBad {
		v.keep(hashOf(fmt.Sprint("junk ", i)), http.StatusUnauthorized, now)
	}
	if status, got := v.find(hashOf("good"), now); got != settled || status != http.StatusOK {
		t.Errorf("it is answered %d (%d)", status, got)
	}
	if v.bad.Len() != maxBad || v.good.Len() != 1 {
		t.Errorf("%d bad tokens are remembered, want %d, and %d good ones", v.bad.Len(), maxBad, v.good.Len())
	}
}

func TestUnknownTokensTakeTheirAddresssShare(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	a := newAllowance()
	taken := func(address string, tries int, at time.Time) (n int) {
		for range tries {
			if a.take(address, at) {
				n++
			}
		}
		return n
	}
	if got := taken("flood", 1000, now); got != burstOfEach {
		t.Errorf("one address has %d tokens asked about at once, want %d", got, burstOfEach)
	}
	if got := taken("prometheus", 1, now); got != 1 {
		t.Error("its flood is in the way of another address")
	}
	if got := taken("flood", 1000, now.Add(time.Second)); got != questionsOfEach {
		t.Errorf("one address has %d more after a second, want %d", got, questionsOfEach)
	}
	now = now.Add(time.Minute)
	a.wasRight("prometheus", now)
	all := 0
	for i := range 10 * maxAddresses {
		all += taken(fmt.Sprint("crowd ", i), 10, now)
	}
	if all != burstOfAll {
		t.Errorf("a crowd has %d asked about at once, want %d", all, burstOfAll)
	}
	if got := taken("prometheus", 1, now); got != 1 {
		t.Error("a crowd is in the way of an address that had a right token before")
	}
	if got := taken("newcomer", 1, now); got != 0 {
		t.Errorf("another newcomer has %d", got)
	}
	if got := taken("newcomer", 1, now.Add(time.Second)); got != 1 {
		t.Error("a newcomer has none a second after a crowd")
	}
	if a.each.Len() > maxAddresses {
		t.Errorf("%d addresses are remembered", a.each.Len())
	}
}
