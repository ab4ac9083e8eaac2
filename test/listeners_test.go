// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	deadletters "github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/admin"
)

// What config/ gives the containers.
const (
	receiverMemory, receiverMemLimit = 768 << 20, "691MiB"
	managerMemory, managerMemLimit   = 256 << 20, "230MiB"
)

// port is one that is not for the internet.
type port struct {
	address string
	secure  bool
	// request is one that is answered, up to where its own header lines would be.
	request string
	status  int
	// memory is of the process that serves it.
	memory *testenv.Confined
}

// inside are both programs as they run in their containers, and who looks at them.
type inside struct {
	*receiverSetting
	ports map[string]port
	// prometheus is a token that lets read metrics.
	prometheus string
}

// newInside starts both. Their memory is that of their containers.
func newInside(t *testing.T) *inside {
	t.Helper()
	t.Setenv("GOMEMLIMIT", receiverMemLimit)
	s := &inside{receiverSetting: newReceiverSetting(t)}
	adminAddress := testenv.FreeAddress(t)
	s.flags = []string{"--metrics-bind-address=" + s.metrics, "--admin-bind-address=" + adminAddress}
	s.keys(theKey())
	s.endpoint("media")
	receiver := s.startReady("media")
	ofReceiver := testenv.Confine(t, receiver.Process.Pid, receiverMemory)
	probes, metrics := testenv.FreeAddress(t), testenv.FreeAddress(t)
	ofManager := testenv.Confine(t, s.startManager(probes, metrics), managerMemory)
	account := s.account("prometheus")
	s.mayReadMetrics("prometheus")
	s.prometheus = s.rightToken(account, s.metrics, metrics)
	scrape := "GET /metrics HTTP/1.1\r\nHost: a\r\n"
	probe := "GET /healthz HTTP/1.1\r\nHost: a\r\n"
	s.ports = map[string]port{
		"the receiver's metrics": {s.metrics, true, scrape, http.StatusUnauthorized, ofReceiver},
		"the manager's metrics":  {metrics, true, scrape, http.StatusUnauthorized, ofManager},
		"the receiver's probes":  {s.probes, false, probe, http.StatusOK, ofReceiver},
		"the manager's probes":   {probes, false, probe, http.StatusOK, ofManager},
		"dead letters":           {adminAddress, false, "GET /v1/deadletters HTTP/1.1\r\nHost: localhost\r\n" + deadletters.Header + ": " + deadletters.HeaderValue + "\r\n", http.StatusOK, ofReceiver},
	}
	testenv.Eventually(t, patience, func() error {
		if code := s.probe(probes, "/readyz"); code != http.StatusOK {
			return errNot("the manager's /readyz answers %d", code)
		}
		return nil
	})
	return s
}

// rightToken is a token of an account, once the programs let it in.
func (s *inside) rightToken(account *corev1.ServiceAccount, addresses ...string) string {
	s.Helper()
	var token string
	testenv.Eventually(s.T, patience, func() error {
		token = s.token(account)
		for _, address := range addresses {
			if status, err := s.scrape(newScraper(s.T), address, token); err != nil || status != http.StatusOK {
				return errNot("answered %d, %v", status, err)
			}
		}
		return nil
	})
	return token
}

func (s *inside) startManager(probes, metrics string) (pid int) {
	s.Helper()
	program, err := managerProgram()
	s.must(err)
	log := &testenv.Output{}
	cmd := exec.CommandContext(s.Context(), program, "--kubeconfig="+s.kubeconfig, "--watch-namespaces="+s.namespace, "--verification-namespace="+s.namespace,
		"--leader-elect=false", "--metrics-bind-address="+metrics, "--health-probe-bind-address="+probes)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+managerMemLimit)
	s.must(cmd.Start())
	s.Cleanup(func() {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		if s.Failed() {
			s.Logf("log of the manager:\n%s", tail(log.String()))
		}
	})
	return cmd.Process.Pid
}

// connect is a stranger's connection.
func (p port) connect(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: soon}
	if p.secure {
		return (&tls.Dialer{NetDialer: dialer, Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", p.address)
	}
	return dialer.DialContext(ctx, "tcp", p.address)
}

// exchange is what a request is answered.
func (p port) exchange(ctx context.Context, request string) (int, error) {
	c, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(soon))
	go func() { _, _ = io.WriteString(c, request) }() // it may be answered before its end
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// lines are header lines as short as they can be, which take the most memory for their bytes.
func lines(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%c%c%c%c:\r\n", letters[i%26], letters[i/26%26], letters[i/26/26%26], letters[i/26/26/26%26])
	}
	return b.String()
}

func TestHeadersOfOtherPortsAreBounded(t *testing.T) {
	s := newInside(t)
	for name, p := range s.ports {
		own := strings.Count(p.request, "\r\n") - 1 // without the request's own line
		fill := func(bytes int) string {
			return p.request + "X-Fill: " + strings.Repeat("x", bytes-len(p.request+"X-Fill: \r\n\r\n")) + "\r\n\r\n"
		}
		for what, tc := range map[string]struct {
			request string
			want    int
		}{
			"as many lines as there may be": {p.request + lines(httpserver.DefaultMaxHeaderLines-own-1) + "\r\n", p.status},
			"one more line":                 {p.request + lines(httpserver.DefaultMaxHeaderLines-own+1) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
			"as many bytes as there may be": {fill(httpserver.DefaultMaxHeaderBytes), p.status},
			"one more byte":                 {fill(httpserver.DefaultMaxHeaderBytes + 1), http.StatusRequestHeaderFieldsTooLarge},
		} {
			if got, err := p.exchange(t.Context(), tc.request); err != nil || got != tc.want {
				t.Errorf("%s, %s: answered %d, %v, want %d", name, what, got, err, tc.want)
			}
		}
	}
}

// junkTime is how long it floods at least.
const junkTime = 2 * time.Second

// flood connects over and over again, so many times at once, and sends something on each connection. It returns once
// there have been twice as many.
func (s *inside) flood(ctx context.Context, p port, crowd int, text func() string) (wait func()) {
	s.Helper()
	var all sync.WaitGroup
	var sent atomic.Int64
	for range crowd {
		all.Go(func() {
			for ctx.Err() == nil {
				c, err := p.connect(ctx)
				if err != nil {
					sent.Add(1) // it was turned out
					continue
				}
				_ = c.SetDeadline(time.Now().Add(soon))
				_, _ = io.WriteString(c, text())
				sent.Add(1)
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				_, _ = io.Copy(io.Discard, c) // until it is turned out
				stop()
				_ = c.Close()
			}
		})
	}
	begin := time.Now()
	testenv.Eventually(s.T, patience, func() error { //nolint:contextcheck // the flood's is not the test's
		if n := sent.Load(); n < int64(2*crowd) || time.Since(begin) < junkTime {
			return errNot("%d connections have been made", n)
		}
		return nil
	})
	return all.Wait
}

// looks are what others do meanwhile: Cloudinary, the kubelet, and Prometheus with a connection that it has had before.
func (s *inside) looks(until <-chan struct{}) *sync.WaitGroup {
	s.Helper()
	looks := map[string]func() (int, error){}
	for name, p := range s.ports {
		switch {
		case strings.Contains(name, "probes"):
			looks[name] = asTheKubelet(func() (int, error) { return p.exchange(s.Context(), p.request+"\r\n") })
		case strings.Contains(name, "metrics"):
			scraper := newScraper(s.T)
			looks[name] = func() (int, error) { return s.scrape(scraper, p.address, s.prometheus) }
		}
	}
	for name, look := range looks {
		if status, err := look(); err != nil || status != http.StatusOK {
			s.Fatalf("%s: answered %d, %v before", name, status, err)
		}
	}
	var others sync.WaitGroup
	others.Go(func() {
		if s.bystander(until) == 0 {
			s.Errorf("no notification was taken")
		}
	})
	for name, look := range looks {
		others.Go(func() { s.repeatedly(name, until, look) })
	}
	return &others
}

// asTheKubelet looks up to three times: it restarts nothing before as many probes in a row have failed. On a machine that is busy a
// crowd at the very port may turn out one of them.
func asTheKubelet(look func() (int, error)) func() (int, error) {
	return func() (status int, err error) {
		const failureThreshold = 3
		for range failureThreshold {
			if status, err = look(); err == nil && status == http.StatusOK {
				break
			}
		}
		return status, err
	}
}

// repeatedly does something until it is told to end, and fails if it goes wrong once, or takes too long.
func (s *inside) repeatedly(what string, until <-chan struct{}, do func() (int, error)) {
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	slowest, n := time.Duration(0), 0
	for {
		begin := time.Now()
		if status, err := do(); err != nil || status != http.StatusOK {
			s.Errorf("%s: answered %d after %s, %v", what, status, time.Since(begin), err)
			return
		}
		n, slowest = n+1, max(slowest, time.Since(begin))
		select {
		case <-until:
			s.Logf("%s: %d times, the slowest took %s", what, n, slowest.Round(time.Millisecond))
			if slowest > maxAnswerTime {
				s.Errorf("%s: it took %s, want %s at most", what, slowest, maxAnswerTime)
			}
			return
		case <-pace.C:
		}
	}
}

// newScraper is a Prometheus. It has one connection, if it is let.
func newScraper(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: soon}
}

func (s *inside) scrape(by *http.Client, address, token string) (int, error) {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "https://"+address+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := by.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// Whatever strangers send to ports that are not for them, nothing dies, and nobody waits for them: not Cloudinary, not the kubelet, and no
// Prometheus that has read the metrics before.
func TestFloodsOfOtherPortsAreInNobodysWay(t *testing.T) {
	s := newInside(t)
	const crowd = 150 // more than any of these ports takes
	var made atomic.Int64
	junk := func() string { // another token each time
		part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		return part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"sub":"prometheus","jti":"%d"}`, made.Add(1))) + "." + part("signature")
	}
	for name, p := range s.ports {
		large, limit := p.request+lines(1<<20/len("aaaa:\r\n")), p.request+lines(httpserver.DefaultMaxHeaderLines-5)
		texts := map[string]func() string{
			"1 MiB of header lines":             func() string { return large },
			"headers up to the limits":          func() string { return limit },
			"nothing":                           func() string { return "" },
			"requests with tokens of their own": func() string { return p.request + "Authorization: Bearer " + junk() + "\r\n\r\n" },
		}
		for what, text := range texts {
			t.Run(name+", "+what, func(t *testing.T) {
				outer := s.T
				s.T = t
				defer func() { s.T = outer }()
				until := make(chan struct{})
				flood, stop := context.WithCancel(t.Context())
				others := s.looks(until)
				ended := s.flood(flood, p, crowd, text)
				close(until)
				others.Wait()
				stop()
				ended()
				t.Logf("the process had %d MiB at most", p.memory.Check(t)>>20)
			})
		}
	}
}
