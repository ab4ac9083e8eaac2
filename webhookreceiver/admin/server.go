// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
)

// Header is one that every request has to carry, with the value HeaderValue: a web page cannot send it to another site, nor does
// anything that forwards the requests of others.
const Header = "X-Cloudinary-Operator-Admin"

// HeaderValue is the value of Header.
const HeaderValue = "1"

// Bounds on what clients may take. They are people: there are few of them, and their requests are small.
const (
	maxConnections = 16
	paceMost       = maxConnections / 2
	paceTime       = 10 * time.Millisecond
	maxAtOnce      = 2
	maxBodyBytes   = 64 << 10

	readTimeout = 10 * time.Second
	// workTimeout is how long a request may be worked on, and writeTimeout how long until its answer is written.
	workTimeout  = 30 * time.Second
	writeTimeout = 60 * time.Second
	idleTimeout  = time.Minute
	// shutdownTime is how long requests may take to end by themselves. Their work ends sooner: it is between two writes of the queue.
	shutdownTime = 500 * time.Millisecond
)

// Queue is what is read of a queue.Queue.
type Queue interface {
	DeadLetters(which queue.Selection, after queue.Letter, limit int) []queue.Item
	ItemsOf(id queue.ID) []queue.Item
	Get(id queue.ID) (*queue.Record, error)
}

// Keeper knows and changes what becomes of dead letters, and sees to it that status and metrics follow; report.Writer is one. The numbers
// that it returns count beside an error too.
type Keeper interface {
	Redrive(ctx context.Context, which queue.Selection) (report.Redriven, error)
	Discard(ctx context.Context, which queue.Selection) (int, error)
	// Deliveries are what became of a notification so far, as long as that is known.
	Deliveries(at queue.Endpoint, id queue.ID) []v1alpha1.DeliveryStatus
}

// Server answers requests about dead letters.
type Server struct {
	queue   Queue
	keeper  Keeper
	working chan struct{} // has something in it for each request that is worked on
}

// NewServer makes a server.
func NewServer(q Queue, k Keeper) *Server {
	return &Server{queue: q, keeper: k, working: make(chan struct{}, maxAtOnce)}
}

// Limits are what clients may take.
func Limits() httpserver.Limits {
	limits := httpserver.InternalLimits()
	limits.MaxConnections, limits.HeaderTimeout, limits.BodyStartTimeout, limits.RequestTimeout = maxConnections, readTimeout, readTimeout, readTimeout
	limits.AnswerTimeout, limits.IdleTimeout = writeTimeout, idleTimeout
	return limits
}

// Serve answers what comes to a listener until ctx ends, and closes it. When it returns, nothing uses queue and keeper any more.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := httpserver.New(httpserver.Options{Handler: until(ctx, s.Handler()), Limits: Limits()})
	if err := server.Run(ctx, httpserver.Pace(listener, paceMost, paceTime), shutdownTime); err != nil {
		return fmt.Errorf("serve dead letters: %w", err)
	}
	for range maxAtOnce {
		s.working <- struct{}{} // later ones find that ctx has ended
	}
	return nil
}

// until has requests end with ctx.
func until(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		both, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		next.ServeHTTP(w, r.WithContext(both)) //nolint:contextcheck // it has the request's in it
	})
}

// Handler is the server as a handler.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/deadletters", s.list)
	mux.HandleFunc("GET /v1/deadletters/{id}", s.show)
	mux.HandleFunc("GET /v1/notifications/{id}", s.follow)
	mux.HandleFunc("POST /v1/deadletters/redrive", s.redrive)
	mux.HandleFunc("POST /v1/deadletters/discard", s.discard)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "there is no %s %.100q", r.Method, r.URL.Path)
	})
	return guarded(s.inTurn(mux))
}

// guarded lets those requests through that somebody means to send here.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Header.Get(Header) != HeaderValue:
			httpserver.Refuse(w, r)
			refuse(w, http.StatusForbidden, "the header %s: %s is missing", Header, HeaderValue)
		case !isLoopback(hostOf(r)):
			// A name that somebody has lead here makes a browser take their page for ours.
			httpserver.Refuse(w, r)
			refuse(w, http.StatusForbidden, "the host of the request must be localhost or a loopback address, as in http://127.0.0.1:8082")
		default:
			httpserver.Trust(r)
			next.ServeHTTP(w, r)
		}
	})
}

func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
}

// inTurn works on few requests at once: each of them may go over all that the queue has.
func (s *Server) inTurn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), workTimeout)
		defer cancel()
		select {
		case s.working <- struct{}{}:
			defer func() { <-s.working }()
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			refuse(w, http.StatusServiceUnavailable, "the receiver is stopping, or has too much to do")
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // whoever has gone away need not be told
}

// refuse answers with an error, which is written for the person who asked.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
}
