// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// cloud is a product environment: the project's simulator, called without a socket. Its ids come
// from crypto/rand, so that outside of the simulator they go by others, which a seed repeats.
type cloud struct {
	name string
	sim  *simulator.Simulator
	mint func() string
	// onCall is told of each call; nil: nobody is.
	onCall func()
	ids    map[string]string // ours by the simulator's
	real   map[string]string // and back
	// earlier is the answer to a list that was right.
	earlier []byte
}

func newCloud(options simulator.Options, mint func() string) (*cloud, error) {
	sim, err := simulator.New(options)
	if err != nil {
		return nil, err
	}
	return &cloud{name: options.Cloud, sim: sim, mint: mint, ids: map[string]string{}, real: map[string]string{}}, nil
}

var idMember = regexp.MustCompile(`"id":\s*"([0-9a-f]{32})"`)

func (c *cloud) id(of string) string {
	if c.ids[of] == "" {
		c.ids[of] = c.mint()
		c.real[c.ids[of]] = of
	}
	return c.ids[of]
}

// triggers are those that there are, the oldest first.
func (c *cloud) triggers() []simulator.Trigger {
	all := c.sim.Triggers()
	for i := range all {
		all[i].ID = c.id(all[i].ID)
	}
	return all
}

func (c *cloud) trigger(id string) (simulator.Trigger, bool) {
	all := c.triggers()
	i := slices.IndexFunc(all, func(t simulator.Trigger) bool { return t.ID == id })
	if i < 0 {
		return simulator.Trigger{}, false
	}
	return all[i], true
}

func asText(t simulator.Trigger) string {
	raw, err := json.Marshal(t)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func placeOf(cloud string, t simulator.Trigger) place {
	return place{cloud, plan.CanonicalURL(t.URI), t.EventType}
}

// place is an event type at a URL of a product environment.
type place struct{ cloud, url, eventType string }

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (a reply) response() *http.Response {
	return &http.Response{
		StatusCode: a.status, Header: a.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}

// serve carries out a call and gives its answer as a client sees it.
func (c *cloud) serve(method, path string, header http.Header, body []byte) reply {
	if c.onCall != nil {
		c.onCall()
	}
	parts := strings.Split(path, "/")
	last := len(parts) - 1
	if id, known := c.real[parts[last]]; known {
		parts[last] = id
	}
	request := httptest.NewRequestWithContext(context.Background(), method, "http://cloud"+strings.Join(parts, "/"), bytes.NewReader(body))
	request.Header = header
	recorder := httptest.NewRecorder()
	c.sim.ServeHTTP(recorder, request)
	shown := idMember.ReplaceAllFunc(recorder.Body.Bytes(), func(member []byte) []byte {
		return fmt.Appendf(nil, `"id":%q`, c.id(string(idMember.FindSubmatch(member)[1])))
	})
	return reply{recorder.Code, recorder.Header(), shown}
}

// person calls as somebody who has the first credentials, and gives the id of what was created.
func (c *cloud) person(method, path string, body any) (id string, ok bool) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", false
	}
	header := http.Header{"Content-Type": {"application/json"}}
	(&http.Request{Header: header}).SetBasicAuth(keyOne.APIKey, keyOne.APISecret)
	answer := c.serve(method, "/v1_1/"+c.name+"/triggers"+path, header, raw)
	return idIn(answer.body), answer.status < http.StatusMultipleChoices
}

func idIn(answer []byte) string {
	if found := idMember.FindSubmatch(answer); found != nil {
		return string(found[1])
	}
	return ""
}

// wire carries a process's calls to the clouds, or not.
type wire struct{ p *process }

// RoundTrip implements http.RoundTripper. The time that a call takes passes in it. What the process
// stands still for, right before the call leaves it, is part of that time: one that would take
// longer than the slowest call does not leave before its context ends.
func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	p := w.p
	p.alive()
	var body []byte
	if request.Body != nil {
		body, _ = io.ReadAll(request.Body)
	}
	parts := strings.SplitN(strings.TrimPrefix(request.URL.Path, "/v1_1/"), "/", 2)
	c := p.run.clouds[parts[0]]
	if c == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	effect := func() reply { //nolint:contextcheck // Cloudinary serves what has arrived, whoever has given up
		return p.run.ledger.called(c, request, body)
	}
	o, begun := p.callOperation(c, request, body), p.run.now
	p.intends(o, name{})
	err := p.begins(request.Context(), o)
	var answer *http.Response
	if waited := p.run.now.Sub(begun); err == nil && waited > slowest {
		err = context.DeadlineExceeded
	} else if err == nil {
		if !p.unrivaled() {
			p.run.violated("process %d calls Cloudinary (%s), and another one leads", p.number, o)
		}
		p.run.ledger.check(p, c, request)
		p.run.advance(max(0, p.run.latency()-waited))
		answer, err = w.deliver(p.run.fateOfCall(request.Method), c, request, effect) //nolint:contextcheck // as above
	}
	p.reached(after(o))
	return answer, err
}

func (w wire) deliver(f fate, c *cloud, request *http.Request, effect func() reply) (*http.Response, error) {
	p, r := w.p, w.p.run
	switch f {
	case endsBefore:
		p.kill("on the way to " + request.Method)
	case notSent:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case lostBefore:
		return nil, io.ErrUnexpectedEOF
	case refused:
		return c.refuse(r.pick([]int{420, 429}), r.coin()).response(), nil
	case failed:
		return c.refuse(500, false).response(), nil
	case late:
		r.later(r.between(0, lateness), func() { effect() })
		if r.coin() {
			p.kill("during " + request.Method + ", which arrives later")
		}
		r.advance(callTimeout)
		return nil, context.DeadlineExceeded
	}
	answer := effect()
	if request.Method == http.MethodGet && answer.status == http.StatusOK {
		answer.body = r.misread(c, answer.body)
	}
	if *traceFlag {
		r.note("%s %s: %d at %s, fate %d", request.Method, request.URL.Path, answer.status, answer.header.Get("Date"), f)
	}
	r.advance(r.latency() / 4)
	switch f {
	case endsAfter:
		p.kill("during " + request.Method)
	case lostAfter:
		return nil, io.ErrUnexpectedEOF
	case failedAfter:
		return c.refuse(502, false).response(), nil
	}
	return answer.response(), nil
}

// refuse is an answer that the simulator did not give.
func (c *cloud) refuse(status int, when bool) reply {
	header := c.serve(http.MethodOptions, "/v1_1/"+c.name+"/nothing", http.Header{}, nil).header
	header.Del("X-Featureratelimit-Limit")
	if when {
		header.Set("Retry-After", "7")
	}
	return reply{status, header, fmt.Appendf(nil, `{"error":{"message":"simulated status %d"}}`, status)}
}

// fate is what becomes of a call or a write.
type fate int

const (
	arrives     fate = iota
	endsBefore       // the process ends before the call
	endsAfter        // the call takes effect, and the process ends
	notSent          // there is no connection
	lostBefore       // the call is lost, and the caller does not know whether it was
	lostAfter        // the answer is lost
	late             // the caller gives up, and then the call takes effect
	refused          // 420 or 429
	failed           // 500
	failedAfter      // 502, and the call took effect
)

const (
	// callTimeout is the manager's, lateness is how long after its beginning a call may take
	// effect, and longestLag how far lists lag behind: together within the settle time of 30 s.
	callTimeout = 15 * time.Second
	lateness    = 6 * time.Second
	longestLag  = 6 * time.Second
	// slowest is how long a call takes at most.
	slowest = 9 * time.Second
)

// keyOne and keyTwo are credentials of every cloud.
var (
	keyOne = simulator.Credentials{APIKey: "111111111111111", APISecret: "the-first-secret"}
	keyTwo = simulator.Credentials{APIKey: "222222222222222", APISecret: "the-second-secret"}
)
