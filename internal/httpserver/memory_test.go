// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// worst is a header that takes as much memory as the limits let it: as many lines as may be, of different names, and as many bytes.
func worst(limits *Limits) string {
	var b strings.Builder
	b.WriteString("POST /held HTTP/1.1\r\nContent-Length: 9\r\n")
	for i := range limits.MaxHeaderLines - 2 {
		fmt.Fprintf(&b, "%c%c%c:\r\n", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26)
	}
	b.WriteString("Host: ")
	b.WriteString(strings.Repeat("h", limits.MaxHeaderBytes-b.Len()-len("\r\n\r\n")))
	return b.String() + "\r\n\r\n"
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what was in pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// silent is a connection on which nothing comes back.
type silent struct {
	net.Conn
	done <-chan struct{}
}

func (s silent) Read([]byte) (int, error) {
	<-s.done
	return 0, io.EOF
}

// hello sends a client's hello of many protocols, whose names take many times their bytes once they are decoded, and nothing more.
func (r *running) hello(protocols []string) {
	raw, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.address)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = raw.Close() })
	go func() {
		_ = tls.Client(silent{raw, r.Context().Done()}, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}).HandshakeContext(r.Context())
	}()
}

// What the budget of memory reckons with is what there is, with the clients' part, who are in the same process, on top.
func TestConnectionsTakeNoMoreThanIsReckoned(t *testing.T) {
	certificate := selfSigned(t)
	limits := testLimits()
	limits.MaxConnections = 256
	const rest = 2 << 10 // of a hello
	protocols := slices.Repeat([]string{"a"}, (maxHandshakeBytes-rest)/len("?a"))
	for name, tc := range map[string]struct {
		secure bool
		text   func() string
		hello  bool // is all that comes
		state  State
	}{
		"handshakes without an end":    {secure: true, hello: true, state: StateHeader},
		"nothing was sent":             {text: func() string { return "" }, state: StateHeader},
		"headers without an end":       {text: func() string { return strings.TrimSuffix(worst(&limits), "\r\n") }, state: StateHeader},
		"requests without their body":  {text: func() string { return worst(&limits) }, state: StateRequest},
		"headers over TLS, no end":     {secure: true, text: func() string { return strings.TrimSuffix(worst(&limits), "\r\n") }, state: StateHeader},
		"requests over TLS, no bodies": {secure: true, text: func() string { return worst(&limits) }, state: StateRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, func(o *Options) {
				o.Limits = limits
				// As handlers do that read a body.
				o.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) })
				if tc.secure {
					o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
				}
			})
			before := inUse()
			for range limits.MaxConnections {
				if tc.hello {
					r.hello(protocols)
				} else {
					r.dial().write(tc.text())
				}
			}
			r.until("all have sent that", func() bool { return r.Stats().Open[tc.state] == limits.MaxConnections })
			took, reckoned := inUse()-before, limits.Memory(tc.secure)
			t.Logf("%d bytes a connection, %d are reckoned with", took/int64(limits.MaxConnections), reckoned/int64(limits.MaxConnections))
			if took > reckoned {
				t.Errorf("%d connections take %d KiB, and %d KiB are reckoned with", limits.MaxConnections, took>>10, reckoned>>10)
			}
		})
	}
}
