// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// fixed resolves everything to one address.
type fixed struct {
	address string
	err     error
	check   error
	forgot  atomic.Int32
}

func (f *fixed) Resolve(context.Context, string, string, intstr.IntOrString) (Address, error) {
	return Address{HostPort: f.address, Host: "catalog.shop.svc", Port: 8080}, f.err
}
func (f *fixed) Check(context.Context, string, string, intstr.IntOrString) error { return f.check }

func (f *fixed) Forget(string, string, intstr.IntOrString) { f.forgot.Add(1) }

func senderTo(t *testing.T, address string) *Sender {
	t.Helper()
	s := New(Options{Resolver: &fixed{address: address}, Addresses: Addresses{AllowLoopback: true}, Now: func() time.Time { return time.Unix(1_710_929_554, 0) }})
	t.Cleanup(s.Close)
	return s
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// raw answers each connection, once a request has come, with what answer writes; then it closes.
func raw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				answer(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func write(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// hold writes, and leaves the connection open for longer than any attempt may last, unless the other side closes it.
func hold(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, text)
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		_, _ = io.Copy(io.Discard, c)
	}
}

// drip writes a start, and then a little for ever.
func drip(start, more string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, start)
		for err == nil {
			_, err = io.WriteString(c, more)
			time.Sleep(pause) // a slow target takes real time
		}
	}
}

func TestRequestAsItCame(t *testing.T) {
	body := make([]byte, 300<<10)
	_, _ = rand.Read(body)
	type request struct {
		Method, URI, Host, Length string
		Header                    http.Header
		Encoding                  []string
	}
	var got request
	var gotBody []byte
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		gotBody, _ = io.ReadAll(r.Body)
		got = request{Method: r.Method, URI: r.RequestURI, Host: r.Host, Length: fmt.Sprint(r.ContentLength), Header: r.Header, Encoding: r.TransferEncoding}
		w.WriteHeader(http.StatusNoContent)
	})
	d := aDelivery(func(d *delivery.Delivery) { d.Record.Body = body })
	if result := senderTo(t, address).Send(t.Context(), d); result != (delivery.Result{Verdict: delivery.Delivered, StatusCode: 204}) {
		t.Errorf("result %+v", result)
	}
	header := http.Header{}
	originalHeader(header, d)
	header.Set("Content-Length", fmt.Sprint(len(body)))
	want := request{Method: "POST", URI: "/hooks?token=s3cret", Host: "catalog.shop.svc:8080", Length: fmt.Sprint(len(body)), Header: header}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if string(gotBody) != string(body) {
		t.Error("the body is not what it was, byte for byte")
	}
}

func TestRequestAsACloudEvent(t *testing.T) {
	var header http.Header
	var body []byte
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	})
	d := aDelivery(func(d *delivery.Delivery) { d.Target.Service.CloudEvents = true })
	if result := senderTo(t, address).Send(t.Context(), d); result.Verdict != delivery.Delivered {
		t.Errorf("result %+v", result)
	}
	if header.Get("ce-id") != aKey || header.Get("ce-subject") == "" || string(body) != uploadBody {
		t.Errorf("header %v, body %s", header, body)
	}
}

func TestAnswers(t *testing.T) {
	const timeout = 300 * time.Millisecond
	const rollout = ", as a target also does while it is rolled out: this is a refusal after 5 minutes"
	ok := delivery.Result{Verdict: delivery.Delivered, StatusCode: 200}
	failed := func(code int, message string) delivery.Result {
		return delivery.Result{StatusCode: code, Message: message}
	}
	cases := map[string]struct {
		answer func(net.Conn)
		want   delivery.Result
		why    string
	}{
		"200":                    {write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ok, ""},
		"299":                    {write("HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n"), delivery.Result{Verdict: delivery.Delivered, StatusCode: 299}, ""},
		"an HTTP/1.0 server":     {write("HTTP/1.0 200 OK\r\n\r\nok"), ok, "the end of the connection ends the answer"},
		"redirect":               {write("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"), failed(302, "answered 302: redirects are not followed; set the path that it points to"), ""},
		"redirect with the body": {write("HTTP/1.1 307 Go\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"), failed(307, "answered 307: redirects are not followed; set the path that it points to"), ""},
		"400":                    {write("HTTP/1.1 400 No\r\nContent-Length: 6\r\n\r\nsecret"), delivery.Result{Verdict: delivery.Refused, StatusCode: 400, Message: "answered 400"}, "no body in a message"},
		"404":                    {write("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), failed(404, "answered 404"+rollout), "may go well later"},
		"408":                    {write("HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n"), failed(408, "answered 408"), "may go well later"},
		"425":                    {write("HTTP/1.1 425 No\r\nContent-Length: 0\r\n\r\n"), failed(425, "answered 425"+rollout), "may go well later"},
		"429": {
			write("HTTP/1.1 429 No\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n"),
			delivery.Result{StatusCode: 429, Message: "answered 429", RetryAfter: 17 * time.Second},
			"",
		},
		"500":                   {write("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), failed(500, "answered 500"), ""},
		"501":                   {write("HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n"), failed(501, "answered 501"), ""},
		"101":                   {hold("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), failed(101, "answered 101"), "nobody asked for another protocol, in which an answer need not end"},
		"101 that goes on":      {drip("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "x", time.Millisecond), failed(101, "answered 101"), ""},
		"101 to HTTP/2":         {hold("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"), failed(101, "answered 101"), ""},
		"101 to nothing":        {hold("HTTP/1.1 101 Go\r\n\r\n"), failed(101, "answered 101"), ""},
		"100 that nobody asked": {write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ok, "is allowed"},
		"nothing but 100":       {drip("", "HTTP/1.1 100 Continue\r\n\r\n", time.Millisecond), failed(0, "no answer within 300ms"), "does not go on for ever"},
		"a flood of 100":        {drip("", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000), 0), failed(0, "answered with more than 8 KiB of headers"), "nor as fast as it can"},
		"hanging":               {func(net.Conn) { time.Sleep(2 * timeout) }, failed(0, "no answer within 300ms"), ""},
		"hanging in the header": {drip("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", 20*time.Millisecond), failed(0, "no answer within 300ms"), ""},
		"dripping":              {drip("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", ".", 20*time.Millisecond), failed(200, "answered 200, but the answer did not end within 300ms"), "the timeout is for all of it"},
		"200 that upgrades":     {hold("HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), failed(200, "answered 200, but the answer did not end within 300ms"), "the connection is still HTTP's"},
		"204 and an open end":   {hold("HTTP/1.1 204 Fine\r\n\r\n"), delivery.Result{Verdict: delivery.Delivered, StatusCode: 204}, "has no body to wait for"},
		"cut off":               {write(""), failed(0, "the target closed the connection without an answer"), ""},
		"cut off in the header": {write("HTTP/1.1 200 OK\r\nContent-Le"), failed(0, "the target gave no complete answer in HTTP/1.1"), ""},
		"cut off in the body":   {write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), failed(200, "answered 200, but the connection was closed in the middle of the answer"), "a duplicate rather than a loss"},
		"cut off in a chunk":    {write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), failed(200, "answered 200, but the connection was closed in the middle of the answer"), ""},
		"cut off after 500":     {write("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nabc"), failed(500, "answered 500"), ""},
		"an answer without end": {drip("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 32<<10), 0), ok, "nobody wants to know the rest"},
		"headers without end":   {drip("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("b", 4<<10)+"\r\n", 0), failed(0, "answered with more than 8 KiB of headers"), ""},
		"another protocol":      {write("SSH-2.0-OpenSSH_9.2p1 secret\r\n"), failed(0, "the target gave no complete answer in HTTP/1.1"), ""},
		"HTTP/2":                {write("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), failed(0, "the target gave no complete answer in HTTP/1.1"), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := raw(t, c.answer)
			begun := time.Now()
			got := senderTo(t, address).Send(t.Context(), aDelivery(func(d *delivery.Delivery) { d.Target.Service.Timeout = timeout }))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got): %s\n%s", c.why, diff)
			}
			if took := time.Since(begun); took > 20*timeout {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2024, 3, 20, 10, 12, 34, 0, time.UTC)
	cases := map[string]struct {
		value, date string
		want        time.Duration
	}{
		"none":                         {"", "", 0},
		"seconds":                      {"120", "", 2 * time.Minute},
		"none at all":                  {"0", "", 0},
		"a time":                       {"Wed, 20 Mar 2024 10:13:34 GMT", "", time.Minute},
		"a time by the target's clock": {"Wed, 20 Mar 2024 11:13:34 GMT", "Wed, 20 Mar 2024 11:13:04 GMT", 30 * time.Second},
		"a time in the past":           {"Wed, 20 Mar 2024 10:10:34 GMT", "", 0},
		"negative":                     {"-5", "", 0},
		"as much as there is":          {"2147483647", "", math.MaxInt32 * time.Second},
		"more than there is":           {"2147483648", "", math.MaxInt32 * time.Second},
		"more than any number":         {"99999999999999999999", "", math.MaxInt32 * time.Second},
		"very long":                    {"2000000000", "", 2_000_000_000 * time.Second},
		"something else":               {"soon", "", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Retry-After": {c.value}, "Date": {c.date}}
			if got := retryAfter(h, now); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	addressRefused := refusedError{}.Error()
	cases := map[string]struct {
		resolver *fixed
		loopback bool
		want     string
	}{
		"refused":    {&fixed{address: closed}, true, "connection refused"},
		"loopback":   {&fixed{address: closed}, false, addressRefused},
		"link-local": {&fixed{address: "169.254.169.254:80"}, true, addressRefused},
		"a name of loopback": {
			&fixed{address: "localhost:80"}, false, addressRefused,
		},
		"unknown": {&fixed{err: &ResolveError{Message: "Service catalog does not exist"}}, true, "Service catalog does not exist"},
		"not any more": {
			&fixed{address: closed, check: &ResolveError{Message: "Service catalog has no selector"}}, true, "Service catalog has no selector",
		},
		"the API is silent at the second question": {
			&fixed{address: closed, check: errors.New("token=s3cret")}, true, "the API server did not say where Service catalog is",
		},
		"the API is silent": {&fixed{err: errors.New("token=s3cret")}, true, "the API server did not say where Service catalog is"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := New(Options{Resolver: c.resolver, Addresses: Addresses{AllowLoopback: c.loopback}})
			got := s.Send(t.Context(), aDelivery(nil))
			if got.Verdict != delivery.Failed || got.StatusCode != 0 || got.Message != c.want || strings.Contains(got.Message, "s3cret") {
				t.Errorf("%+v, want %q", got, c.want)
			}
			if forgot := c.resolver.forgot.Load(); (forgot == 1) != (c.resolver.err == nil) {
				t.Errorf("the address was forgotten %d times", forgot)
			}
		})
	}
}

func TestPathThatIsNone(t *testing.T) {
	for _, path := range []string{".evil.example/", "@evil.example/", "/%zz?token=s3cret", "/\x7f"} {
		d := aDelivery(func(d *delivery.Delivery) { d.Target.Service.Path = path })
		got := senderTo(t, "10.0.0.1:80").Send(t.Context(), d)
		if got != (delivery.Result{Message: "the path of the target is not a valid URL path"}) {
			t.Errorf("%q: %+v", path, got)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, 10<<10))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	s := senderTo(t, server.Listener.Addr().String())
	for range 10 {
		if got := s.Send(t.Context(), aDelivery(nil)); got.Verdict != delivery.Delivered {
			t.Fatalf("%+v", got)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 10 requests, want 1", n)
	}
}

// A target that restarts closes connections that wait to be used again. That must not look like a failure.
func TestConnectionClosedMeanwhile(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	s := senderTo(t, server.Listener.Addr().String())
	for range 20 {
		if got := s.Send(t.Context(), aDelivery(nil)); got.Verdict != delivery.Delivered {
			t.Fatalf("%+v", got)
		}
		server.CloseClientConnections()
	}
}

func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	got := senderTo(t, address).Send(t.Context(), aDelivery(func(d *delivery.Delivery) { d.Record.Body = make([]byte, 200<<10) }))
	if got.Verdict != delivery.Refused || got.StatusCode != http.StatusUnauthorized {
		t.Errorf("%+v", got)
	}
}

func TestCutOffFromOutside(t *testing.T) {
	begun := make(chan struct{})
	address := raw(t, func(c net.Conn) {
		close(begun)
		_, _ = io.Copy(io.Discard, c)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if got := senderTo(t, address).Send(ctx, aDelivery(nil)); got.Verdict != delivery.Failed || got.Message != "the receiver stopped before there was an answer" {
		t.Errorf("%+v", got)
	}
}
