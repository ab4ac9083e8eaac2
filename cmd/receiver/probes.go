// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const probeTimeout = 5 * time.Second

// startProbes has the probes answered until endProbes.
func (r *receiver) startProbes(ctx context.Context) error {
	ctx, r.stopProbes = context.WithCancel(context.WithoutCancel(ctx))
	if r.options.probeAddress == "0" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.options.probeAddress)
	if err != nil {
		return fmt.Errorf("listen for probes: %w", err)
	}
	r.probeListener = listener
	r.probes.start(ctx, "probes", func(ctx context.Context) error { return r.serveProbes(ctx, listener) })
	return nil
}

// endProbes says why they were no longer answered, if that was so: the kubelet only knows that they were not.
func (r *receiver) endProbes() error {
	r.stopProbes()
	return r.probes.group.Wait()
}

// serveProbes answers /healthz while the process lives, and /readyz once notifications can be taken.
func (r *receiver) serveProbes(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := r.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: probeTimeout, ReadTimeout: probeTimeout, WriteTimeout: probeTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		_ = server.Close() // a probe that is cut off is as good as none
		return nil
	}
}

// ready says what keeps notifications from being taken. A receiver that is about to stop is ready as long as it takes them: there is no other
// one that could, and kube-proxy goes on sending to what is ending only while that is ready.
func (r *receiver) ready() error {
	switch serving := r.serving.Load(); {
	case !serving && r.stopping.Load():
		return errors.New("stopping")
	case !serving:
		return errors.New("the store is not open: another receiver may have it")
	case r.watcher.Table() == nil:
		return errors.New("the endpoints are not known yet")
	default:
		return nil
	}
}
