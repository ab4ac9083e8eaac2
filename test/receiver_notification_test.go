// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// notification is what Cloudinary sends. An empty secret: it is not signed.
type notification struct {
	body      []byte
	timestamp string
	secret    string
}

// upload is the notification of an upload, in a form that no encoder of JSON would give back.
func upload(asset string, seq int) notification {
	body := fmt.Sprintf(" {\"notification_type\":\"upload\" ,\n\t\"asset_id\":%q,\"public_id\":\"\\u0061ß/%s\",\"seq\": %d.0,\"url\":\"https:\\/\\/x\",\"request_id\":\"%s-%d-of-a-call\",\"tags\":[],\"tags\":[]}\n",
		asset, asset, seq, asset, seq)
	return signedNow(body)
}

func signedNow(body string) notification { return signedAt(body, time.Now()) }

func signedAt(body string, at time.Time) notification {
	return notification{body: []byte(body), timestamp: strconv.FormatInt(at.Unix(), 10), secret: theKey().Secret}
}

func (n notification) signedWith(secret string) notification {
	n.secret = secret
	return n
}

func (n notification) header() http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Cloudinary"}}
	if n.secret != "" {
		h.Set("X-Cld-Timestamp", n.timestamp)
		h.Set("X-Cld-Signature", signature(n.body, n.timestamp, n.secret))
	}
	return h
}

func signature(body []byte, timestamp, secret string) string {
	h := sha1.New() // it is what Cloudinary signs with
	_, _ = h.Write(body)
	_, _ = io.WriteString(h, timestamp+secret)
	return hex.EncodeToString(h.Sum(nil))
}

// answer is what a request was answered.
type answer struct {
	status     int
	reason     string
	retryAfter string
	took       time.Duration
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.reason) }

func (s *receiverSetting) post(url string, n notification) (answer, error) {
	return postWith(s.client, s, url, n)
}

// postWith sends a notification; what the answer says is read to its end.
func postWith(client *http.Client, s *receiverSetting, url string, n notification) (answer, error) {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url, bytes.NewReader(n.body))
	if err != nil {
		return answer{}, err
	}
	req.Header = n.header()
	begin := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{
		status: res.StatusCode, reason: strings.TrimSpace(string(text)), retryAfter: res.Header.Get("Retry-After"), took: time.Since(begin),
	}, err
}

// send sends a notification that has to be taken.
func (s *receiverSetting) send(endpoint string, n notification) {
	s.Helper()
	if a, err := s.post(s.url(endpoint), n); err != nil || a.status != http.StatusOK {
		s.Fatalf("a notification was answered %v, %v, want 200", a, err)
	}
}

// answers waits until a notification is answered as it should be.
func (s *receiverSetting) answers(endpoint string, n notification, want answer) error {
	a, err := s.post(s.url(endpoint), n)
	if err != nil {
		return err
	}
	if a.status != want.status || a.reason != want.reason {
		return errNot("%s answers %v, want %v", endpoint, a, want)
	}
	if (a.status == http.StatusServiceUnavailable) != (a.retryAfter != "") {
		return errNot("%v has Retry-After %q", a, a.retryAfter)
	}
	return nil
}
