// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"net"
	"sync"
	"syscall"
)

// wire is all that connects a process with others. Once severed it carries nothing any more.
type wire struct {
	mu      sync.Mutex
	severed bool
	ends    map[*wired]struct{}
}

// wired is one end of a connection.
type wired struct {
	net.Conn
	wire *wire
}

// Close implements net.Conn.
func (c *wired) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.ends, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

func newWire() *wire { return &wire{ends: map[*wired]struct{}{}} }

// connect makes a connection, with both of its ends. There is none once the wire is severed.
func (w *wire) connect() (near, far net.Conn, err error) {
	a, b := net.Pipe()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.severed {
		return nil, nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}
	}
	one, other := &wired{a, w}, &wired{b, w}
	w.ends[one], w.ends[other] = struct{}{}, struct{}{}
	return one, other, nil
}

func (w *wire) sever() {
	w.mu.Lock()
	w.severed = true
	ends := w.ends
	w.ends = map[*wired]struct{}{}
	w.mu.Unlock()
	for c := range ends {
		_ = c.Conn.Close()
	}
}

func (w *wire) isSevered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.severed
}

// port is where a process listens. It is a net.Listener.
type port struct {
	wire   *wire
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPort(w *wire) *port {
	return &port{wire: w, calls: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *port) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 1, 0, 1), Port: 8080} }

// dial connects to the port, if somebody listens there.
func (p *port) dial() (net.Conn, error) {
	near, far, err := p.wire.connect()
	if err != nil {
		return nil, err
	}
	select {
	case p.calls <- far:
		return near, nil
	case <-p.closed:
		_ = near.Close()
		_ = far.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
}
