// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options are what a Server serves.
type Options struct {
	Handler http.Handler
	Limits  Limits
	// TLS is nil for plain http.
	TLS *tls.Config
	// ErrorLog is net/http's: what it says of handlers that panic. nil is the standard logger.
	ErrorLog *log.Logger
}

// Server serves one listener.
type Server struct {
	handler http.Handler
	limits  Limits
	tls     *tls.Config
	http    *http.Server
	table   *table

	mu       sync.Mutex
	listener net.Listener
	closed   bool
	served   chan struct{} // is closed when Serve has ended
}

type connKey struct{}

// New makes a server.
func New(o Options) *Server {
	s := &Server{handler: o.Handler, limits: o.Limits, tls: o.TLS, table: newTable(o.Limits.MaxConnections), served: make(chan struct{})}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), Protocols: protocols, DisableGeneralOptionsHandler: true, ErrorLog: o.ErrorLog,
		ReadHeaderTimeout: o.Limits.HeaderTimeout, ReadTimeout: o.Limits.RequestTimeout, WriteTimeout: o.Limits.AnswerTimeout,
		IdleTimeout: o.Limits.IdleTimeout, MaxHeaderBytes: o.Limits.MaxHeaderBytes,
		ConnState: func(c net.Conn, state http.ConnState) {
			if ours, ok := c.(*conn); ok && state == http.StateIdle {
				ours.wait()
			}
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	return s
}

// Stats are of now.
func (s *Server) Stats() Stats { return s.table.read() }

// Serve serves a listener, which it closes, until Shutdown or Close: then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	defer close(s.served)
	if !s.listen(l) {
		return l.Close()
	}
	err := s.http.Serve(&listener{Listener: l, server: s})
	if s.isClosed() && (errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed)) {
		return nil
	}
	return err //nolint:wrapcheck // the caller says what is served
}

// Run serves a listener until ctx ends, and gives requests under way as long as it is told to end.
func (s *Server) Run(ctx context.Context, l net.Listener, ending time.Duration) error {
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		ends, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
		defer cancel()
		if s.Shutdown(ends) != nil {
			_ = s.http.Close() // who is cut off comes again
		}
		return <-served
	}
}

// Shutdown accepts no more connections, and lets the requests of those that were accepted end. net/http's own way would close one that has
// just brought its request without an answer, so it is left with those that are idle.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.close() {
		<-s.served
	}
	if s.limits.LastRequests > 0 {
		last, cancel := context.WithTimeout(ctx, s.limits.LastRequests)
		defer cancel()
		s.drain(last)
	}
	return s.http.Shutdown(ctx) //nolint:wrapcheck // the caller says what is shut down
}

// Close ends all at once.
func (s *Server) Close() error {
	s.close()
	return s.http.Close() //nolint:wrapcheck // the caller says what is closed
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listener = l
	return true
}

// close closes the listener, and reports whether there is one.
func (s *Server) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.listener == nil {
		return false
	}
	_ = s.listener.Close() // it may be what has failed
	return true
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// drainLook is how often the open connections are counted while they are waited for.
const drainLook = 10 * time.Millisecond

// drain waits until no connection is open, or ctx ends.
func (s *Server) drain(ctx context.Context) {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for !s.table.empty() {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := connOf(r)
	if c == nil {
		s.handler.ServeHTTP(w, r)
		return
	}
	if !c.begin(r.ContentLength) {
		w.Header().Set("Connection", "close")
	}
	s.handler.ServeHTTP(w, r)
	if c.refused.Load() {
		r.Body = http.NoBody // net/http would wait half a second for the rest of it
	}
}

func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// Trust says that a request is none of a stranger's: until it is answered its connection is closed for nobody's sake, and after that
// only when there is no stranger's left to close. It does nothing for requests that are not a Server's.
func Trust(r *http.Request) {
	if c := connOf(r); c != nil {
		c.server.table.change(c, StateTrusted)
	}
}

// Refuse has the connection closed behind the answer, which is yet to be written, and tells the client so. What is left of the body is
// not read.
func Refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if c := connOf(r); c != nil {
		c.refuse()
	}
}

// Cut closes the connection of a request at once, without an answer, to have back what it takes, unless the request is trusted, or was
// answered meanwhile. What reads its body fails.
func Cut(r *http.Request) {
	if c := connOf(r); c != nil {
		c.server.table.cut(c)
	}
}

// listener accepts connections, as many as there are, and makes conns of them.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http knows its kinds
		}
		if c := l.server.newConn(raw); l.server.table.admit(c) {
			return c, nil
		}
		_ = raw.Close()
	}
}

func (s *Server) newConn(raw net.Conn) *conn {
	c := &conn{Conn: raw, raw: raw, server: s, born: now()}
	if s.tls != nil {
		beneath := &handshake{Conn: raw}
		beneath.left.Store(maxHandshakeBytes)
		c.tls = tls.Server(beneath, s.tls)
		c.Conn, c.beneath = c.tls, beneath
		_ = raw.SetWriteDeadline(c.born.Add(s.limits.HeaderTimeout)) // a connection that is closed says so at the first read
	}
	return c
}
