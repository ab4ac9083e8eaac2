// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// asks is an API server that is asked who somebody is. It knows one token, and counts.
type asks struct {
	good    string
	reviews atomic.Int64
}

func (a *asks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/subjectaccessreviews") {
		_, _ = io.WriteString(w, `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":true}}`)
		return
	}
	a.reviews.Add(1)
	known := strings.Contains(string(raw), `"token":"`+a.good+`"`)
	fmt.Fprintf(w, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":%v}}`, known)
}

// server serves with such an API server behind it.
func (a *asks) server(t *testing.T, now func() time.Time) string {
	t.Helper()
	behind := httptest.NewServer(a)
	t.Cleanup(behind.Close)
	return serve(t, Options{Secure: true, Now: now, Client: client(t, &rest.Config{Host: behind.URL, QPS: 50, Burst: 100})})
}

// from is a client with an address of its own on this host.
func from(t *testing.T, address string, keepAlive bool) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: dialer.DialContext, DisableKeepAlives: !keepAlive,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: soon}
}

func scrape(ctx context.Context, c *http.Client, address, token string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func TestWhatIsNoTokenIsNoQuestion(t *testing.T) {
	t.Parallel()
	a := &asks{good: forged(t, map[string]any{"sub": "prometheus"})}
	address := a.server(t, time.Now)
	c := from(t, "127.0.0.1", false)
	for _, token := range []string{"guessed", "a.b.c", forged(t, map[string]any{"exp": 1}), strings.Repeat("a", maxTokenBytes)} {
		if got, err := scrape(t.Context(), c, address, token); err != nil || got != http.StatusUnauthorized {
			t.Errorf("%.20s… is answered %d, %v", token, got, err)
		}
	}
	if n := a.reviews.Load(); n != 0 {
		t.Errorf("the API server was asked %d times", n)
	}
}

// A crowd that makes tokens up as fast as it can has the API server asked a few times a second, and a right token is let in all the while.
func TestJunkTokensAreFewQuestions(t *testing.T) {
	t.Parallel()
	const crowd, scrapes = 50, 20
	a := &asks{good: forged(t, map[string]any{"sub": "prometheus"})}
	begin := time.Now()
	address := a.server(t, time.Now)
	kept := from(t, "127.0.0.1", true)
	if got, err := scrape(t.Context(), kept, address, a.good); err != nil || got != http.StatusOK {
		t.Fatalf("a right token is answered %d, %v", got, err)
	}
	flood, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	var refused atomic.Int64
	for i := range crowd {
		others.Go(func() {
			c := from(t, fmt.Sprintf("127.0.1.%d", 1+i), true)
			for n := 0; flood.Err() == nil; n++ {
				switch got, _ := scrape(flood, c, address, forged(t, map[string]any{"sub": "prometheus", "jti": fmt.Sprint(i, " ", n)})); got {
				case http.StatusTooManyRequests:
					refused.Add(1)
				case http.StatusOK:
					t.Errorf("junk is let in")
				}
			}
		})
	}
	for range scrapes {
		before := refused.Load()
		testenv.Eventually(t, patience, func() error {
			if refused.Load() < before+crowd {
				return errors.New("the crowd is not there")
			}
			return nil
		})
		if got, err := scrape(t.Context(), kept, address, a.good); err != nil || got != http.StatusOK {
			t.Errorf("a right token is answered %d, %v", got, err)
		}
	}
	stop()
	others.Wait()
	if n, most := a.reviews.Load(), int64(1+burstOfAll+questionsOfAll*(1+time.Since(begin).Seconds())); n > most {
		t.Errorf("the API server was asked %d times in %s, want %d at most", n, time.Since(begin), most)
	}
}

// The token that is meant for these metrics: whoever steals it here can do nothing with it at the API server.
func TestATokenForTheseMetricsAloneLetsIn(t *testing.T) {
	t.Parallel()
	address := serve(t, Options{Secure: true, Client: client(t, api.Config)})
	a := account(t, api.NewNamespace(t), "scraper")
	allow(t, a)
	testenv.Eventually(t, soon, func() error {
		if got, _ := get(t, "https://"+address+path, bearer(t, a, Audience)); got != http.StatusOK {
			return fmt.Errorf("answered %d", got)
		}
		return nil
	})
	testenv.Eventually(t, soon, func() error { // the API server may have been asked about too many
		if got, _ := get(t, "https://"+address+path, bearer(t, a, "somebody-else")); got != http.StatusUnauthorized {
			return fmt.Errorf("a token for somebody else is answered %d", got)
		}
		return nil
	})
	stolen := rest.AnonymousClientConfig(api.Config)
	stolen.BearerToken = strings.TrimPrefix(bearer(t, a, Audience), "Bearer ")
	if err := client(t, stolen).Create(t.Context(), &authenticationv1.TokenReview{}); err == nil || !strings.Contains(err.Error(), "Unauthorized") {
		t.Errorf("the API server takes it, too: %v", err)
	}
}

// idle opens connections that say nothing.
func idle(t *testing.T, address string, n int) {
	t.Helper()
	for range n {
		c, err := (&net.Dialer{Timeout: soon}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
}

func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	a := &asks{good: forged(t, map[string]any{"sub": "prometheus"})}
	address := a.server(t, time.Now)
	c := from(t, "127.0.0.1", true)
	if got, err := scrape(t.Context(), c, address, a.good); err != nil || got != http.StatusOK {
		t.Fatalf("a right token is answered %d, %v", got, err)
	}
	idle(t, address, maxConnections+1)
	for name, c := range map[string]*http.Client{"on the same connection": c, "on a new one": from(t, "127.0.0.1", false)} {
		start := time.Now()
		got, err := scrape(t.Context(), c, address, a.good)
		if took := time.Since(start); err != nil || got != http.StatusOK || took > 2*time.Second {
			t.Errorf("%s: answered %d after %s, %v", name, got, took, err)
		}
	}
}
