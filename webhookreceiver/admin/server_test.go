// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func TestOnlyLoopbackAddressesAreListenedAt(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:8082": "", "127.1.2.3:0": "", "[::1]:8082": "", "localhost:8082": "", "[::ffff:127.0.0.1]:1": "",
		":8082": "not a loopback address", "0.0.0.0:8082": "not a loopback address", "[::]:8082": "not a loopback address",
		"10.0.0.1:8082": "not a loopback address", "169.254.1.1:8082": "not a loopback address", "hooks.example.com:8082": "not a loopback address",
		"localhost.example.com:1": "not a loopback address", "127.0.0.1.example.com:1": "not a loopback address", "2130706433:80": "not a loopback address",
		"127.0.0.1": "with a port", "": "with a port", "::1": "with a port", "127.0.0.1:": "port", "127.0.0.1:http": "port", "127.0.0.1:65536": "port",
	} {
		err := CheckAddress(address)
		if (err != nil) != (want != "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
		if want == "" {
			continue
		}
		if listener, err := Listen(t.Context(), address); err == nil {
			t.Errorf("it is listened at %q", address)
			_ = listener.Close()
		}
	}
}

func TestRequestsThatNobodyMeantToSendHereAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.put(record(1, "catalog"), "catalog")
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   string // in the error; none: it is answered
		why    string
	}{
		"as it should be":               {change: func(*http.Request) {}},
		"by another loopback address":   {change: host("127.8.9.10")},
		"by IPv6":                       {change: host("[::1]:4000")},
		"by IPv6 without a port":        {change: host("[::1]")},
		"by name":                       {change: host("LocalHost:4000")},
		"without the header":            {change: func(r *http.Request) { r.Header.Del(Header) }, want: Header, why: "any web page can send it"},
		"with another value":            {change: func(r *http.Request) { r.Header.Set(Header, "0") }, want: Header},
		"by a name that led here":       {change: host("rebound.example.com:8082"), want: "localhost", why: "DNS rebinding"},
		"by a name that sounds like it": {change: host("localhost.example.com"), want: "localhost"},
		"by another address":            {change: host("10.0.0.1:8082"), want: "localhost"},
		"by an empty port":              {change: host("example.com:"), want: "localhost"},
	} {
		for method, path := range map[string]string{
			http.MethodGet: "/v1/deadletters", http.MethodPost: "/v1/deadletters/redrive", http.MethodOptions: "/v1/deadletters/discard",
		} {
			if tc.want == "" && method != http.MethodGet {
				continue
			}
			status, text := f.ask(method, path, `{"namespace":"shop","endpoint":"media"}`, tc.change)
			if tc.want == "" && status != http.StatusOK {
				t.Errorf("%s: answered %d %s", name, status, text)
			}
			if tc.want != "" && (status != http.StatusForbidden || !strings.Contains(text, tc.want) || strings.Contains(text, "shop")) {
				t.Errorf("%s: %s %s is answered %d %s: %s", name, method, path, status, text, tc.why)
			}
		}
	}
	f.wantItems(idText(id) + " catalog!")
}

// blocked is a queue that takes its time.
type blocked struct {
	*queue.Store
	begun chan struct{}
	goOn  chan struct{}
}

func (b *blocked) DeadLetters(which queue.Selection, after queue.Letter, limit int) []queue.Item {
	b.begun <- struct{}{}
	<-b.goOn
	return b.Store.DeadLetters(which, after, limit)
}

func TestTheEndWaitsForWorkAndNotForClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	slow := &blocked{Store: f.queue, begun: make(chan struct{}, maxAtOnce+1), goOn: make(chan struct{})}
	f.server.queue = slow
	dialer := net.Dialer{Timeout: 10 * time.Second}
	connect := func(request string) {
		conn, err := dialer.DialContext(t.Context(), "tcp", f.address)
		f.must(err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, request)
		f.must(err)
	}
	list := "GET /v1/deadletters HTTP/1.1\r\nHost: localhost\r\n" + Header + ": " + HeaderValue + "\r\n\r\n"
	connect("")                                // brings no request
	connect("POST /v1/deadletters/redrive HT") // nor does this one
	connect(list)                              // its answer is not read
	connect(list)
	for range maxAtOnce {
		<-slow.begun
	}
	connect(list) // waits for its turn, which does not come
	f.stop()
	select {
	case err := <-f.ended:
		t.Fatalf("it ended, with %v, while something was worked on", err)
	case <-time.After(2 * shutdownTime):
	}
	if listener, err := Listen(context.Background(), f.address); err != nil {
		t.Errorf("the address is still taken: %v", err)
	} else {
		_ = listener.Close()
	}
	close(slow.goOn)
	select {
	case err := <-f.ended:
		f.must(err)
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	f.ended <- nil
	if len(slow.begun) > 0 {
		t.Error("a request was worked on after the end")
	}
}

func TestIdleConnectionsMakeRoomForPeople(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const crowd, patience = 100, 2 * time.Second
	for range crowd {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", f.address)
		f.must(err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	begin := time.Now()
	if status, text := f.ask(http.MethodGet, "/v1/deadletters", "", func(*http.Request) {}); status != http.StatusOK {
		t.Errorf("answered %d %s", status, text)
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("answered after %s: somebody who says nothing is waited for", took)
	}
}
