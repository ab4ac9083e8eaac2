// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func key(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: "e" + strconv.Itoa(i)}
}

func defaultBudget() *budget {
	o := DefaultOptions()
	return newBudget(o.PerEndpoint, o.PerReceiver, o.MaxWait)
}

func TestAnEndpointMayWriteTwentyFiveAndThenOneInFifteenSeconds(t *testing.T) {
	t.Parallel()
	b, now := defaultBudget(), noon
	for i := range 25 {
		if _, v := b.take(key(1), now); v != granted {
			t.Fatalf("number %d is over the budget: %v", i, v)
		}
	}
	if _, v := b.take(key(1), now); v != endpointOver {
		t.Errorf("number 26 is %v", v)
	}
	for range 3 {
		now = now.Add(15 * time.Second)
		if _, v := b.take(key(1), now); v != granted {
			t.Errorf("15 s later: %v", v)
		}
		if _, v := b.take(key(1), now); v != endpointOver {
			t.Errorf("a second one 15 s later: %v", v)
		}
	}
	if _, v := b.take(key(2), now); v != granted {
		t.Errorf("another endpoint: %v", v)
	}
}

func TestWhatIsGivenBackMayBeWritten(t *testing.T) {
	t.Parallel()
	b := defaultBudget()
	for range 25 {
		b.take(key(1), noon)
	}
	b.giveBack(key(1))
	if _, v := b.take(key(1), noon); v != granted {
		t.Errorf("after one was given back: %v", v)
	}
	if _, v := b.take(key(1), noon); v != endpointOver {
		t.Errorf("a second one: %v", v)
	}
}

func TestTheReceiverMayWriteTenASecond(t *testing.T) {
	t.Parallel()
	b := defaultBudget()
	written, waited := 0, time.Duration(0)
	for i := range 200 {
		wait, v := b.take(key(i), noon)
		if v == receiverOver {
			continue
		}
		written++
		waited = max(waited, wait)
	}
	// Ten at once, and as many as there is room for within the longest wait.
	if written != 10+50 {
		t.Errorf("%d are written", written)
	}
	if waited != 5*time.Second {
		t.Errorf("the last one waits %s", waited)
	}
	// What was refused by the receiver's budget is not held against the endpoint.
	if b.endpoints[key(199)].tokens != 25 {
		t.Errorf("an endpoint that did not write has %v left", b.endpoints[key(199)].tokens)
	}
}

func TestEndpointsAreForgottenOnceTheyHaveTheirWholeBudget(t *testing.T) {
	t.Parallel()
	b := defaultBudget()
	for i := range 10 {
		b.take(key(i), noon)
	}
	b.take(key(100), noon.Add(2*time.Minute))
	if len(b.endpoints) != 1 {
		t.Errorf("%d endpoints are remembered", len(b.endpoints))
	}
}

func TestAClockThatGoesBackGrantsNothing(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	r := Rate{Burst: 1, Every: time.Second}
	b.take(r, noon)
	if b.take(r, noon.Add(-time.Hour)) {
		t.Error("a token came from the past")
	}
	if !b.take(r, noon.Add(-time.Hour+time.Second)) {
		t.Error("the bucket does not fill any more")
	}
}
