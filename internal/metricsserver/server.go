// SPDX-License-Identifier: Apache-2.0

// Package metricsserver serves a registry of metrics over https to clients that the API server lets get /metrics, or over http to
// anybody. Both programs have it: controller-runtime's server bounds neither headers nor connections, and its filters bring half of
// kube-apiserver along.
package metricsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
)

// Options is what is served, and to whom.
type Options struct {
	// Address is where; 0 is nowhere.
	Address string
	Secure  bool
	// CertFile and KeyFile have what is served with if Secure. Empty: a certificate that nobody has signed.
	CertFile, KeyFile string
	// Registry has the metrics.
	Registry prometheus.Gatherer
	// Client asks the API server who a client is, and what it may do. It is used only if Secure.
	Client *kube.Client
	Now    func() time.Time
	Logger logr.Logger
}

const (
	path = "/metrics"
	// maxAtOnce bounds the memory of scrapes: each has all metrics in it.
	maxAtOnce    = 8
	shutdownTime = 2 * time.Second

	// A scraper keeps its connection from one scrape to the next, and no crowd takes it away. A new one has four times the time of the pace
	// for its handshake and request, whatever the crowd, and handshakes do not take all of a CPU.
	maxConnections = 64
	paceMost       = maxConnections / 4
	paceTime       = 25 * time.Millisecond
)

// Limits are what strangers may take.
func Limits() httpserver.Limits {
	limits := httpserver.InternalLimits()
	limits.MaxConnections = maxConnections
	return limits
}

// Serve serves until ctx ends.
func Serve(ctx context.Context, o Options) error {
	if o.Address == "0" {
		<-ctx.Done()
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	handler := promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: maxAtOnce})
	serverOptions := httpserver.Options{Limits: Limits()}
	if o.Secure {
		certificate, err := certificateOf(&o)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		serverOptions.TLS = &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
		handler = newGate(o, handler)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+path, handler)
	serverOptions.Handler = mux
	err = httpserver.New(serverOptions).Run(ctx, httpserver.Pace(listener, paceMost, paceTime), shutdownTime)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
