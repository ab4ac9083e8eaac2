// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
)

// signingKey is an API key and its secret.
type signingKey struct{ id, secret string }

// cloudinary signs with one of its keys, which people change.
type cloudinary struct {
	h *history

	mu     sync.Mutex
	key    signingKey
	sha256 bool
}

func (c *cloudinary) signsWith() (signingKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key, c.sha256
}

// sign signs as Cloudinary does: the digest of body, timestamp and secret.
func sign(body []byte, timestamp string, key signingKey, with256 bool) string {
	signed := append(append(append([]byte{}, body...), timestamp...), key.secret...)
	if with256 {
		sum := sha256.Sum256(signed)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(signed)
	return hex.EncodeToString(sum[:])
}

// request is what is sent to the receiver once.
type request struct {
	path, timestamp, signature string
	body                       []byte
	slowly                     time.Duration // between the halves of the body
}

// patience is how long Cloudinary waits for an answer.
const patience = 20 * time.Second

// reply is what came of a request. code is 0 where there was no answer.
type reply struct {
	code       int
	stored     string // the header that tells the receiver's 200 from others'
	reason     string
	begun, end time.Time
}

func (r *reply) took() time.Duration { return r.end.Sub(r.begun) }

// send sends a request over a connection of its own.
func (h *history) send(q *request) (r reply) {
	r.begun = time.Now()
	defer func() { r.end = time.Now() }()
	p := h.running()
	if p == nil {
		return r
	}
	conn, err := p.port.dial()
	if err != nil {
		return r
	}
	defer h.bounded(p)
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: receiver.example\r\nUser-Agent: Cloudinary\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n", q.path, len(q.body))
	if q.timestamp != "" {
		fmt.Fprintf(&head, "X-Cld-Timestamp: %s\r\n", q.timestamp)
	}
	if q.signature != "" {
		fmt.Fprintf(&head, "X-Cld-Signature: %s\r\n", q.signature)
	}
	head.WriteString("\r\n")
	go func() { // the receiver may answer before it has read all
		first := len(q.body)
		if q.slowly > 0 {
			first /= 2
		}
		if _, err := conn.Write(append(head.Bytes(), q.body[:first]...)); err != nil || q.slowly == 0 {
			return
		}
		time.Sleep(q.slowly)
		_, _ = conn.Write(q.body[first:])
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return r
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 200))
	if err != nil && response.StatusCode != http.StatusOK {
		return r
	}
	r.code, r.stored, r.reason = response.StatusCode, response.Header.Get(notification.HeaderStored), strings.TrimSpace(string(text))
	return r
}

// bounded holds what a process has in memory of requests against its flags.
func (h *history) bounded(p *process) {
	requests, bodies := p.handler.InFlight()
	if most := h.knobs.maxInFlightBytes + int64(h.knobs.maxInFlight)*webhookreceiver.FirstBody; requests > h.knobs.maxInFlight || bodies > most {
		h.broken("%d requests with %d bytes are under way, of %d and %d", requests, bodies, h.knobs.maxInFlight, most)
	}
	h.come(memoryBounded)
}

var errNobody = errors.New("nobody listens")

// dialReceiver reaches the process that runs at present.
func (h *history) dialReceiver() (net.Conn, error) {
	p := h.running()
	if p == nil {
		return nil, errNobody
	}
	return p.port.dial()
}

// notifies is one event at Cloudinary: it is sent until it is answered with 200, or Cloudinary gives up.
func (h *history) notifies(n *note, c *chance) {
	again := pick(c, []time.Duration{3 * time.Minute, 6 * time.Minute, 9 * time.Minute}, []time.Duration{3 * time.Minute, 3 * time.Minute, 3 * time.Minute})
	anew := c.one(2) // a retry is signed with a fresh timestamp
	if anew && n.identity == noIdentity {
		h.mayComeTwice(n)
	}
	signed := time.Now()
	for try := 0; ; try++ {
		if anew {
			signed = time.Now()
		}
		copies := 1
		if c.one(12) {
			copies = 2 + c.below(2) // as proxies and two triggers make of one
		}
		took := h.sendAtOnce(n, c, try, copies, signed)
		if took && !c.one(8) {
			return
		}
		if took {
			h.note("Cloudinary does not see the 200 for %s", n)
			n.unseen()
		}
		if try == len(again) {
			h.note("Cloudinary gives up %s", n)
			return
		}
		time.Sleep(again[try])
	}
}

// sendAtOnce sends a notification, possibly several times at once, and reports whether it was answered with 200.
func (h *history) sendAtOnce(n *note, c *chance, try, copies int, signed time.Time) bool {
	var sending sync.WaitGroup
	took := make(chan bool, copies)
	slowly := time.Duration(0)
	if c.one(40) {
		slowly = c.between(500*time.Millisecond, 2500*time.Millisecond)
	}
	two := n.identity == hasIdentity && c.one(2) // triggers, which sign at two times
	for i := range copies {
		at := signed
		if two {
			at = at.Add(time.Duration(i) * time.Second)
		}
		sending.Go(func() { took <- h.sendOnce(n, try, at, slowly) })
	}
	sending.Wait()
	accepted := false
	for range copies {
		accepted = <-took || accepted
	}
	if copies > 1 && accepted {
		h.come(severalAtOnce)
		if two {
			h.come(twoTriggers)
		}
	}
	return accepted
}

// sendOnce sends a notification as Cloudinary signs at present, and judges the answer.
func (h *history) sendOnce(n *note, try int, signed time.Time, slowly time.Duration) bool {
	key, with256 := h.cloud.signsWith()
	s := &sending{note: n, try: try, key: key, signed: signed, with256: with256, slowly: slowly}
	h.sent(s)
	s.reply = h.send(s.request(h.pathOf(n.endpoint)))
	h.answered(s)
	return s.reply.code == http.StatusOK
}

// sending is one time that a notification is sent, by Cloudinary or by somebody who has recorded it.
type sending struct {
	note    *note
	try     int
	key     signingKey
	signed  time.Time
	at      time.Time // when it was sent
	with256 bool
	slowly  time.Duration
	replay  bool
	hung    *hang // in the middle of which it was refused
	reply   reply
}

func (s *sending) timestamp() string { return strconv.FormatInt(s.signed.Unix(), 10) }

func (s *sending) request(path string) *request {
	return &request{
		path: path, timestamp: s.timestamp(), body: s.note.body, slowly: s.slowly,
		signature: sign(s.note.body, s.timestamp(), s.key, s.with256),
	}
}

// deduplicationKey is the notification's, as its targets are told it.
func (s *sending) deduplicationKey() [32]byte {
	n, _ := notification.Decode(s.note.body)
	return notification.DeduplicationKey(s.note.endpoint.String(), s.note.body, s.timestamp(), n)
}

// identity is what tells a notification from one with the same content.
type identity int

const (
	hasIdentity identity = iota // an id and an instant of its own
	noIdentity                  // neither, as those about deletions may have
)

// newNote makes an event and the body that Cloudinary sends for it.
func (h *history) newNote(at types.NamespacedName, c *chance, number int) *note {
	n := &note{number: number, endpoint: at, event: "upload"}
	asset := fmt.Sprintf("asset-%s-%d", at.Name, c.below(4))
	pad := strings.Repeat("x", pick(c, 0, 0, 0, 100, 900, 9000))
	if h.knobs.large {
		pad = strings.Repeat("x", 20_000+c.below(60_000))
	}
	switch c.below(12) {
	case 0:
		n.event, n.identity = "delete", noIdentity
		n.body = fmt.Appendf(nil, `{"notification_type":"delete","resources":[{"public_id":"n%d-a"},{"public_id":"n%d-b"}],"pad":"%s"}`, number, number, pad)
	case 1:
		n.event = "create_folder"
		n.body = fmt.Appendf(nil, `{"notification_type":"create_folder","request_id":"%032d","folder_path":"folder/n%d","pad":"%s"}`, number, number, pad)
	case 2:
		n.event, n.asset = "resource_tags_changed", asset
		n.body = fmt.Appendf(nil, `{"notification_type":"resource_tags_changed","notification_context":{"triggered_at":"2026-01-02T03:04:05.%06dZ"},"resources":{"%s":{"asset_id":"%s"}},"n":"n%d"}`,
			number, asset, asset, number)
	default:
		n.asset = asset
		n.body = fmt.Appendf(nil, `{"notification_type":"upload","request_id":"%032d","asset_id":"%s","public_id":"p","resource_type":"image","type":"upload","n":"n%d","pad":"%s"}`,
			number, asset, number, pad)
	}
	h.register(n)
	return n
}
