// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The operations that an Error names: a closed set, fit for a metric's label.
const (
	OpList   = "list triggers"
	OpCreate = "create trigger"
	OpUpdate = "update trigger"
	OpDelete = "delete trigger"
	OpTest   = "test trigger"
)

// Problems of an answer that its status does not show.
var (
	errInvalidInput   = errors.New("the request cannot be built")
	errIncompleteList = errors.New("the answer shows only part of the triggers")
	errTooLarge       = errors.New("the answer is larger than the limit")
	errUnreadable     = errors.New("the answer cannot be read")
	errRedirect       = errors.New("the server redirects, which is not followed")
	errForeign        = errors.New("the answer does not look like the Admin API's")
	errNotAllowed     = errors.New("the address of the Admin API is not allowed")
)

// statusRateLimited is Cloudinary's own status for an exhausted hourly budget.
const statusRateLimited = 420

// Error is a failed call. Its text is the same for the same cause: it has no time, address or
// request id, so that a condition can have it.
type Error struct {
	// Operation is one of the Op constants.
	Operation string
	// StatusCode is the HTTP status, 0 without an answer.
	StatusCode int
	// Message is the server's error.message: one printable line of at most 256 bytes, with only
	// scheme and host of URLs. It may be empty.
	Message string
	// RetryAt is when the server will answer again, by its own clock, at most a day after its
	// answer. Zero: it did not say. Set only for 420, 429 and 5xx.
	RetryAt time.Time
	// Ambiguous means that the call may have had an effect. Only a create, update or delete can be
	// ambiguous.
	Ambiguous bool
	// Err is the cause if it is not the status: a network error, a context's, or a problem of the
	// answer.
	Err error
	// Elsewhere means that people may not see the words of the server. Message is empty then, and
	// the text depends only on the status. Otherwise somebody could explore a network by naming
	// servers in a Secret.
	Elsewhere bool

	// RequestID identifies the call for Cloudinary's support. It is empty without an answer, or if
	// the answer has none. It is for logs and not part of the text, which is the same each time.
	RequestID string

	limited   bool // the answer says limit_reached
	malformed bool // the answer says invalid_or_malformed_attribute
}

// Error is the text for people: the operation, then the server's message or the problem of the
// answer.
func (e *Error) Error() string {
	parts := []string{e.Operation}
	if e.StatusCode != 0 && e.Err == nil || e.StatusCode >= http.StatusMultipleChoices {
		parts = append(parts, "HTTP status "+strconv.Itoa(e.StatusCode))
	}
	switch {
	case e.class() == classRateLimited:
		parts = append(parts, "rate limit exceeded") // the server's own words hold a time
	// A fault's words may hold a request's id
	case e.Message != "" && e.StatusCode < http.StatusInternalServerError:
		parts = append(parts, e.Message)
	}
	switch {
	case e.Err == nil:
	case e.Elsewhere:
		parts = append(parts, "there is no answer of an Admin API")
	default:
		parts = append(parts, describe(e.Err))
	}
	return strings.Join(parts, ": ")
}

// Detail is the text for the log, which has the cause even if the server is Elsewhere.
func Detail(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.Elsewhere || e.Err == nil {
		return err.Error()
	}
	return e.Error() + ": " + describe(e.Err)
}

// Unwrap is the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// class sorts every Error into exactly one drawer.
type class int

const (
	classUnavailable class = iota
	classUnauthorized
	classNotFound
	classAlreadyExists
	classLimitReached
	classInvalid
	classRateLimited
)

func (e *Error) class() class {
	switch {
	case errors.Is(e.Err, errInvalidInput):
		return classInvalid
	case e.StatusCode == http.StatusUnauthorized, e.StatusCode == http.StatusForbidden:
		return classUnauthorized
	case e.StatusCode == statusRateLimited, e.StatusCode == http.StatusTooManyRequests:
		return classRateLimited
	case e.Err != nil:
		return classUnavailable
	}
	switch e.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		if e.Operation == OpList || e.Operation == OpCreate {
			return classUnavailable
		}
		return classNotFound
	case http.StatusConflict:
		return classAlreadyExists
	case http.StatusBadRequest:
		if e.limited {
			return classLimitReached
		}
		if e.malformed && e.Operation == OpDelete {
			// The id is the only attribute of a delete, and no trigger can have a malformed one.
			return classNotFound
		}
		return classInvalid
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return classInvalid
	}
	return classUnavailable
}

// says reports whether a message begins with one of the Admin API's words.
func says(message, word string) bool {
	first, _, _ := strings.Cut(strings.ToLower(message), " ")
	return strings.TrimRight(first, ".:,;") == word
}

func isClass(err error, want class) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.class() == want
}

// IsUnauthorized means 401 or 403. The credentials are wrong, or may not do this. Nothing took
// effect.
func IsUnauthorized(err error) bool { return isClass(err, classUnauthorized) }

// IsNotFound means an update, delete or test of a trigger that does not exist, in the Admin API's
// own words, or a delete whose id the Admin API calls malformed. A 404 without these words, or for
// a list or a create, comes from another server on the way, and is IsUnavailable.
func IsNotFound(err error) bool { return isClass(err, classNotFound) }

// IsAlreadyExists means 409. A trigger like this exists already. Nothing took effect.
func IsAlreadyExists(err error) bool { return isClass(err, classAlreadyExists) }

// IsLimitReached means 400 limit_reached. The environment holds as many notification URLs as it
// may. Nothing took effect.
func IsLimitReached(err error) bool { return isClass(err, classLimitReached) }

// IsInvalid means that Cloudinary refuses the request (another 400, 413, 415, 422), or that the
// client did not send it, because it is not JSON or names no trigger. The same request would be
// refused again. It had no effect.
func IsInvalid(err error) bool { return isClass(err, classInvalid) }

// IsRateLimited means 420 or 429. RetryAt may say when to come back. Nothing took effect.
func IsRateLimited(err error) bool { return isClass(err, classRateLimited) }

// IsUnavailable means no usable answer: 5xx, network errors, timeouts, a canceled context,
// redirects, answers that are too large, not JSON or not the Admin API's, 404 to a list or create,
// and any status not named elsewhere. Every Error is exactly one of IsUnauthorized, IsNotFound,
// IsAlreadyExists, IsLimitReached, IsInvalid, IsRateLimited and IsUnavailable.
func IsUnavailable(err error) bool { return isClass(err, classUnavailable) }

// IsIncompleteList means a list with only part of the triggers, or with one that has no id, so that
// nothing can be concluded from a missing trigger. Such an error is IsUnavailable too.
func IsIncompleteList(err error) bool { return errors.Is(err, errIncompleteList) }

// IsAmbiguous means a create, update or delete with an unknown effect: the connection broke or time
// ran out after the request may have been sent, or the answer was a 5xx, a redirect or unreadable.
// Only a list can tell.
func IsAmbiguous(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Ambiguous
}

// RequestID identifies the failed call for Cloudinary's support. It is empty if the answer had
// none, or err is of another kind.
func RequestID(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RequestID
	}
	return ""
}

// RetryAt is when the server said it would answer again, by its own clock, at most a day after its
// answer; zero where it did not say, or err is of another kind.
func RetryAt(err error) time.Time {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAt
	}
	return time.Time{}
}

// describe returns the same words for the same cause. The errors of net and net/http have
// addresses, ephemeral ports, and sometimes the server's bytes.
func describe(err error) string {
	for _, known := range []error{
		errInvalidInput, errIncompleteList, errTooLarge, errUnreadable, errRedirect, errForeign, errNotAllowed,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if errors.Is(err, context.Canceled) {
		return "the call was canceled"
	}
	if isTimeout(err) {
		return "no answer in time"
	}
	return describeNetwork(err)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || ok && timeout.Timeout()
}

func describeNetwork(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name cannot be resolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's TLS certificate is not trusted"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS"
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && (network.Op == "remote error" || network.Op == "local error") {
		return "the TLS handshake failed"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed before the whole answer came"
	}
	return "the connection failed"
}
