// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// phase is what the next bytes of a connection are.
type phase int

const (
	inHead     phase = iota
	behindHead       // the head has ended, and the handler was not called yet
	inBody
	inChunks // of a body whose end net/http alone knows; nothing follows it
)

// conn counts what net/http reads.
type conn struct {
	net.Conn // without TLS
	raw      net.Conn
	server   *Server
	born     time.Time
	// tls, and what it reads from, are nil for plain http.
	tls     *tls.Conn
	beneath *handshake

	refused atomic.Bool // what else comes is not read
	linger  atomic.Bool // the other side may still be sending
	idle    atomic.Bool // between an answer and the next request
	proven  atomic.Bool // has brought a trusted request
	// inBody says that phase is, so that who reads anything else need not take the lock for it.
	inBody atomic.Bool

	mu    sync.Mutex // net/http looks for a next request while a handler runs
	phase phase
	head  head
	extra int64 // bytes behind the head that were read with it
	left  int64 // of the body
	body  int64 // how much of it has been read
	whole time.Time

	place place
}

// errRefused ends a connection without another answer: net/http says nothing where reading itself failed.
func errRefused() error { return &net.OpError{Op: "read", Net: "tcp", Err: errors.New("refused")} }

func (c *conn) Read(p []byte) (int, error) {
	if c.refused.Load() {
		return 0, errRefused()
	}
	if c.tls != nil && c.beneath.left.Load() != handshakeOver {
		// It has the deadline of the header.
		if err := c.tls.HandshakeContext(context.Background()); err != nil {
			return 0, errRefused()
		}
		c.beneath.left.Store(handshakeOver)
	}
	n, err := c.Conn.Read(c.most(p))
	if n > 0 && !c.arrived(p[:n]) {
		c.refuseHead()
		return 0, errRefused()
	}
	return n, err
}

// most is how much of p may be filled: nothing of the next request is read with a body, so that its head is counted from its start.
func (c *conn) most(p []byte) []byte {
	if !c.inBody.Load() {
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == inBody && int64(len(p)) > c.left {
		return p[:c.left]
	}
	return p
}

// arrived goes on to where the connection is after these bytes, and reports false for a head that is too large.
func (c *conn) arrived(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := int64(len(p))
	switch c.phase {
	case inHead:
		c.idle.Store(false)
		used, found := c.head.read(p, &c.server.limits)
		if found == finished {
			c.phase, c.extra, c.head = behindHead, n-int64(used), head{}
		}
		return found != tooLarge
	case behindHead:
		c.extra += n
	case inBody:
		c.left -= n
		c.grow(n)
		if c.left == 0 {
			c.phase = inHead
			c.inBody.Store(false)
		}
	case inChunks:
		c.grow(n)
	}
	return true
}

// grow counts bytes of a body. Whoever has sent its start has the rest of the request's time.
func (c *conn) grow(n int64) {
	before := c.body
	if c.body += n; before < BodyStart && c.body >= BodyStart && !c.whole.IsZero() {
		_ = c.Conn.SetReadDeadline(c.whole) // a connection that is closed says so at the next read
	}
}

// begin is called with each request. It reports whether another one may follow on this connection: not where its start may have been read
// already without being counted.
func (c *conn) begin(length int64) bool {
	if !c.proven.Load() { // else it stays in its place until it is trusted again
		c.server.table.change(c, StateRequest)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if length < 0 {
		c.phase = inChunks
		c.grow(c.extra)
		return false
	}
	c.left = length - c.extra
	switch {
	case c.left < 0:
		c.phase = inChunks
		return false
	case c.left == 0:
		c.phase = inHead
	default:
		c.phase = inBody
		c.inBody.Store(true)
		c.grow(c.extra)
	}
	return true
}

// SetReadDeadline makes some of net/http's deadlines shorter, which know one kind of client alone.
func (c *conn) SetReadDeadline(t time.Time) error {
	if t.After(c.born) { // else it is none, or stops a reader at once
		t = c.shorter(t)
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) shorter(t time.Time) time.Time {
	limits := &c.server.limits
	if c.idle.Load() {
		if c.proven.Load() {
			return t
		}
		return earlier(t, now().Add(limits.StrangerIdleTimeout))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == behindHead && limits.BodyStartTimeout > 0 {
		c.whole, c.body = t, 0
		return earlier(t, now().Add(limits.BodyStartTimeout))
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wait is called once a request is answered.
func (c *conn) wait() {
	c.idle.Store(true)
	c.server.table.change(c, StateIdle)
}

// refuse has what is left of the request, and the connection, given up behind the answer.
func (c *conn) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == inBody || c.phase == inChunks {
		c.linger.Store(true)
	}
	c.refused.Store(true)
}

// largeHeader is the answer of net/http to a header that is too large. Here it knows of none.
const largeHeader = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"431 Request Header Fields Too Large"

func (c *conn) refuseHead() {
	c.server.table.countLargeHeader()
	c.refused.Store(true)
	c.linger.Store(true)
	_ = c.SetWriteDeadline(now().Add(lingering)) // who does not take it does without it
	_, _ = io.WriteString(c.Conn, largeHeader)
}

// CloseWrite says that nothing more is sent. net/http asks for it before it closes a connection on which something may still arrive.
func (c *conn) CloseWrite() error {
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // it stands for the connection
	}
	return nil
}

func (c *conn) Close() error {
	if c.linger.Swap(false) {
		c.drain()
	}
	err := c.Conn.Close()
	c.server.table.forget(c)
	return err
}

// Bounds on how long, and how much, is read from whoever was refused while sending. Closing at once would have the other side's kernel
// throw away the answer.
const (
	lingering      = 250 * time.Millisecond
	lingeringBytes = 256 << 10
)

func (c *conn) drain() {
	if c.CloseWrite() != nil || c.raw.SetReadDeadline(now().Add(lingering)) != nil {
		return
	}
	var scrap [4 << 10]byte
	for read := 0; read < lingeringBytes; {
		n, err := c.raw.Read(scrap[:])
		if read += n; err != nil {
			return
		}
	}
}

// now is the clock of the deadlines of sockets, which have no other.
func now() time.Time {
	return time.Now() //nolint:forbidigo // see above
}

// handshake bounds what a client sends before TLS is agreed on. It is beneath TLS.
type handshake struct {
	net.Conn
	left atomic.Int64 // negative once it is over
}

const handshakeOver = -1

var errHandshake = errors.New("too long a TLS handshake")

func (h *handshake) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if left := h.left.Load(); left >= 0 {
		if int64(n) > left {
			return 0, errHandshake
		}
		h.left.Store(left - int64(n))
	}
	return n, err
}
