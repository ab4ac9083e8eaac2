// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// An attempt takes no more than is reckoned with, however a target answers.
func TestAttemptsTakeNoMoreThanIsReckoned(t *testing.T) {
	const attempts = 128
	start := "HTTP/1.1 200 OK\r\n"
	var lines strings.Builder
	lines.WriteString(start)
	for i := 0; lines.Len() < maxAnswerHeaders-8; i++ {
		fmt.Fprintf(&lines, "%c%c:\r\n", 'a'+i%26, 'a'+i/26%26)
	}
	for name, answer := range map[string]string{
		"nothing":                       "",
		"header lines that do not end":  lines.String(),
		"a body that does not end":      lines.String() + "\r\n" + strings.Repeat("x", 8<<10),
		"a long header line":            start + "A: " + strings.Repeat("x", maxAnswerHeaders-100),
		"a chunk that does not end":     start + "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + strings.Repeat("x", 8<<10),
		"as many lines, one name alone": start + strings.Repeat("a:\r\n", (maxAnswerHeaders-100)/4),
	} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int64
			text := []byte(answer)
			address := raw(t, func(c net.Conn) {
				_, _ = c.Write(text)
				arrived.Add(1)
				_, _ = c.Read(make([]byte, 1)) // until it is cut off
			})
			s := senderTo(t, address)
			d := aDelivery(nil)
			d.Target.Service.Timeout = time.Minute
			before := inUse()
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range attempts {
				all.Go(func() { s.Send(ctx, d) })
			}
			eventually(t, "all have been answered", func() bool { return arrived.Load() == attempts })
			time.Sleep(200 * time.Millisecond) // what was sent is being read
			each := (inUse() - before) / attempts
			stop()
			all.Wait()
			holdsAttempt(t, each)
		})
	}
}

func holdsAttempt(t *testing.T, each int64) {
	t.Helper()
	t.Logf("%d bytes an attempt, %d are reckoned with", each, AttemptBytes)
	if each > AttemptBytes {
		t.Errorf("an attempt takes %d bytes, and %d are reckoned with", each, AttemptBytes)
	}
}

// chain has a server's certificate with others behind it, of so many bytes together.
func (a *authority) chain(bytes int) tls.Certificate {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{serviceName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, a.key)
	c := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	for n := len(cert.Raw); n < bytes; n += len(a.cert.Raw) {
		c.Certificate = append(c.Certificate, a.cert.Raw)
	}
	return c
}

// serveRaw answers requests over TLS with a text that does not end.
func (a *authority) serveRaw(certificate tls.Certificate, answer string, answered *atomic.Int64) string {
	a.t.Helper()
	plain, err := (&net.ListenConfig{}).Listen(a.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	l := tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}})
	a.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if n, err := c.Read(make([]byte, 1<<10)); n == 0 || err != nil {
					return
				}
				_, _ = io.WriteString(c, answer)
				answered.Add(1)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return plain.Addr().String()
}

func TestAttemptsOverTLSTakeNoMoreThanIsReckoned(t *testing.T) {
	const attempts, rest = 128, 4 << 10 // of what is sent beside certificates
	a := newAuthority(t)
	var lines strings.Builder
	lines.WriteString("HTTP/1.1 200 OK\r\n")
	for i := 0; lines.Len() < maxAnswerHeaders-8; i++ {
		fmt.Fprintf(&lines, "%c%c:\r\n", 'a'+i%26, 'a'+i/26%26)
	}
	var answered atomic.Int64
	address := a.serveRaw(a.chain(maxHandshake-rest), lines.String(), &answered)
	s := tlsSender(t, address, &configMaps{have: map[string]map[string]string{"ca": {"ca.crt": a.pem()}}})
	d := overTLS(nil)
	d.Target.Service.Timeout = time.Minute
	before := inUse()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range attempts {
		all.Go(func() { s.Send(ctx, d) })
	}
	eventually(t, "all have been answered", func() bool { return answered.Load() == attempts })
	time.Sleep(200 * time.Millisecond) // what was sent is being read
	each := (inUse() - before) / attempts
	stop()
	all.Wait()
	holdsAttempt(t, each)
}

func TestAHandshakeThatDoesNotEnd(t *testing.T) {
	a := newAuthority(t)
	address := a.serveRaw(a.chain(maxHandshake+1), "HTTP/1.1 200 OK\r\n\r\n", new(atomic.Int64))
	s := tlsSender(t, address, &configMaps{have: map[string]map[string]string{"ca": {"ca.crt": a.pem()}}})
	if got := s.Send(t.Context(), overTLS(nil)); got.Verdict != delivery.Failed || !strings.Contains(got.Message, "more than 32 KiB for its certificate") {
		t.Errorf("got %+v", got)
	}
}

// What is remembered of targets is no more than is reckoned with, however many there are, and whatever they have as certificates.
func TestNoMoreIsRememberedThanIsReckoned(t *testing.T) {
	text := newAuthority(t).pem()
	bundle := strings.Repeat(text, maxBundle/len(text))
	maps := map[string]map[string]string{}
	for i := range 2 * maxBundles / maxBundle {
		maps[fmt.Sprintf("ca-%d", i)] = map[string]string{"ca.crt": bundle}
	}
	name := func(i int) string { return fmt.Sprintf("%s-%06d", strings.Repeat("n", 56), i) }
	before := inUse()
	trusting := newTrust(&configMaps{have: maps}, time.Now)
	for of := range maps {
		if _, err := trusting.of(t.Context(), "shop", &route.TLS{CAConfigMap: of, CAKey: "ca.crt"}); err != nil {
			t.Fatal(err)
		}
	}
	resolver := NewResolver(ResolverOptions{Reader: &reader{}})
	for i := range 2 * maxResolved {
		resolver.remember("shop/"+name(i), resolved{addresses: []string{"10.244.100.100:8080"}, err: unusable("%s", strings.Repeat("x", maxMessage))})
	}
	patient := newPatience()
	for i := range 2 * maxPatience {
		d := aDelivery(nil)
		d.ID = queue.ID(i)
		patient.ends(d, time.Now())
	}
	taken := inUse() - before
	t.Logf("%d bytes are remembered, %d are reckoned with", taken, RememberedBytes)
	if taken > RememberedBytes {
		t.Errorf("%d bytes are remembered, and %d are reckoned with", taken, RememberedBytes)
	}
	runtime.KeepAlive(trusting)
	runtime.KeepAlive(resolver)
	runtime.KeepAlive(patient)
}

// inUse is what the process has in use: heap and stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
