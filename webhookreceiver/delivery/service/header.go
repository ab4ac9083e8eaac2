// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// Headers that a Service gets besides those of Cloudinary.
const (
	// HeaderIdempotencyKey is the same whenever the same notification is sent.
	HeaderIdempotencyKey = "Idempotency-Key"
	// HeaderAttempt counts the attempts, from 1 after each start of the receiver.
	HeaderAttempt = "X-Cloudinary-Operator-Attempt"
	// HeaderEndpoint is namespace/name of the NotificationEndpoint.
	HeaderEndpoint = "X-Cloudinary-Operator-Endpoint"
	// HeaderEventType is the event type, which a templated body need not have.
	HeaderEventType = "X-Cloudinary-Operator-Event-Type"
	// HeaderReceived is when the receiver got the notification, as in RFC 3339.
	HeaderReceived = "X-Cloudinary-Operator-Received"

	ownPrefix        = "X-Cloudinary-Operator-"
	cloudinaryPrefix = "X-Cld-"
	cloudEventPrefix = "Ce-"

	defaultUserAgent   = "cloudinary-operator"
	defaultContentType = "application/json"
)

// originalHeader has Cloudinary's header lines as they came, and ours.
func originalHeader(h http.Header, d *delivery.Delivery) {
	for _, line := range d.Record.Header {
		if name := textproto.CanonicalMIMEHeaderKey(line.Name); passes(name) {
			h[name] = append(h[name], line.Value)
		}
	}
	defaults(h)
	h.Set(HeaderIdempotencyKey, d.IdempotencyKey())
	h.Set(HeaderAttempt, strconv.Itoa(d.Attempt))
	h.Set(HeaderEndpoint, d.Endpoint.Key.String())
	h.Set(HeaderEventType, encoded(d.Record.EventType))
	h.Set(HeaderReceived, timestamp(d.Record.ReceivedAt))
}

// cloudEventHeader has what makes the body a CloudEvent in binary mode, and what it takes to verify it again.
func cloudEventHeader(h http.Header, d *delivery.Delivery) {
	for _, line := range d.Record.Header {
		name := textproto.CanonicalMIMEHeaderKey(line.Name)
		if name == "Content-Type" || strings.HasPrefix(name, cloudinaryPrefix) {
			h[name] = append(h[name], line.Value)
		}
	}
	h["User-Agent"] = []string{defaultUserAgent}
	defaults(h)
	h.Set(HeaderIdempotencyKey, d.IdempotencyKey())
	h.Set(HeaderAttempt, strconv.Itoa(d.Attempt))
	h.Set("Ce-Specversion", "1.0")
	h.Set("Ce-Id", d.IdempotencyKey())
	h.Set("Ce-Source", "/apis/notifications.cloudinary.dev/v1alpha1/namespaces/"+d.Endpoint.Key.Namespace+"/notificationendpoints/"+d.Endpoint.Key.Name)
	h.Set("Ce-Type", "com.cloudinary.notification."+encoded(d.Record.EventType))
	h.Set("Ce-Time", timestamp(d.Record.ReceivedAt))
	if subject := encoded(subjectOf(d.Record.Body)); subject != "" && len(subject) <= maxSubject {
		h.Set("Ce-Subject", subject)
	}
}

// passes reports whether a header line of a notification goes along: not what belongs to the connection, nor what would pass for ours.
func passes(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect",
		"Proxy-Connection", "Proxy-Authorization", "Authorization", "Cookie", HeaderIdempotencyKey:
		return false
	}
	return !strings.HasPrefix(name, ownPrefix) && !strings.HasPrefix(name, cloudEventPrefix)
}

func defaults(h http.Header) {
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{defaultUserAgent}
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = []string{defaultContentType}
	}
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// maxSubject keeps a long public id from filling the header.
const maxSubject = 2048

// subjectOf is the public id of the one asset that a notification is about, else its asset id, else nothing.
func subjectOf(body []byte) string {
	n, err := notification.Decode(body)
	if err != nil || n.Assets != 1 {
		return ""
	}
	if n.PublicID != "" {
		return n.PublicID
	}
	return n.AssetID
}

// encoded writes a CloudEvents attribute as a header's value, as in the HTTP protocol binding, 3.1.3.2. It is empty for what is not a
// string by the CloudEvents type system: one with control characters, noncharacters or broken UTF-8.
func encoded(value string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, r := range value {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Noncharacter_Code_Point, r) {
			return ""
		}
		if r > ' ' && r < 0x7f && r != '"' && r != '%' {
			b.WriteByte(byte(r))
			continue
		}
		for _, c := range []byte(string(r)) {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
