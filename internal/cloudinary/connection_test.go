// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(answering(404, `{"error":{"message":"x"}}`))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	transport := cloudinary.NewTransport()
	defer transport.CloseIdleConnections()
	for range 5 {
		client := cloudinary.NewClient(cloudinary.Credentials{APIBase: server.URL, CloudName: "c"}, cloudinary.ClientOptions{
			Transport: transport, Bases: cloudinary.OneAPIBase(server.URL),
		})
		for _, call := range calls(client) {
			_, _ = call(t.Context())
		}
	}
	// A connection may not be back when the next call begins, on a busy machine.
	if got := connections.Load(); got > 5 {
		t.Errorf("25 calls in a row took %d connections, want one, or a few", got)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConnectionsThatFail(t *testing.T) {
	t.Parallel()
	quiet := log.New(io.Discard, "", 0)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog, old.TLS = quiet, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(cut.Close)
	half := httptest.NewServer(answering(200, `{"triggers":[],`, "Content-Length", "100"))
	t.Cleanup(half.Close)
	nowhere := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "127.0.0.1", IsNotFound: true}}
	}}
	waits := roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	tests := map[string]struct {
		base      string
		options   cloudinary.ClientOptions
		text      string
		ambiguous bool
	}{
		"nobody listens":           {closed.URL, cloudinary.ClientOptions{}, "connection refused", false},
		"an unknown host":          {"http://host.invalid", cloudinary.ClientOptions{Transport: nowhere}, "cannot be resolved", false},
		"an untrusted certificate": {untrusted.URL, cloudinary.ClientOptions{}, "not trusted", false},
		"TLS 1.1":                  {old.URL, cloudinary.ClientOptions{}, "TLS handshake failed", false},
		"no TLS":                   {"https" + strings.TrimPrefix(plain.URL, "http"), cloudinary.ClientOptions{}, "does not speak TLS", false},
		"a connection that is cut": {cut.URL, cloudinary.ClientOptions{}, "closed before the whole answer", true},
		"an answer that is cut":    {half.URL, cloudinary.ClientOptions{}, "closed before the whole answer", true},
		"no time to begin with":    {plain.URL, cloudinary.ClientOptions{Transport: waits, Timeout: 1}, "in time", false},
		"no answer in time from a transport that does not say what it did": {
			plain.URL, cloudinary.ClientOptions{Transport: waits, Timeout: 20 * time.Millisecond}, "in time", true,
		},
		"no API base at all": {"://", cloudinary.ClientOptions{}, "cannot be built", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Bases = cloudinary.OneAPIBase(test.base)
			if test.base == "://" {
				test.options.Bases = cloudinary.AnyAPIBase()
			}
			client := cloudinary.NewClient(cloudinary.Credentials{APIBase: test.base, CloudName: "c", APISecret: secret}, test.options)
			for operation, call := range calls(client) {
				_, err := call(t.Context())
				if want := "Unavailable"; classes(err) != want && test.base != "://" {
					t.Errorf("%s: %v is %q, want %q", operation, err, classes(err), want)
				}
				if got, want := cloudinary.IsAmbiguous(err), test.ambiguous && isWrite(operation); got != want {
					t.Errorf("%s: IsAmbiguous(%v) = %v, want %v", operation, err, got, want)
				}
				if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "127.0.0.1") {
					t.Errorf("%s: got %q, want it to say %q and no address", operation, err, test.text)
				}
			}
		})
	}
}

func TestACallerThatGivesUp(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{cloudinary.OpList, cloudinary.OpCreate, cloudinary.OpUpdate, cloudinary.OpDelete, cloudinary.OpTest} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			client := clientFor(t, func(_ http.ResponseWriter, r *http.Request) {
				// Only then the server notices the end of the connection.
				_, _ = io.Copy(io.Discard, r.Body)
				cancel()
				<-r.Context().Done()
			}, cloudinary.ClientOptions{})
			_, during := calls(client)[operation](ctx)
			_, before := calls(client)[operation](ctx)
			for _, err := range []error{during, before} {
				if !errors.Is(err, context.Canceled) || !cloudinary.IsUnavailable(err) {
					t.Errorf("got %v, want an unavailable one that is context.Canceled", err)
				}
			}
			if cloudinary.IsAmbiguous(during) != isWrite(operation) {
				t.Errorf("the server had the request, but IsAmbiguous(%v) = %v", during, cloudinary.IsAmbiguous(during))
			}
			if cloudinary.IsAmbiguous(before) {
				t.Errorf("nothing was sent, but %v is ambiguous", before)
			}
		})
	}
}

func TestTimeoutOverHTTP(t *testing.T) {
	t.Parallel()
	client := clientFor(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, cloudinary.ClientOptions{Timeout: 50 * time.Millisecond})
	for operation, call := range calls(client) {
		_, err := call(t.Context())
		if !cloudinary.IsUnavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want an unavailable one that is context.DeadlineExceeded", operation, err)
		}
	}
}

func TestPredicatesOfOtherErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("x"), context.Canceled} {
		if classes(err) != "" || cloudinary.IsAmbiguous(err) || cloudinary.IsIncompleteList(err) || !cloudinary.RetryAt(err).IsZero() {
			t.Errorf("%v is taken for an Error", err)
		}
	}
}
