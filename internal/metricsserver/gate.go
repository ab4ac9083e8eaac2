// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/singleflight"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
)

// questionTime is how long the API server may take to answer. A scrape waits for it, and has ten seconds with Prometheus' defaults.
const questionTime = 5 * time.Second

// errTooMany is that too many unknown tokens were shown.
var errTooMany = errors.New("too many tokens that are not known")

// gate lets requests through whose bearer token the API server knows, and allows to get /metrics.
type gate struct {
	next http.Handler
	// ask asks the API server what a token is answered.
	ask       func(ctx context.Context, token string, audiences []string) (status int, err error)
	now       func() time.Time
	log       logr.Logger
	verdicts  *verdicts
	allowance *allowance
	asking    singleflight.Group
}

func newGate(o Options, next http.Handler) *gate {
	return &gate{next: next, ask: reviewer{o.Client}.ask, now: o.Now, log: o.Logger, verdicts: newVerdicts(), allowance: newAllowance()}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		refuse(w, r, http.StatusUnauthorized, "a bearer token is needed")
		return
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	status, err := g.judge(r.Context(), token, address)
	switch {
	case errors.Is(err, errTooMany):
		w.Header().Set("Retry-After", "1")
		refuse(w, r, http.StatusTooManyRequests, errTooMany.Error())
	case err != nil:
		g.log.Error(err, "Cannot authorize metrics clients")
		refuse(w, r, http.StatusServiceUnavailable, "the API server did not say who you are")
	case status != http.StatusOK:
		refuse(w, r, status, http.StatusText(status))
	default:
		httpserver.Trust(r)
		g.next.ServeHTTP(w, r)
	}
}

// refuse closes the connection, too: its place is for those with a right token.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	httpserver.Refuse(w, r)
	http.Error(w, text, status)
}

// judge asks the API server, or remembers what it said less than a minute ago. What it has let in before waits for nobody's junk.
func (g *gate) judge(ctx context.Context, token, address string) (int, error) {
	claims, ok := read(token, g.now())
	if !ok {
		return http.StatusUnauthorized, nil
	}
	hash := tokenHash(sha256.Sum256([]byte(token)))
	ask := func() <-chan singleflight.Result {
		return g.asking.DoChan(string(hash[:]), func() (any, error) { return g.settle(context.WithoutCancel(ctx), hash, token, claims) })
	}
	status, standing := g.verdicts.find(hash, g.now())
	switch standing {
	case settled:
		return status, nil
	case ripe:
		ask()
		return status, nil
	case unknown:
		if !g.allowance.take(address, g.now()) {
			return 0, errTooMany
		}
	case former:
	}
	select {
	case answer := <-ask():
		if answer.Err != nil {
			return 0, answer.Err
		}
		status, _ = answer.Val.(int)
	case <-ctx.Done():
		return 0, fmt.Errorf("review a token: %w", ctx.Err())
	}
	if status == http.StatusOK {
		g.allowance.wasRight(address, g.now())
	}
	return status, nil
}

// settle asks, for all who show the token meanwhile.
func (g *gate) settle(ctx context.Context, hash tokenHash, token string, c claims) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	status, err := g.ask(ctx, token, c.reviewedFor())
	if err == nil {
		g.verdicts.keep(hash, status, g.now())
	}
	return status, err
}
