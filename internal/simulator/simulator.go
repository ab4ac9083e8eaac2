// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"crypto/ed25519"
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

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

const (
	maxBodyBytes = 128 << 10
	// Above what a receiver of notifications accepts, so that its refusal can be seen.
	maxNotifyBytes    = 8 << 20
	maxDiscardedBytes = 8 << 20
)

// Simulator is a simulated product environment: an http.Handler for the Admin API under /v1_1/ and the control API under /_sim/.
// Where it was made to notify, Close ends what is under way.
type Simulator struct {
	options       Options
	environmentID string
	eventTypes    []string
	ed25519       ed25519.PrivateKey
	courier       *courier

	mu     sync.Mutex // guards everything below
	store  *store
	budget *budget
	calls  map[Call]int
	faults []Fault
	// signing is how notifications are signed from now on.
	signing Signing
	assets  *assets
	// claimed are the claimable environments by their cloud names.
	claimed map[string]claimedCloud
}

// New makes an empty product environment. An error names every option that is wrong by its flag.
func New(options Options) (*Simulator, error) {
	options.setDefaults()
	if err := options.validate(); err != nil {
		return nil, fmt.Errorf("simulator options: %w", err)
	}
	id := sha256.Sum256([]byte(options.Cloud))
	key, err := ed25519Key(options.Delivery.Ed25519Seed)
	if err != nil {
		return nil, fmt.Errorf("simulator options: %w", err)
	}
	s := &Simulator{
		ed25519:       key,
		options:       options,
		environmentID: hex.EncodeToString(id[:16]),
		eventTypes:    append(notification.EventTypes(), options.ExtraEventTypes...),
	}
	s.courier = newCourier(options, s.sign)
	s.Reset()
	return s, nil
}

// Reset forgets the triggers, the assets, the claimable environments, the calls, the faults, the deliveries, another way of signing,
// and what of the call budget was used.
func (s *Simulator) Reset() {
	s.courier.forgetAll()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = newStore(s.options.ListLag)
	s.budget = &budget{limit: s.options.RateLimit, window: s.options.RateLimitWindow, status: s.options.RateLimitStatus}
	s.calls = map[Call]int{}
	s.faults = nil
	s.signing = s.options.signing()
	s.assets = newAssets()
	s.claimed = map[string]claimedCloud{}
}

// Close ends the deliveries: those under way may finish until the context ends, those that wait for a retry are not sent any more.
// Nothing is delivered afterwards.
func (s *Simulator) Close(ctx context.Context) {
	s.closeClouds(ctx)
	s.courier.close(ctx)
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit := maxBodyBytes
	if r.URL.Path == pathNotify {
		limit = maxNotifyBytes
	}
	body, err := readBody(r.Body, limit)
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
func readBody(from io.Reader, limit int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, int64(limit)+1))
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
	if pattern := req.route.pattern; pattern != routeUploadTags && pattern != routeClouds {
		s.environmentOf(req.route.cloud).addRateLimit(&reply)
	}
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
	header.Set("X-Request-Id", sample.NewID())
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
