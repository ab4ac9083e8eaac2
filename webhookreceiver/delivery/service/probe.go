// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	probedFor = time.Minute
	maxProbe  = 2 * time.Second
	maxProbed = 1024
)

// speaksTLS is the message where a port speaks TLS and was spoken to without.
const speaksTLS = "the port speaks TLS: set scheme: HTTPS of the target's service"

// prober finds out whether a port speaks TLS, which answers to a request without it do not tell: some servers say so in words of their own with
// the status 400, others with an alert, or with nothing.
type prober struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	now  func() time.Time

	mu    sync.Mutex
	known map[string]probed
}

type probed struct {
	tls   bool
	until time.Time
}

// speaksTLS asks once a minute for each address.
func (p *prober) speaksTLS(ctx context.Context, address string) bool {
	now := p.now()
	p.mu.Lock()
	found, ok := p.known[address]
	p.mu.Unlock()
	if ok && now.Before(found.until) {
		return found.tls
	}
	found = probed{tls: p.ask(ctx, address), until: now.Add(probedFor)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProbed {
		clear(p.known)
	}
	p.known[address] = found
	return found.tls
}

func (p *prober) ask(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, maxProbe)
	defer cancel()
	conn, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()                                                 // nothing was sent over it
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // nothing is sent, nor read
	return err == nil || isAlert(err)
}

// isAlert reports whether the other side ended a TLS handshake, in the words of TLS.
func isAlert(err error) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" // crypto/tls has no other sign
}

// mayBeTLS reports whether a port that speaks TLS may have answered so to a request without it.
func mayBeTLS(code int, err error) bool {
	if err == nil {
		return code == http.StatusBadRequest
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		failureMessage(err, 0) == malformed
}
