// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// forges has somebody send what Cloudinary did not: none of it may be answered with 200, stored or delivered.
func (h *history) forges(number int, c *chance) {
	at := h.anyEndpoint(c)
	body := fmt.Appendf(nil, `{"notification_type":"upload","request_id":"%032d","asset_id":"asset-%s-0","forged":%d}`, number, at.Name, number)
	h.registerForged(body)
	key, with256 := h.cloud.signsWith()
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	q := &request{path: h.pathOf(at), body: body, timestamp: timestamp, signature: sign(body, timestamp, key, with256)}
	var how string
	switch c.below(6) {
	case 0:
		how, q.signature = "without a signature", ""
	case 1:
		how, q.signature = "signed with a key that is nobody's", sign(body, timestamp, signingKey{"0", "guessed"}, with256)
	case 2:
		how, q.timestamp = "with another timestamp than was signed", strconv.FormatInt(time.Now().Unix()-7, 10)
	case 3:
		how, q.signature = "with the signature of another body", sign([]byte(`{"n":1}`), timestamp, key, with256)
	case 4:
		how, q.path = "to an endpoint that does not exist", "/v1/notifications/shop/none"
	default:
		how, q.timestamp = "without a timestamp", ""
	}
	r := h.send(q)
	if r.code == http.StatusOK {
		h.broken("a forged notification, %s, was answered with 200", how)
	}
	if r.code != 0 {
		h.come(forgedRefused)
	}
}

// replays sends again what somebody has recorded on its way, with the signature that it had.
func (h *history) replays(c *chance) {
	was := h.recorded(c)
	if was == nil {
		return
	}
	s := &sending{note: was.note, key: was.key, signed: was.signed, with256: was.with256, replay: true}
	s.reply = h.send(s.request(h.pathOf(s.note.endpoint)))
	h.answered(s)
}

// dawdles has strangers hold on to connections: heads and bodies that come slowly, or never whole.
func (h *history) dawdles(c *chance) {
	for range 4 + c.below(8) {
		at := h.anyEndpoint(c)
		go func() {
			conn, err := h.dialReceiver()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			signature := sign([]byte("x"), "1", signingKey{"0", "guessed"}, false)
			head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: r\r\nContent-Length: 3000\r\nX-Cld-Timestamp: 1\r\nX-Cld-Signature: %s\r\n\r\n{", h.pathOf(at), signature)
			_, _ = conn.Write([]byte(head))
			var scrap [256]byte
			_, _ = conn.Read(scrap[:])
		}()
	}
}
