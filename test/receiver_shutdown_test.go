// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// proxy is what stands before the receiver: it keeps its connections until an answer says otherwise. net/http's client would hide
// that one was cut by sending the request again.
type proxy struct {
	s      *receiverSetting
	pause  time.Duration // between two requests of a connection
	conn   net.Conn
	reader *bufio.Reader

	asked bool // some answer said that the connection is closed
}

func (p *proxy) close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// send sends one request. refused says that there was nobody to send it to, or that the connection was reset where the system had it
// waiting to be accepted; any other error is a request that was cut. net/http cuts without a reset.
func (p *proxy) send(n notification) (status int, refused bool, err error) {
	reused := p.conn != nil
	if !reused {
		dialer := net.Dialer{Timeout: soon}
		if p.conn, err = dialer.DialContext(context.WithoutCancel(p.s.Context()), "tcp", p.s.address); err != nil {
			p.conn = nil
			return 0, errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET), err
		}
		p.reader = bufio.NewReader(p.conn)
	}
	status, err = p.exchange(n)
	if err != nil {
		p.close()
		refused = !reused && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
		err = fmt.Errorf("on a connection that was used before: %v: %w", reused, err)
	}
	return status, refused, err
}

func (p *proxy) exchange(n notification) (int, error) {
	if err := p.conn.SetDeadline(time.Now().Add(soon)); err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(p.s.Context(), http.MethodPost, p.s.url("media"), bytes.NewReader(n.body))
	if err != nil {
		return 0, err
	}
	req.Header = n.header()
	var raw bytes.Buffer
	if err := errors.Join(req.Write(&raw), func() error { _, err := p.conn.Write(raw.Bytes()); return err }()); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(p.reader, req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	if res.Close {
		p.asked = true
		p.close()
	}
	return res.StatusCode, nil
}

// run sends until there is nobody to send to, or the test ends.
func (p *proxy) run(l *load, asset string) {
	defer p.close()
	for seq := 1; ; seq++ {
		n := upload(asset, seq)
		status, refused, err := p.send(n)
		switch {
		case refused || p.s.Context().Err() != nil:
			return
		case err != nil:
			p.s.Errorf("request %d of %s was cut: %v", seq, asset, err)
			return
		case status != http.StatusOK:
			p.s.Errorf("request %d of %s was answered %d", seq, asset, status)
			return
		}
		l.mu.Lock()
		l.accepted = append(l.accepted, n)
		l.mu.Unlock()
		select {
		case <-time.After(p.pause):
		case <-p.s.Context().Done():
		}
	}
}

func TestStoppedReceiverCutsNoConnection(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t, "--shutdown-delay=2s", "--shutdown-timeout=5s")
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	p := s.startReady("media")

	l := &load{s: s, endpoint: "media"}
	var senders sync.WaitGroup
	var asked atomic.Int64
	const many = 24
	for i := range many {
		// Some send all the time, others leave their connections alone for up to half of the delay.
		from := &proxy{s: s, pause: time.Duration(i%8) * 50 * time.Millisecond}
		senders.Go(func() {
			from.run(l, fmt.Sprintf("asset-%d", i))
			if from.asked {
				asked.Add(1)
			}
		})
	}
	testenv.Eventually(t, patience, func() error {
		if n := l.count(); n < 500 {
			return errNot("%d notifications were answered 200", n)
		}
		return nil
	})
	s.must(p.Process.Signal(syscall.SIGTERM))
	before := l.count()
	if code := s.probe(s.probes, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz answers %d while the receiver takes notifications still", code)
	}
	p.endsWell()
	senders.Wait()
	if l.count() == before {
		t.Error("nothing was taken after SIGTERM, and --shutdown-delay says that it is")
	}
	if asked.Load() != many {
		t.Errorf("%d of %d senders were asked to close their connection", asked.Load(), many)
	}
	p = s.startReady("media")
	l.arrive(catalog)
	p.terminate()
}
