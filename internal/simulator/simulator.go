// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxBodyBytes      = 128 << 10
	maxDiscardedBytes = 8 << 20
)

// Simulator is a simulated product environment: an http.Handler for the Admin API under /v1_1/ and the control API under /_sim/.
type Simulator struct {
	options       Options
	environmentID string
	eventTypes    []string

	mu     sync.Mutex // guards everything below
	store  *store
	budget *budget
	calls  map[Call]int
	faults []Fault
}

// New makes an empty product environment. An error names every option that is wrong by its flag.
func New(options Options) (*Simulator, error) {
	options.setDefaults()
	if err := options.validate(); err != nil {
		return nil, fmt.Errorf("simulator options: %w", err)
	}
	registerOperators()
	id := sha256.Sum256([]byte(options.Cloud))
	s := &Simulator{
		options:       options,
		environmentID: hex.EncodeToString(id[:16]),
		eventTypes:    append(knownEventTypes(), options.ExtraEventTypes...),
	}
	s.Reset()
	return s, nil
}

// Reset forgets the triggers, the calls, the faults and what of the call budget was used.
func (s *Simulator) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = newStore(s.options.ListLag)
	s.budget = &budget{limit: s.options.RateLimit, window: s.options.RateLimitWindow, status: s.options.RateLimitStatus}
	s.calls = map[Call]int{}
	s.faults = nil
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r.Body)
	if err != nil {
		// The client is gone, or sent less than it said.
		s.write(w, failure(http.StatusBadRequest, messageInvalid))
		return
	}
	req := request{
		method: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header, body: body,
		route: matchRoute(r.URL.Path),
	}
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.write(w, s.control(req))
		return
	}
	// A real server does not notice that its client gave up: what is under way still takes effect.
	s.serveAdmin(context.WithoutCancel(r.Context()), w, req)
}

// readBody keeps enough of a body to see that it is too large, and reads on so that such a client gets to read its answer.
func readBody(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxBodyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	_, err = io.CopyN(io.Discard, from, maxDiscardedBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return body, nil
}

func (s *Simulator) serveAdmin(ctx context.Context, w http.ResponseWriter, req request) {
	f := s.takeFault(req)
	s.pause(ctx, s.options.Latency)
	var reply answer
	if f.afterEffect() {
		reply = s.carryOut(req)
	}
	s.pause(ctx, f.delay())
	switch {
	case f.Cut != "":
		s.record(req, 0)
		cut(w)
		return
	case f.Status != 0:
		reply = f.answer()
	case !f.afterEffect():
		reply = s.carryOut(req)
	}
	s.addRateLimit(&reply)
	s.record(req, reply.status)
	s.write(w, reply)
}

func (s *Simulator) pause(ctx context.Context, d time.Duration) {
	if d > 0 {
		s.options.Sleep(ctx, d)
	}
}

// addRateLimit adds the rate-limit headers, save those that an injected fault has set.
func (s *Simulator) addRateLimit(reply *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	header := http.Header{}
	s.budget.addHeaders(s.options.Clock(), header)
	maps.Copy(header, reply.header)
	reply.header = header
}

func (s *Simulator) write(w http.ResponseWriter, reply answer) {
	header := w.Header()
	header.Set("Date", s.options.Clock().UTC().Format(http.TimeFormat))
	header.Set("Content-Type", "application/json; charset=utf-8")
	maps.Copy(header, reply.header)
	w.WriteHeader(reply.status)
	// A client that went away is not the simulator's concern.
	_, _ = w.Write(reply.body)
}

// cut ends the connection without an answer, by a TCP reset where the connection allows it.
func cut(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, isTCP := conn.(*net.TCPConn); isTCP {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
