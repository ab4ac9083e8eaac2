// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"context"
	"net"
	"testing"
	"time"
)

func TestListenerWaitsForOpenConnections(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, 1)
	l.Drain(t.Context()) // there are none
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a connection was accepted by a listener that is closed")
	}
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	l.Drain(short)
	if short.Err() == nil {
		t.Error("an open connection was not waited for")
	}
	drained := make(chan struct{})
	go func() { l.Drain(t.Context()); close(drained) }()
	_, _ = c.Close(), c.Close() // net/http may close one twice
	<-drained
	if n := l.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}
