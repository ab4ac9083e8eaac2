// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"
)

// stranger opens a connection and sends something.
func (s *receiverSetting) stranger(text string) net.Conn {
	s.Helper()
	c, err := (&net.Dialer{Timeout: soon}).DialContext(s.Context(), "tcp", s.address)
	s.must(err)
	s.Cleanup(func() { _ = c.Close() })
	s.must(c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, text)
	s.must(err)
	return c
}

// postHead is how a request starts, up to its own header lines.
func (s *receiverSetting) postHead(lines string) string {
	return "POST /v1/notifications/" + s.namespace + "/media HTTP/1.1\r\nHost: receiver\r\n" + lines
}

// maxAnswerTime is within what everything is answered.
const maxAnswerTime = 2 * time.Second

// bystander is Cloudinary meanwhile. It returns how many were answered and fails if one is not taken, or takes too long.
func (s *receiverSetting) bystander(until <-chan struct{}) (taken int) {
	client := newClient(s.T)
	var slowest time.Duration
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for seq := 1; ; seq++ {
		a, err := postWith(client, s, s.url("media"), upload("bystander", seq))
		if err != nil || a.status != http.StatusOK || a.took > maxAnswerTime {
			s.Errorf("meanwhile a notification was answered %v after %s, %v", a, a.took, err)
			return taken
		}
		taken++
		slowest = max(slowest, a.took)
		select {
		case <-until:
			s.Logf("meanwhile %d notifications were taken, the slowest in %s", taken, slowest.Round(time.Microsecond))
			return taken
		case <-pace.C:
		}
	}
}

func TestSlowSendersDoNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media")
	s.startReady("media")
	until := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { s.bystander(until) })

	var slowHeaders, slowBodies []net.Conn
	for range 1000 {
		slowBodies = append(slowBodies, s.stranger(s.postHead(plausible(2_000_000)+"\r\n")))
	}
	for range 500 {
		slowHeaders = append(slowHeaders, s.stranger(s.postHead("X-Slow: ")))
	}
	drip := time.NewTicker(100 * time.Millisecond)
	defer drip.Stop()
	begin := time.Now()
	for gone := 0; gone < len(slowHeaders) && time.Since(begin) < soon; {
		<-drip.C // a byte now and then gains no time
		gone = 0
		for i := range slowHeaders {
			if _, err := slowHeaders[i].Write([]byte("x")); err != nil {
				gone++
			}
			if i < 100 {
				_, _ = slowBodies[i].Write([]byte("x")) // it may have been refused
			}
		}
	}
	if took := time.Since(begin); took >= soon {
		t.Errorf("senders of slow headers were not cut off within %s", took)
	}
	close(until)
	others.Wait()
}

// exchange writes a request that may not be read to its end, and returns what it is answered, and whether the
// connection is closed then.
func (s *receiverSetting) exchange(request io.Reader) (status int, closed bool, _ error) {
	c := s.stranger("")
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.Copy(c, request) }() // the receiver may close before it has read all
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodPost})
	if err != nil {
		return 0, false, err
	}
	return res.StatusCode, res.Close, res.Body.Close() // what it says may be cut off: the receiver does not read all that was sent
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media")
	s.startReady("media")
	const size = 4 << 20
	chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
	for name, tc := range map[string]struct {
		request io.Reader
		want    int
	}{
		"headers":                       {strings.NewReader(s.postHead("X-Large: " + strings.Repeat("x", 64<<10) + "\r\n\r\n")), http.StatusRequestHeaderFieldsTooLarge},
		"header lines":                  {strings.NewReader(s.postHead(short(64) + "\r\n")), http.StatusRequestHeaderFieldsTooLarge},
		"a body":                        {strings.NewReader(s.postHead(plausible(size)+"\r\n") + strings.Repeat("x", size)), http.StatusRequestEntityTooLarge},
		"a body in chunks":              {strings.NewReader(strings.Replace(s.postHead(plausible(0)), "Content-Length: 0", "Transfer-Encoding: chunked", 1) + "\r\n" + strings.Repeat(chunk, size>>16) + "0\r\n\r\n"), http.StatusRequestEntityTooLarge},
		"a body that is only announced": {strings.NewReader(s.postHead(plausible(math.MaxInt64) + "\r\n")), http.StatusRequestEntityTooLarge},
		"garbage":                       {strings.NewReader("\x16\x03\x01 this is not HTTP\r\n\r\n"), http.StatusBadRequest},
		"two lengths":                   {strings.NewReader(s.postHead("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			status, closed, err := s.exchange(tc.request)
			if err != nil || status != tc.want {
				t.Fatalf("answered %d, %v, want %d", status, err, tc.want)
			}
			if !closed {
				t.Error("the connection goes on, with what is left of the request on it")
			}
			if took := time.Since(begin); took > maxAnswerTime {
				t.Errorf("answered after %s", took)
			}
		})
	}
	s.send("media", upload("asset", 1))
}

func TestGarbageBehindANotificationIsNone(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	s.startReady("media")
	n := upload("asset", 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url("media"), bytes.NewReader(n.body))
	s.must(err)
	req.Header = n.header()
	var raw bytes.Buffer
	s.must(req.Write(&raw))
	raw.WriteString("garbage\r\n\r\n" + raw.String())
	reader := bufio.NewReader(s.stranger(raw.String()))
	res, err := http.ReadResponse(reader, req)
	s.must(err)
	_, err = io.Copy(io.Discard, res.Body)
	s.must(err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || !res.Close {
		t.Errorf("answered %d, want 200, and the end of the connection: what was sent along was not asked for", res.StatusCode)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 { // a reset is an end, too
		t.Errorf("what is behind garbage was answered: %q", rest)
	}
	s.settled(catalog, map[string]int{string(n.body): 1})
}

func TestConnectionsBeyondTheLimitMakeRoom(t *testing.T) {
	t.Parallel()
	const limit = 20
	s := newReceiverSetting(t, fmt.Sprintf("--max-connections=%d", limit))
	s.keys(theKey())
	s.endpoint("media")
	s.startReady("media")
	proxy := newClient(t)
	if a, err := postWith(proxy, s, s.url("media"), upload("proxy", 1)); err != nil || a.status != http.StatusOK {
		t.Fatalf("answered %v, %v", a, err)
	}
	for i := range 3 * limit {
		s.stranger([]string{"", s.postHead("X-Slow: "), s.postHead(plausible(9) + "\r\n{"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"}[i%4])
		if i%limit == limit-1 {
			s.client.CloseIdleConnections()
			begin := time.Now()
			s.must(s.answers("media", upload("asset", i), answer{status: http.StatusOK}))
			if took := time.Since(begin); took > maxAnswerTime {
				t.Errorf("a notification on a new connection was answered after %s", took)
			}
		}
	}
	var reused bool
	traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
	n := upload("proxy", 2)
	req, err := http.NewRequestWithContext(traced, http.MethodPost, s.url("media"), bytes.NewReader(n.body))
	s.must(err)
	req.Header = n.header()
	res, err := proxy.Do(req)
	s.must(err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || !reused {
		t.Errorf("answered %d, on the same connection as before the strangers came: %v", res.StatusCode, reused)
	}
}
