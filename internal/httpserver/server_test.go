// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const soon = 10 * time.Second

func testLimits() Limits {
	return Limits{
		MaxConnections: 4, MaxHeaderBytes: DefaultMaxHeaderBytes, MaxHeaderLines: DefaultMaxHeaderLines, HeaderTimeout: soon,
		RequestTimeout: soon, AnswerTimeout: soon, IdleTimeout: soon, StrangerIdleTimeout: soon,
	}
}

// running is a server whose handler trusts what is sent to /trusted, refuses what is sent to /refused, and else reads the body and
// answers its length. What is sent to /held waits.
type running struct {
	*Server
	*testing.T
	address string
	entered chan string
	release chan struct{}
	tls     bool
}

func run(t *testing.T, change func(*Options)) *running {
	t.Helper()
	r := &running{T: t, entered: make(chan string, 64), release: make(chan struct{})}
	o := Options{Handler: http.HandlerFunc(r.handle), Limits: testLimits()}
	if change != nil {
		change(&o)
	}
	r.Server, r.tls = New(o), o.TLS != nil
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		select {
		case <-r.release:
		default:
			close(r.release)
		}
		_ = r.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve ended with %v", err)
		}
		r.until("no connection is left", r.table.empty)
	})
	return r
}

func (r *running) handle(w http.ResponseWriter, req *http.Request) {
	r.entered <- req.URL.Path
	switch req.URL.Path {
	case "/refused":
		Refuse(w, req)
		http.Error(w, "refused", http.StatusUnauthorized)
		return
	case "/cut":
		Cut(req)
	case "/trusted", "/held":
		Trust(req)
	}
	if req.URL.Path == "/held" {
		<-r.release
	}
	n, err := io.Copy(io.Discard, req.Body)
	fmt.Fprint(w, n, " ", err != nil)
}

func (r *running) until(what string, holds func() bool) {
	r.Helper()
	for end := time.Now().Add(soon); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("not within %s: %s; %+v", soon, what, r.Stats())
		}
	}
}

// client is one connection.
type client struct {
	net.Conn
	*running
	from *bufio.Reader
}

func (r *running) dial() *client {
	r.Helper()
	raw, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.address)
	if err != nil {
		r.Fatal(err)
	}
	if r.tls {
		raw = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	r.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(2 * soon))
	return &client{Conn: raw, running: r, from: bufio.NewReader(raw)}
}

func (c *client) write(text string) *client {
	c.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.Fatal(err)
	}
	return c
}

// answer is the next one's status and text, and whether the server closes the connection.
func (c *client) answer() string {
	res, err := http.ReadResponse(c.from, nil)
	if err != nil {
		return "none"
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "cut off"
	}
	closes := ""
	if res.Close {
		closes = " closes"
	}
	return fmt.Sprintf("%d %s%s", res.StatusCode, text, closes)
}

func (c *client) wants(want string) {
	c.Helper()
	if got := c.answer(); got != want {
		c.Errorf("answered %q, want %q", got, want)
	}
}

// closed reports whether the server has closed the connection, or does so soon.
func (c *client) closed() bool {
	var timeout net.Error
	_, err := c.from.ReadByte()
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

func post(path string, length int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", path, length)
}

func withLines(n int) string {
	return "POST / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:\r\n", n-1) + "\r\n"
}

func withBytes(n int) string {
	const frame = "POST / HTTP/1.1\r\nHost: a\r\na: \r\n\r\n"
	return "POST / HTTP/1.1\r\nHost: a\r\na: " + strings.Repeat("x", n-len(frame)) + "\r\n\r\n"
}

const (
	inParts = "POST /?apart HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n" // its body comes later
	large   = "431 431 Request Header Fields Too Large closes"
	chunks  = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
)

func TestWhatIsAnswered(t *testing.T) {
	certificate := selfSigned(t)
	for name, tc := range map[string]struct {
		sent   []string
		answer []string // in order; the connection is closed behind the last that says so
	}{
		"a request without a body":                    {[]string{post("/", 0)}, []string{"200 0 false"}},
		"a body with its header":                      {[]string{post("/", 4) + "body"}, []string{"200 4 false"}},
		"a body behind its header":                    {[]string{inParts, "bo", "dy"}, []string{"200 4 false"}},
		"a large body":                                {[]string{post("/", 1<<20), strings.Repeat("x", 1<<20)}, []string{"200 1048576 false"}},
		"a request after another":                     {[]string{post("/", 4) + "body", post("/", 0), post("/", 5000) + strings.Repeat("x", 5000), post("/", 1) + "x"}, []string{"200 4 false", "200 0 false", "200 5000 false", "200 1 false"}},
		"a header of 64 lines":                        {[]string{withLines(64)}, []string{"200 0 false"}},
		"a header of 65 lines":                        {[]string{withLines(65)}, []string{large}},
		"65 lines without an end":                     {[]string{strings.TrimSuffix(withLines(65), "\r\n")}, []string{large}},
		"65 lines in as many writes":                  {strings.SplitAfter(withLines(65), "\n")[:66], []string{large}},
		"65 lines in the second request":              {[]string{post("/", 4) + "body", withLines(65)}, []string{"200 4 false", large}},
		"64 lines in the second request":              {[]string{post("/", 4) + "body", withLines(64)}, []string{"200 4 false", "200 0 false"}},
		"a header as large as may be":                 {[]string{withBytes(DefaultMaxHeaderBytes)}, []string{"200 0 false"}},
		"a header a byte too large":                   {[]string{withBytes(DefaultMaxHeaderBytes + 1)}, []string{large}},
		"a header much too large":                     {[]string{withBytes(100 << 10)}, []string{large}},
		"a second request sent with the first":        {[]string{post("/", 4) + "body" + post("/", 0)}, []string{"200 4 false closes"}},
		"a second request sent with one without body": {[]string{post("/", 0) + withLines(1000)}, []string{"200 0 false closes"}},
		"a second request with the end of a body":     {[]string{inParts, "bo", "dy" + post("/", 1) + "x"}, []string{"200 4 false", "200 1 false"}},
		"65 lines with the end of a body":             {[]string{inParts, "bo", "dy" + withLines(65)}, []string{"200 4 false", large}},
		"a chunked body":                              {[]string{chunks + "4\r\nbody\r\n0\r\n\r\n"}, []string{"200 4 false closes"}},
		"a chunked body and a next request":           {[]string{chunks + "4\r\nbody\r\n0\r\n\r\n" + withLines(1000)}, []string{"200 4 false closes"}},
		"a chunked body with short trailers":          {[]string{chunks + "4\r\nbody\r\n0\r\nt: u\r\n\r\n"}, []string{"200 4 false closes"}},
		"a chunked body with many trailers":           {[]string{chunks + "4\r\nbody\r\n0\r\n" + strings.Repeat("t: u\r\n", 2000) + "\r\n"}, []string{"200 4 true closes"}},
		"what is refused":                             {[]string{post("/refused", 4) + "body"}, []string{"401 refused\n closes"}},
		"what is refused before its body":             {[]string{post("/refused", 4)}, []string{"401 refused\n closes"}},
		"what is refused before a large body":         {[]string{post("/refused", 1<<20) + strings.Repeat("x", 100_000)}, []string{"401 refused\n closes"}},
		"OPTIONS for the server":                      {[]string{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"}, []string{"200 0 false"}},
		"what is no request":                          {[]string{"hello\r\n\r\n"}, []string{"400 400 Bad Request closes"}},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", name, secure), func(t *testing.T) {
				r := run(t, func(o *Options) {
					if secure {
						o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
					}
				})
				c := r.dial()
				got := 0
				for i, text := range tc.sent {
					_, _ = io.WriteString(c.Conn, text) // the server may close before it has read all
					if strings.HasPrefix(text, inParts) {
						<-r.entered // so that the rest does not arrive with it
					}
					if len(tc.sent) == len(tc.answer) {
						c.wants(tc.answer[i])
						got++
						continue
					}
				}
				for _, want := range tc.answer[got:] {
					c.wants(want)
				}
				if strings.HasSuffix(tc.answer[len(tc.answer)-1], " closes") && !c.closed() {
					t.Error("the connection is open")
				}
			})
		}
	}
}

func TestTheStrangerWhoHasBeenThereLongestMakesRoom(t *testing.T) {
	r := run(t, nil)
	proven := r.dial().write(post("/trusted", 0))
	proven.wants("200 0 false")
	r.until("it is idle", func() bool { return r.Stats().Open[StateProven] == 1 })
	var strangers []*client
	for i, begin := range []string{"", post("/", 10) + "x", "POST / HT"} {
		strangers = append(strangers, r.dial().write(begin))
		r.until("it was accepted", func() bool { return total(r.Stats()) == i+2 })
	}
	for i, first := range strangers {
		r.dial().write(post("/", 0)).wants("200 0 false")
		if !first.closed() {
			t.Errorf("stranger %d is still there", i)
		}
	}
	r.until("as many were closed", func() bool {
		made := r.Stats().MadeRoom
		return made[StateHeader] == 2 && made[StateRequest] == 1
	})
	proven.write(post("/", 0)).wants("200 0 false")
}

func TestOfTheProvenTheLongestIdleMakesRoomAndNoneThatWorks(t *testing.T) {
	r := run(t, nil)
	var held []*client
	for range 2 {
		held = append(held, r.dial().write(post("/held", 0)))
		r.until("it is held", func() bool { return r.Stats().Open[StateTrusted] == len(held) })
	}
	first, second := r.dial().write(post("/trusted", 0)), r.dial()
	first.wants("200 0 false")
	second.write(post("/trusted", 0)).wants("200 0 false")
	idle := func() bool { return r.Stats().Open[StateProven] == 2 }
	r.until("both are idle", idle)
	first.write(post("/trusted", 0)).wants("200 0 false") // now the second has been idle for longer
	r.until("both are idle", idle)
	third := r.dial().write(post("/held", 0))
	if !second.closed() {
		t.Error("the one that had been idle longest is still there")
	}
	r.until("it is held", func() bool { return r.Stats().Open[StateTrusted] == 3 })
	first.write(post("/held", 0))
	r.until("all are held", func() bool { return r.Stats().Open[StateTrusted] == 4 })
	if !r.dial().closed() {
		t.Error("there was room for one more than may be")
	}
	if n := r.Stats().TurnedAway; n != 1 {
		t.Errorf("%d were turned away", n)
	}
	close(r.release)
	for _, c := range append(held, first, third) {
		c.wants("200 0 false")
	}
}

func TestManyMoreThanMayBeAreHeldByNobody(t *testing.T) {
	r := run(t, nil)
	for i := range 200 {
		r.dial().write("POST / HTTP/1.1\r\n")
		if n := total(r.Stats()); n > 4 {
			t.Fatalf("%d connections are open", n)
		}
		if i%10 == 0 {
			r.dial().write(post("/trusted", 4) + "body").wants("200 4 false")
		}
	}
}

func total(s Stats) int {
	n := 0
	for _, of := range s.Open {
		n += of
	}
	return n
}

func TestWhatTakesTooLongIsClosed(t *testing.T) {
	const short = 100 * time.Millisecond
	for name, tc := range map[string]struct {
		limits func(*Limits)
		sent   string
		answer string
	}{
		"a header":                        {func(l *Limits) { l.HeaderTimeout = short }, "POST / HTTP/1.1\r\n", "none"},
		"the start of a body":             {func(l *Limits) { l.BodyStartTimeout = short }, post("/", 4) + "bod", "200 3 true closes"},
		"a body":                          {func(l *Limits) { l.RequestTimeout = short }, post("/", 1<<20) + strings.Repeat("x", BodyStart), "200 16384 true closes"},
		"a stranger's next request":       {func(l *Limits) { l.StrangerIdleTimeout = short }, post("/", 0), "200 0 false"},
		"another's next request":          {func(l *Limits) { l.IdleTimeout = short }, post("/trusted", 0), "200 0 false"},
		"the rest of what is not to come": {func(*Limits) {}, post("/refused", 1<<20), "401 refused\n closes"},
		"a request that is cut":           {func(*Limits) {}, post("/cut", 4), "none"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, func(o *Options) { tc.limits(&o.Limits) })
			c := r.dial().write(tc.sent)
			c.wants(tc.answer)
			if !c.closed() {
				t.Error("the connection is open")
			}
		})
	}
}

func TestWhoHasSentABodysStartHasTheRequestsTime(t *testing.T) {
	r := run(t, func(o *Options) { o.Limits.BodyStartTimeout = 100 * time.Millisecond })
	c := r.dial().write(post("/", BodyStart+1) + strings.Repeat("x", BodyStart))
	time.Sleep(300 * time.Millisecond) // three times what the start may take
	c.write("x").wants(fmt.Sprintf("200 %d false", BodyStart+1))
}

func TestProvenConnectionsOutliveAStrangersPatience(t *testing.T) {
	r := run(t, func(o *Options) { o.Limits.StrangerIdleTimeout = 50 * time.Millisecond })
	proven, stranger := r.dial().write(post("/trusted", 0)), r.dial().write(post("/", 0))
	proven.wants("200 0 false")
	stranger.wants("200 0 false")
	if !stranger.closed() {
		t.Error("a stranger's connection is open")
	}
	proven.write(post("/", 0)).wants("200 0 false")
}

func TestAHandshakeThatIsTooLongIsCutOff(t *testing.T) {
	certificate := selfSigned(t)
	r := run(t, func(o *Options) { o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}} })
	c := &client{running: r}
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	c.Conn, c.from = raw, bufio.NewReader(raw)
	// A client's hello of 60,000 bytes, in records of 16,000.
	const size, record = 60_000, 16_000
	hello := append([]byte{1, 0, size >> 8, size & 0xff}, make([]byte, size)...)
	for len(hello) > 0 {
		n := min(len(hello), record)
		if _, err := raw.Write(append([]byte{22, 3, 1, byte(n >> 8), byte(n & 0xff)}, hello[:n]...)); err != nil {
			break // that early
		}
		hello = hello[n:]
	}
	_ = raw.SetReadDeadline(time.Now().Add(soon))
	if !c.closed() {
		t.Error("the connection is open")
	}
	r.until("it is forgotten", r.table.empty)
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	r := run(t, func(o *Options) { o.Limits.LastRequests = soon })
	held := r.dial().write(post("/held", 0))
	late := r.dial().write("POST / HT")
	r.until("both are there", func() bool { return r.Stats().Open[StateTrusted] == 1 && total(r.Stats()) == 2 })
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(t.Context()) }()
	<-r.served
	late.write("TP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx").wants("200 1 false closes")
	close(r.release)
	held.wants("200 0 false")
	_ = held.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := New(Options{Handler: http.NotFoundHandler(), Limits: testLimits()})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l, time.Second) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Timeout: soon}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAListenerThatFailsIsTold(t *testing.T) {
	s := New(Options{Handler: http.NotFoundHandler(), Limits: testLimits()})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := s.Run(t.Context(), l, time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run says %v", err)
	}
}

func TestRequestsOfOtherServersAreLeftAlone(t *testing.T) {
	w, r := discard{header: http.Header{}}, &http.Request{}
	Trust(r)
	Cut(r)
	Refuse(w, r)
	if w.header.Get("Connection") != "close" {
		t.Error("the client is not told")
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func TestStatesHaveNames(t *testing.T) {
	seen := map[string]bool{"unknown": true}
	for _, s := range States() {
		if seen[s.String()] {
			t.Errorf("%d is called %s", s, s)
		}
		seen[s.String()] = true
	}
	if len(States()) != states || State(states).String() != "unknown" {
		t.Error("a state is missing")
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}
