// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"errors"
	"net"
	"testing"
	"time"
)

// accepted are the connections that a listener has accepted, and in the end its error.
func accepted(l net.Listener) (<-chan net.Conn, <-chan error) {
	conns, ended := make(chan net.Conn), make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			conns <- c
		}
	}()
	return conns, ended
}

func TestAPacedListenerWaitsForConnectionsToGrow(t *testing.T) {
	t.Parallel()
	const young, patience, never = 2, 10 * time.Second, time.Hour
	for name, tc := range map[string]struct {
		tenure time.Duration
		grow   func(net.Conn) error
	}{
		"until one is closed":     {never, net.Conn.Close},
		"until one is old enough": {50 * time.Millisecond, func(net.Conn) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := Pace(raw, young, tc.tenure)
			conns, ended := accepted(l)
			begin := time.Now()
			for range young + 1 {
				c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
			}
			first := <-conns
			<-conns
			if tc.tenure == never {
				select {
				case <-conns:
					t.Error("one more is accepted")
				case <-time.After(100 * time.Millisecond):
				}
			}
			if err := tc.grow(first); err != nil {
				t.Fatal(err)
			}
			select {
			case <-conns:
			case <-time.After(patience):
				t.Fatal("the next one is not accepted")
			}
			if took := time.Since(begin); tc.tenure != never && took < tc.tenure {
				t.Errorf("it is accepted after %s", took)
			}
			if err := errors.Join(first.Close(), l.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

func TestAPacedListenerEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	raw, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Pace(raw, 1, time.Hour)
	conns, ended := accepted(l)
	for range 2 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	<-conns
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v", err)
	}
}
