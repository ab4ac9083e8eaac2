// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// mood is how a target behaves for a while.
type mood string

const (
	well       mood = "is well"
	slow       mood = "is slow"
	hangs      mood = "hangs"
	down       mood = "is down"
	fails      mood = "answers 500"
	busy       mood = "answers 429 with Retry-After"
	unheard    mood = "does its work, and its answers are lost"
	tooLate    mood = "does its work, and answers too late"
	refuses    mood = "answers 422 to some"
	rolledOut  mood = "answers 404 while it is rolled out"
	failsAfter mood = "does its work, and answers 500"
)

// target is a Service's Pods.
type target struct {
	h       *history
	service string
	address string
	chance  *chance

	mu    sync.Mutex
	mood  mood
	since time.Time
	well  time.Time // since when; zero: it is not
}

func (t *target) become(m mood) {
	t.mu.Lock()
	was := t.mood
	t.mood, t.since = m, time.Now()
	if m == well {
		t.well = time.Now()
	} else {
		t.well = time.Time{}
	}
	t.mu.Unlock()
	if was != m {
		t.h.note("the Service %s %s", t.service, m)
	}
}

func (t *target) is() mood {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mood
}

// isWellSince is since when it is well; zero: it is not.
func (t *target) isWellSince() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.well
}

// oneHangs reports whether some Service does.
func (h *history) oneHangs() bool {
	for _, t := range h.targets {
		if t.is() == hangs {
			return true
		}
	}
	return false
}

// dialTarget connects a process to a Service.
func (h *history) dialTarget(ctx context.Context, p *process, address string) (net.Conn, error) {
	t := h.targets[address]
	if t == nil {
		h.broken("the receiver connects to %s, where no target is", address)
		return nil, syscall.ECONNREFUSED
	}
	if t.is() == down {
		if t.chance.one(2) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	near, far, err := p.wire.connect()
	if err != nil {
		return nil, err
	}
	go t.serve(far, p)
	return near, nil
}

// serve answers what comes over a connection.
func (t *target) serve(c net.Conn, p *process) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !t.answer(c, in, p, r, body) {
			return
		}
	}
}

// answer does a target's work, or not, and reports whether the connection goes on.
func (t *target) answer(c net.Conn, in *bufio.Reader, p *process, r *http.Request, body []byte) bool {
	at, ok := destinationOf(r.URL.Path)
	if !ok {
		t.h.broken("a target is asked for %s", r.URL.Path)
		return false
	}
	a := t.h.arrives(p, at, body, r.Header)
	if a == nil {
		return false
	}
	reply := func(code int, header string) bool {
		_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n%s\r\n", code, http.StatusText(code), header)
		return err == nil
	}
	does := t.is()
	switch does {
	case slow:
		time.Sleep(t.chance.between(time.Second, 4*time.Second))
	case down, hangs:
		_, _ = in.Peek(1) // until the receiver closes the connection
		return false
	case fails:
		return reply(http.StatusInternalServerError, "")
	case failsAfter:
		a.works(false)
		return reply(http.StatusInternalServerError, "")
	case busy:
		return reply(http.StatusTooManyRequests, fmt.Sprintf("Retry-After: %d\r\n", 10+t.chance.below(100)))
	case unheard:
		a.works(false)
		return false
	case tooLate:
		a.works(false)
		time.Sleep(targetTimeout + time.Second)
		return reply(http.StatusOK, "")
	case refuses:
		if a.note.number%3 == 0 {
			a.refused()
			return reply(http.StatusUnprocessableEntity, "")
		}
	case rolledOut:
		a.passes()
		return reply(http.StatusNotFound, "")
	case well:
		time.Sleep(t.chance.between(time.Millisecond, 40*time.Millisecond))
	}
	done := a.works(true)
	if !reply(http.StatusOK, "") {
		done.unheard()
		return false
	}
	return true
}

// targetTimeout is that of each target.
const targetTimeout = 5 * time.Second

// destination is a target of an endpoint, as the path that it has says.
type destination struct{ namespace, endpoint, target string }

func (d destination) String() string { return d.namespace + "/" + d.endpoint + " → " + d.target }

func (d destination) path() string { return "/" + d.namespace + "/" + d.endpoint + "/" + d.target }

func destinationOf(path string) (destination, bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) != 3 {
		return destination{}, false
	}
	return destination{parts[0], parts[1], parts[2]}, true
}
