// SPDX-License-Identifier: Apache-2.0

// Package metricsserver serves a registry of metrics over https to clients that the API server lets get /metrics, or over http to
// anybody. It does for the receiver what controller-runtime's filters do for the manager: those bring half of kube-apiserver along, and
// the receiver is to be small.
package metricsserver

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/util/cert"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
)

// Options is what is served, and to whom.
type Options struct {
	Address string
	Secure  bool
	// Registry has the metrics.
	Registry prometheus.Gatherer
	// Client asks the API server who a client is, and what it may do. It is used only if Secure.
	Client *kube.Client
	Now    func() time.Time
	Logger logr.Logger
}

const (
	path         = "/metrics"
	timeout      = 10 * time.Second
	verdictsFor  = time.Minute
	maxVerdicts  = 256
	shutdownTime = 2 * time.Second
)

// Serve serves until ctx ends.
func Serve(ctx context.Context, o Options) error {
	mux := http.NewServeMux()
	handler := promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	if o.Secure {
		certificate, err := selfSigned()
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
		handler = (&gate{Options: o, next: handler, verdicts: map[[sha256.Size]byte]verdict{}}).check()
	}
	mux.Handle("GET "+path, handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve metrics: %w", err)
	case <-ctx.Done():
		ends, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		_ = server.Shutdown(ends) // a scrape that is cut off comes again
		return nil
	}
}

// selfSigned makes a certificate that nobody has signed, for the life of the process.
func selfSigned() (tls.Certificate, error) {
	host, err := os.Hostname()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return pair, nil
}

// gate lets requests through whose bearer token the API server knows, and allows to get /metrics.
type gate struct {
	Options
	next http.Handler

	mu       sync.Mutex
	verdicts map[[sha256.Size]byte]verdict // by the token's hash
}

type verdict struct {
	status int
	until  time.Time
}

func (g *gate) check() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		status, err := g.judge(r.Context(), token)
		switch {
		case err != nil:
			g.Logger.Error(err, "Cannot authorize metrics clients")
			http.Error(w, "the API server did not say who you are", http.StatusServiceUnavailable)
		case status != http.StatusOK:
			http.Error(w, http.StatusText(status), status)
		default:
			g.next.ServeHTTP(w, r)
		}
	})
}

// judge asks the API server, or remembers what it said less than a minute ago.
func (g *gate) judge(ctx context.Context, token string) (int, error) {
	key := sha256.Sum256([]byte(token))
	g.mu.Lock()
	known, ok := g.verdicts[key]
	g.mu.Unlock()
	if ok && g.Now().Before(known.until) {
		return known.status, nil
	}
	status, err := g.ask(ctx, token)
	if err != nil {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.verdicts) >= maxVerdicts {
		clear(g.verdicts)
	}
	g.verdicts[key] = verdict{status: status, until: g.Now().Add(verdictsFor)}
	return status, nil
}

func (g *gate) ask(ctx context.Context, token string) (int, error) {
	who := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := g.Client.Create(ctx, who); err != nil {
		return 0, fmt.Errorf("review a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range user.Extra {
		extra[name] = authorizationv1.ExtraValue(values)
	}
	may := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: "get"},
	}}
	if err := g.Client.Create(ctx, may); err != nil {
		return 0, fmt.Errorf("review a client's rights: %w", err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
