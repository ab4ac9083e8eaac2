// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"net"
	"sync"
	"time"
)

// Pace has a listener accept so many connections at most in so much time. The others wait in the kernel, in their order, where they take no
// memory of the process. Without it a crowd that connects again whenever it is turned out turns out everybody, itself included, before a
// request has arrived: the oldest stranger is a few milliseconds old then. And its handshakes take all of a CPU.
func Pace(l net.Listener, most int, in time.Duration) net.Listener {
	return &paced{Listener: l, in: in, young: make(chan struct{}, most), closed: make(chan struct{})}
}

type paced struct {
	net.Listener
	in    time.Duration
	young chan struct{} // has something in it for each connection that is

	once   sync.Once
	closed chan struct{}
}

func (p *paced) Accept() (net.Conn, error) {
	select {
	case p.young <- struct{}{}:
	case <-p.closed: // which the listener says itself
		return p.Listener.Accept() //nolint:wrapcheck // net/http knows its kinds
	}
	c, err := p.Listener.Accept()
	time.AfterFunc(p.in, func() { <-p.young })
	return c, err //nolint:wrapcheck // see above
}

func (p *paced) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close() //nolint:wrapcheck // it stands for the listener
}
