// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const soon = 2 * time.Minute

// testOptions are those of a receiver with ports of its own, which finds no API server.
func testOptions(t *testing.T) *options {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{"apiVersion": "v1", "kind": "Config", "current-context": "a",
"clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "a", "user": {}}],
"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := checked(t, "--namespace=operator", "--kubeconfig="+kubeconfig, "--store-dir="+t.TempDir(), "--notifications-bind-address=127.0.0.1:0",
		"--health-probe-bind-address=127.0.0.1:0", "--metrics-bind-address=0", "--admin-bind-address=0", "--shutdown-timeout=1s", "--shutdown-delay=0s")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// ended waits for an error, which may be nil.
func ended(t *testing.T, ends <-chan error) error {
	t.Helper()
	select {
	case err := <-ends:
		return err
	case <-time.After(soon):
		t.Fatal("it goes on")
		return nil
	}
}

// unanswered fails unless an error says that probes were not answered any more.
func unanswered(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "probes: serve: ") {
		t.Errorf("it ends with %v, want an error that names the probes", err)
	}
}

func TestAReceiverWhoseProbesFailEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	r, err := newReceiver(t.Context(), testOptions(t), logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ends := make(chan error, 1)
	go func() { ends <- r.run(t.Context()) }()
	if err := r.probeListener.Close(); err != nil {
		t.Fatal(err)
	}
	unanswered(t, ended(t, ends))
}

func TestAReceiverThatWaitsForTheStoreEndsWhenItsProbesFail(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	other, err := queue.Open(t.Context(), queue.Options{Dir: o.store.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	broken, breaks := context.WithCancel(t.Context())
	r := &receiver{options: o, log: logr.Discard(), probes: parts{broken: breaks}}
	if err := r.startProbes(t.Context()); err != nil {
		t.Fatal(err)
	}
	ends := make(chan error, 1)
	go func() { ends <- r.open(t.Context(), broken) }()
	if err := r.probeListener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, ends); err == nil {
		t.Error("it has the store that another one has")
	}
	unanswered(t, r.endProbes())
}

func TestProbesAreAnsweredUntilTheyEnd(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	r := &receiver{options: o, log: logr.Discard()}
	if err := r.startProbes(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer := func(path string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.probeListener.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if healthy, ready := answer("/healthz"), answer("/readyz"); healthy != http.StatusOK || ready != http.StatusServiceUnavailable {
		t.Errorf("without a store: /healthz is answered %d, /readyz %d", healthy, ready)
	}
	if err := r.endProbes(); err != nil {
		t.Error(err)
	}
	if healthy := answer("/healthz"); healthy != 0 {
		t.Errorf("after the end /healthz is answered %d", healthy)
	}
}

func TestProbesNeedNotBeAnswered(t *testing.T) {
	t.Parallel()
	r := &receiver{options: testOptions(t)}
	r.options.probeAddress = "0"
	if err := r.startProbes(t.Context()); err != nil || r.probeListener != nil {
		t.Errorf("listening: %v, error %v", r.probeListener != nil, err)
	}
	if err := r.endProbes(); err != nil {
		t.Error(err)
	}
}
