// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// Listener accepts a limited number of connections at a time, and knows how many are open. It can be closed, and those waited for.
type Listener struct {
	net.Listener
	open atomic.Int64
}

// NewListener makes a listener of another one. Connections beyond the limit wait to be accepted.
func NewListener(l net.Listener, limit int) *Listener {
	return &Listener{Listener: netutil.LimitListener(l, limit)}
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &connection{Conn: c, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

type connection struct {
	net.Conn
	closed func()
}

func (c *connection) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// drainLook is how often the open connections are counted while they are waited for.
const drainLook = 10 * time.Millisecond

// Drain waits until no connection is open, or ctx ends.
func (l *Listener) Drain(ctx context.Context) {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for l.open.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
