// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"net"
	"sync"
	"time"
)

// Pace has a listener accept no more while so many of its connections are younger than tenure; the others wait in the kernel, in their order,
// where they take no memory of the process. Without it a crowd that connects again whenever it is turned out turns out everybody, itself
// included, before a request has arrived: the oldest stranger is only a few milliseconds old then.
func Pace(l net.Listener, young int, tenure time.Duration) net.Listener {
	return &paced{Listener: l, tenure: tenure, young: make(chan struct{}, young), closed: make(chan struct{})}
}

type paced struct {
	net.Listener
	tenure time.Duration
	young  chan struct{} // has something in it for each connection that is

	once   sync.Once
	closed chan struct{}
}

func (p *paced) Accept() (net.Conn, error) {
	select {
	case p.young <- struct{}{}:
	case <-p.closed: // the listener says so
		return p.Listener.Accept()
	}
	c, err := p.Listener.Accept()
	if err != nil {
		<-p.young
		return nil, err //nolint:wrapcheck // net/http knows its kinds
	}
	grown := &pacedConn{Conn: c}
	grown.age = sync.OnceFunc(func() { <-p.young })
	grown.timer = time.AfterFunc(p.tenure, grown.age)
	return grown, nil
}

func (p *paced) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close() //nolint:wrapcheck // it stands for the listener
}

type pacedConn struct {
	net.Conn
	age   func()
	timer *time.Timer
}

func (c *pacedConn) Close() error {
	c.timer.Stop()
	c.age()
	return c.Conn.Close() //nolint:wrapcheck // it stands for the connection
}

// CloseWrite is the connection's.
func (c *pacedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // it stands for the connection
	}
	return nil
}
