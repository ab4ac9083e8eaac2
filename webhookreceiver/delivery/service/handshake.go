// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net"
	"sync/atomic"
)

// maxHandshake is how many bytes a target may send before TLS is agreed on: a chain of certificates takes a few KiB. crypto/tls would keep
// eight times as many.
const maxHandshake = 32 << 10

// handshake is a connection of which a target has not proved yet whose it is.
type handshake struct {
	net.Conn

	left atomic.Int64 // of the bytes that it may send; unbounded once it has
}

const unbounded = -1

var errHandshake = errors.New("too large a handshake")

func newHandshake(conn net.Conn) *handshake {
	h := &handshake{Conn: conn}
	h.left.Store(maxHandshake)
	return h
}

// over is told that TLS has been agreed on.
func (h *handshake) over() { h.left.Store(unbounded) }

func (h *handshake) Read(p []byte) (int, error) {
	left := h.left.Load()
	if left == unbounded {
		return h.Conn.Read(p)
	}
	if left == 0 {
		return 0, errHandshake
	}
	n, err := h.Conn.Read(p[:min(int64(len(p)), left)])
	h.left.Store(left - int64(n))
	return n, err
}
