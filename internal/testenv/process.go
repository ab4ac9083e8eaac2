// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
)

// Output is written by a process and read by a test. The zero value is empty.
type Output struct {
	mu     sync.Mutex
	buffer bytes.Buffer // not embedded: its other methods would not lock
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

// String is what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// Ports that a process is told to listen at. They are below those that the system gives to outgoing connections, one of which could
// otherwise have the port of a process that is started again.
const (
	firstPort = 20_000
	lastPort  = 30_000
)

var ports struct {
	sync.Mutex
	last int
}

// FreeAddress is an address of this host at which nothing listens. No two calls of a test program return the same one, unless it asks for
// thousands.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.last == 0 {
		ports.last = firstPort + os.Getpid()%(lastPort-firstPort) // other processes look for ports too
	}
	for range lastPort - firstPort {
		if ports.last++; ports.last >= lastPort {
			ports.last = firstPort
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.last))
		listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			tb.Fatal(err)
		}
		return address
	}
	tb.Fatalf("nothing is free between the ports %d and %d", firstPort, lastPort)
	return ""
}
