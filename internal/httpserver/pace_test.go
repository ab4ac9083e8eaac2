// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"errors"
	"net"
	"testing"
	"time"
)

// paces accepts the connections of a crowd at a pace.
func paces(t *testing.T, crowd, most int, in time.Duration) (l net.Listener, accepted <-chan time.Time, ended <-chan error) {
	t.Helper()
	raw, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Pace(raw, most, in)
	for range crowd {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	at, failed := make(chan time.Time, crowd), make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				failed <- err
				return
			}
			at <- time.Now()
			_ = c.Close()
		}
	}()
	return l, at, failed
}

func TestAPacedListenerAcceptsSoManyInSoMuchTime(t *testing.T) {
	t.Parallel()
	const most, rounds, in = 4, 5, 20 * time.Millisecond
	begin := time.Now()
	l, accepted, ended := paces(t, most*rounds, most, in)
	for i := range most * rounds {
		// Those before it, and as many times as much time, have to have passed.
		if took, least := (<-accepted).Sub(begin), time.Duration(i/most)*in; took < least {
			t.Errorf("connection %d is accepted after %s, want %s at least", i+1, took, least)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v", err)
	}
}

func TestAPacedListenerEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	l, accepted, ended := paces(t, 2, 1, time.Hour)
	<-accepted
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v", err)
	}
}
