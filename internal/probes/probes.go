// SPDX-License-Identifier: Apache-2.0

// Package probes answers the kubelet's probes of both programs. It knows nothing of what makes a program ready.
package probes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
)

// The kubelet opens a connection for each probe and sends the request with it. Whoever else connects there makes room for it, so that it is
// behind those alone that the kernel keeps for the listener, and it has four times the time of the pace itself.
const (
	maxConnections = 128
	paceMost       = maxConnections / 4
	paceTime       = 25 * time.Millisecond
)

// Limits are what strangers may take.
func Limits() httpserver.Limits {
	limits := httpserver.InternalLimits()
	limits.MaxConnections = maxConnections
	return limits
}

// Serve answers what comes to a listener until ctx ends, and closes it: /healthz with 200, and /readyz once ready returns nil. Before that it
// says what ready does.
func Serve(ctx context.Context, listener net.Listener, ready func() error) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	server := httpserver.New(httpserver.Options{Handler: closing(mux), Limits: Limits()})
	if err := server.Run(ctx, httpserver.Pace(listener, paceMost, paceTime), 0); err != nil { // a probe that is cut off is as good as none
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// closing has connections closed behind their answer, as the kubelet does itself.
func closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpserver.Refuse(w, r)
		next.ServeHTTP(w, r)
	})
}
