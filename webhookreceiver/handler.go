// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Store is where a notification has to be before it is answered 200.
type Store interface {
	// Put returns once the record is on disk, or found to be there already.
	Put(ctx context.Context, r *queue.Record) (queue.PutResult, error)
	// Known reports whether Put would find a record with this key, and whether that is on disk. It neither waits nor writes.
	Known(key [32]byte) (known, durable bool)
}

// Recorder is told what became of each request. It must be quick, and neither keep the record's body nor its headers.
type Recorder interface {
	Stored(e *route.Endpoint, id queue.ID, r *queue.Record, n *notification.Notification)
	Duplicate(e *route.Endpoint)
	// Rejected has no endpoint where the request is for none that exists. guessed says that anybody can guess the path that it came at.
	Rejected(e *route.Endpoint, reason Reason, guessed bool)
	// Answered is called for each request, with the answer's status and how long it took.
	Answered(status int, took time.Duration)
}

// Options are what a Handler works with, and its bounds.
type Options struct {
	// Routes is nil until the endpoints are known.
	Routes   func() *route.Table
	Store    Store
	Recorder Recorder
	// Ready says what keeps notifications from being taken, for whoever asks at HealthPath. Nil: the endpoints alone decide.
	Ready func() error
	Now   func() time.Time

	MaxBodyBytes     int64         // of one request
	MaxInFlightBytes int64         // of all bodies in memory, beyond the first FirstBody of each
	MaxInFlight      int           // requests
	RoomTimeout      time.Duration // until a request for which others are to make room is answered 503
	StoreTimeout     time.Duration // until a request that is not stored yet is answered 503
	// MaxEndpointRate is how many new notifications a second one endpoint may get; as many may come at once. 0: any number.
	MaxEndpointRate int

	// VerboseRefusals tells everybody why a request is refused.
	VerboseRefusals bool
}

// DefaultOptions has the bounds of the program's flags.
func DefaultOptions() Options {
	return Options{
		Now:          time.Now, //nolint:forbidigo // the one place where the injected clock gets its default
		MaxBodyBytes: 3 << 20, MaxInFlightBytes: 32 << 20, MaxInFlight: DefaultMaxConnections,
		RoomTimeout: 250 * time.Millisecond, StoreTimeout: 1500 * time.Millisecond,
	}
}

// Handler answers Cloudinary's requests.
type Handler struct {
	Options
	bodies *bodies
	rates  rates
	// zeroLength is a header's value, shared by all answers, which do not change it.
	zeroLength []string
}

// NewHandler makes a handler.
func NewHandler(o Options) *Handler {
	intake := newIntake(o.MaxInFlight, o.MaxInFlightBytes, o.RoomTimeout)
	return &Handler{Options: o, bodies: newBodies(o.MaxBodyBytes, intake), zeroLength: []string{"0"}}
}

// InFlight is how many requests, and bytes of bodies, are under way.
func (h *Handler) InFlight() (requests int, bytes int64) {
	requests, bytes = h.bodies.intake.read()
	return requests, bytes + int64(requests)*FirstBody
}

// ServeHTTP answers 200 with no body and with the id of what is stored, or an error. Only who has proved to be Cloudinary is told why.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isHealthCheck(r) {
		h.health(w, r)
		return
	}
	begin := h.Now()
	endpoint, id, reason := h.serve(r) //nolint:contextcheck // see deadline
	status := http.StatusOK
	if reason == "" {
		w.Header()["Content-Length"] = h.zeroLength
		w.Header()[notification.HeaderStored] = []string{storedAs(id)}
		w.WriteHeader(status)
	} else {
		h.Recorder.Rejected(endpoint, reason, endpoint.Guessable(route.PathOf(r.URL)))
		httpserver.Refuse(w, r)
		status = h.refuse(w, reason)
	}
	h.Recorder.Answered(status, h.Now().Sub(begin))
}

// storedAs is what the answer says of a notification; the id is 0 if it was there already.
func storedAs(id queue.ID) string {
	if id == 0 {
		return notification.StoredBefore
	}
	return strconv.FormatUint(uint64(id), 10)
}

// serve does all there is to do for a request; the reason is empty if its notification is stored, and the id 0 if it was before.
func (h *Handler) serve(r *http.Request) (*route.Endpoint, queue.ID, Reason) {
	routes := h.Routes()
	if routes == nil {
		return nil, 0, ReasonNotLoaded
	}
	endpoint := routes.At(route.PathOf(r.URL))
	switch {
	case endpoint == nil:
		return nil, 0, ReasonUnknownEndpoint
	case r.Method != http.MethodPost:
		return endpoint, 0, ReasonMethod
	case endpoint.Policy == nil:
		return endpoint, 0, Reason(notification.RejectedNoKeys)
	}
	// Before anything of it is kept.
	signed := signedOf(r.Header)
	if rejection := endpoint.Policy.Precheck(&signed); rejection != "" {
		return endpoint, 0, Reason(rejection)
	}
	read, reason := h.bodies.read(r, endpoint.Key)
	if reason != "" {
		return endpoint, 0, reason
	}
	defer h.bodies.release(read)
	read.signed = signed
	id, reason := h.take(r, endpoint, read)
	return endpoint, id, reason
}

// take verifies and stores a notification.
func (h *Handler) take(r *http.Request, endpoint *route.Endpoint, read *body) (queue.ID, Reason) {
	now, body := h.Now(), read.bytes
	signed := read.signed
	signed.Body = body
	verified, rejection := endpoint.Policy.Verify(signed, now)
	switch {
	case rejection != "":
		return 0, Reason(rejection)
	case endpoint.Forgotten(verified.Timestamp, now):
		return 0, Reason(notification.RejectedStale)
	}
	n, err := notification.Decode(body)
	if err != nil {
		return 0, Reason(notification.RejectedNotJSON)
	}
	h.bodies.prove(read)
	identity := n
	if endpoint.DoubtfulIdentity {
		identity = notification.Notification{}
	}
	// An endpoint that is made again under its name knows what was sent to the one before, whatever its UID.
	key := notification.DeduplicationKey(endpoint.Key.String(), body, signed.Timestamp, identity)
	known, durable := h.Store.Known(key)
	switch {
	case durable:
		h.Recorder.Duplicate(endpoint)
		return 0, ""
	// Only now: anybody can send what does not verify. And whoever has seen a notification can send it again, or what the same key
	// has signed for something else. None of that may use up the endpoint's rate.
	case !known && !h.rates.allow(endpoint.Key, h.MaxEndpointRate, h.Now):
		return 0, ReasonRateLimited
	}
	eventType := notification.EventType(body, n, endpoint.TypePaths, endpoint.SoleTemplatedType)
	record := queue.Record{
		Key:        key,
		KeyExpires: now.Add(endpoint.MaxAge + keyGrace),
		Endpoint:   queue.Endpoint{Namespace: endpoint.Key.Namespace, Name: endpoint.Key.Name},
		ReceivedAt: now,
		EventType:  eventType,
		OrderKey:   orderKey(n),
		Header:     forwarded(&signed, r.Header),
		Body:       body,
		Targets:    endpoint.TargetsFor(eventType),
	}
	deadline := deadlineIn(h.StoreTimeout)
	defer deadline.release()
	put, err := h.Store.Put(deadline, &record)
	switch {
	case err != nil:
		return 0, reasonOf(err)
	case put.Duplicate:
		h.Recorder.Duplicate(endpoint)
		return 0, ""
	default:
		h.Recorder.Stored(endpoint, put.ID, &record, &n)
		return put.ID, ""
	}
}

// keyGrace is how much longer a deduplication key is held than its notification could be accepted for: clocks differ by as much.
const keyGrace = notification.DefaultMaxFuture

func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, queue.ErrFull):
		return ReasonQueueFull
	case errors.Is(err, queue.ErrDiskFull):
		return ReasonDiskFull
	default:
		return ReasonStoreFailed
	}
}

// orderKey is 0 where the notification has none.
func orderKey(n notification.Notification) uint64 {
	key, ordered := notification.OrderKey(n)
	if !ordered {
		return 0
	}
	return binary.BigEndian.Uint64(key[:]) | 1
}

// The headers of a notification, as net/http writes their names.
const (
	headerTimestamp   = "X-Cld-Timestamp"
	headerSignature   = "X-Cld-Signature"
	headerSignatureV2 = "X-Cld-Signature_v2"
)

// signedOf is what is signed, but for the body.
func signedOf(header http.Header) notification.Signed {
	timestamp, signature, v2 := header[headerTimestamp], header[headerSignature], header[headerSignatureV2]
	return notification.Signed{
		Timestamp: first(timestamp), Signature: first(signature), SignatureV2: first(v2),
		Repeated: len(timestamp) > 1 || len(signature) > 1 || len(v2) > 1,
	}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// Headers that Cloudinary sends besides, and what it sends in them.
const (
	headerContentType = "Content-Type"
	headerUserAgent   = "User-Agent"
	contentType       = "application/json"
	userAgent         = "Cloudinary"
)

// maxSignatureV2Bytes bounds what is kept of a signature that nobody may have checked. One of Ed25519 has 128 digits at most.
const maxSignatureV2Bytes = 256

// forwarded are the headers that a target gets, sorted. The signature covers body and timestamp, so that everything else is the word of the
// sender, whoever that is: only what Cloudinary sends is kept, as it sends it, and the content type is that of what was accepted.
func forwarded(signed *notification.Signed, header http.Header) []queue.Header {
	kept := make([]queue.Header, 0, 5)
	kept = append(kept, queue.Header{Name: headerContentType, Value: contentType})
	if agents := header[headerUserAgent]; len(agents) == 1 && agents[0] == userAgent {
		kept = append(kept, queue.Header{Name: headerUserAgent, Value: userAgent})
	}
	if signed.Signature != "" {
		kept = append(kept, queue.Header{Name: headerSignature, Value: signed.Signature})
	}
	if v2 := signed.SignatureV2; v2 != "" && len(v2) <= maxSignatureV2Bytes && !strings.ContainsFunc(v2, notOfSignature) {
		kept = append(kept, queue.Header{Name: headerSignatureV2, Value: v2})
	}
	return append(kept, queue.Header{Name: headerTimestamp, Value: signed.Timestamp})
}

// notOfSignature reports whether a character is of neither hex nor base64.
func notOfSignature(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("+/=-_", r)
}
