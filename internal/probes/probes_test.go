// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const soon = 10 * time.Second

// serve answers probes until the test ends.
func serve(t *testing.T, ready func() error) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, ready) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return listener.Addr().String()
}

// probe is one of the kubelet's, which has a connection for each.
func probe(t *testing.T, method, address, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(text))
}

func TestProbesTellOfLifeAndReadiness(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	address := serve(t, func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("the store is not open")
	})
	if status, _ := probe(t, http.MethodGet, address, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz is answered %d", status)
	}
	if status, text := probe(t, http.MethodGet, address, "/readyz"); status != http.StatusServiceUnavailable || text != "the store is not open" {
		t.Errorf("/readyz is answered %d %q before it is ready", status, text)
	}
	ready.Store(true)
	if status, text := probe(t, http.MethodGet, address, "/readyz"); status != http.StatusOK || text != "" {
		t.Errorf("/readyz is answered %d %q", status, text)
	}
	if status, _ := probe(t, http.MethodPost, address, "/healthz"); status != http.StatusMethodNotAllowed {
		t.Errorf("a POST is answered %d", status)
	}
	if status, _ := probe(t, http.MethodGet, address, "/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("another path is answered %d", status)
	}
}

func TestIdleConnectionsMakeRoomForProbes(t *testing.T) {
	t.Parallel()
	address := serve(t, func() error { return nil })
	for range 2*maxConnections + 1 {
		c, err := (&net.Dialer{Timeout: soon}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	begin := time.Now()
	if status, _ := probe(t, http.MethodGet, address, "/healthz"); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	// With nothing read, the first header would be waited for, for five seconds.
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("answered after %s", took)
	}
}

func TestAListenerThatFailsIsTold(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), listener, nil); err == nil || !strings.HasPrefix(err.Error(), "serve: ") {
		t.Errorf("it ends with %v", err)
	}
}
