// SPDX-License-Identifier: Apache-2.0

package test

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

func TestSecondReceiverWaitsForTheStore(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	p := s.startReady("media")

	address := testenv.FreeAddress(t)
	second := s.start("--health-probe-bind-address=" + address)
	probes := func(wantReady int) error {
		if code := s.probe(address, "/healthz"); code != http.StatusOK {
			return errNot("/healthz of the second receiver answers %d", code)
		}
		if code := s.probe(address, "/readyz"); code != wantReady {
			return errNot("/readyz of the second receiver answers %d, want %d", code, wantReady)
		}
		return nil
	}
	testenv.Eventually(t, soon, func() error { return probes(http.StatusServiceUnavailable) })
	first := upload("asset", 1)
	s.send("media", first) // the first one serves meanwhile
	s.must(probes(http.StatusServiceUnavailable))
	waiting := testenv.FreeAddress(t)
	third := s.start("--health-probe-bind-address=" + waiting)
	testenv.Eventually(t, soon, func() error {
		if code := s.probe(waiting, "/healthz"); code != http.StatusOK {
			return errNot("/healthz of the third receiver answers %d", code)
		}
		return nil
	})
	third.terminate() // that it never had the store is no failure
	p.terminate()
	testenv.Eventually(t, soon, func() error { return probes(http.StatusOK) })
	s.send("media", first)
	next := upload("asset", 2)
	s.send("media", next)
	s.settled(catalog, map[string]int{string(first.body): 1, string(next.body): 1})
	second.terminate()
}

// gate is a way to the API server that can be closed.
type gate struct {
	s           *receiverSetting
	address, to string

	mu       sync.Mutex
	listener net.Listener // nil while it is closed
	conns    []net.Conn
}

// gate leads receivers started from now on through a gate, which is closed.
func (s *receiverSetting) gate() *gate {
	s.Helper()
	g := &gate{s: s, address: testenv.FreeAddress(s.T), to: strings.Trim(strings.TrimPrefix(cluster.Config.Host, "https:"), "/")}
	s.Cleanup(g.close)
	raw := strings.ReplaceAll(string(cluster.Kubeconfig), "https://"+g.to, "https://"+g.address)
	if raw == string(cluster.Kubeconfig) {
		s.Fatalf("the kubeconfig does not name the API server by %q", g.to)
	}
	s.must(os.WriteFile(s.kubeconfig, []byte(raw), 0o600))
	return g
}

func (g *gate) open() {
	g.s.Helper()
	listener, err := (&net.ListenConfig{}).Listen(g.s.Context(), "tcp", g.address)
	g.s.must(err)
	g.mu.Lock()
	g.listener = listener
	g.mu.Unlock()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			to, err := (&net.Dialer{}).DialContext(g.s.Context(), "tcp", g.to)
			if err != nil {
				_ = from.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, from, to)
			if g.listener == nil {
				_, _ = from.Close(), to.Close()
			}
			g.mu.Unlock()
			go func() { _, _ = io.Copy(to, from) }()
			go func() { _, _ = io.Copy(from, to) }()
		}
	}()
}

// close cuts what goes through.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		_ = g.listener.Close()
	}
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.listener, g.conns = nil, nil
}

func TestReceiverWorksWithoutAnAPIServer(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	api := s.gate()
	api.open()
	p := s.startReady("media")
	want := map[string]int{}
	send := func(seq int) {
		n := upload("asset", seq)
		s.send("media", n)
		want[string(n.body)] = 1
	}
	send(1)
	s.settled(catalog, want)

	t.Log("the API server goes away: what was looked up is still known")
	api.close()
	send(2)
	testenv.Eventually(t, soon, func() error { return s.arrived(catalog, 3) })
	p.terminate()

	t.Log("a receiver that starts now serves the endpoints of the last run, and delivers once it can ask where Services are")
	s.startReady("media")
	send(3)
	s.must(s.answers("media", upload("asset", 4).signedWith("guessed"), answer{status: http.StatusUnauthorized, reason: "bad_signature"}))
	s.must(s.answers("other", upload("asset", 5), answer{status: http.StatusNotFound, reason: "unknown_endpoint"}))
	api.open()
	testenv.Eventually(t, patience, func() error { return s.arrived(catalog, 4) })
	e := s.endpoint("new")
	testenv.Eventually(t, patience, func() error { return s.answers(e.Name, upload("asset", 6), answer{status: http.StatusOK}) })
}

// arrived is about how many requests a target got.
func (s *receiverSetting) arrived(t *target, want int) error {
	if n := len(t.got()); n != want {
		return errNot("%d requests have arrived, want %d", n, want)
	}
	return nil
}

func TestFirstStartWithoutAnAPIServerTakesNothing(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.gate()
	p := s.start()
	testenv.Eventually(t, soon, func() error {
		return s.answers("media", upload("asset", 1), answer{status: http.StatusServiceUnavailable, reason: "not_loaded"})
	})
	if healthy, ready := s.probe(s.probes, "/healthz"), s.probe(s.probes, "/readyz"); healthy != http.StatusOK || ready != http.StatusServiceUnavailable {
		t.Errorf("/healthz answers %d, /readyz %d, want 200 and 503", healthy, ready)
	}
	if code := s.probe(s.address, "/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("a load balancer is answered %d, want 503", code)
	}
	p.terminate()
}
