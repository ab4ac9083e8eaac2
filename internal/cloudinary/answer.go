// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

const (
	maxMessageBytes = 256
	maxRetryWait    = 24 * time.Hour
	// minRedactable keeps a very short secret from eating the message. Real ones have at least 15
	// characters.
	minRedactable = 4
)

var (
	urlPattern = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*):(?:\\*/){2}([^\s"'<>]*)`)
	escapedURL = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*%3a%2f%2f[^\s"'<>]*`)
	// addressPattern matches user:password@host, and people's e-mail addresses.
	addressPattern  = regexp.MustCompile(`\S+@\S+`)
	queryPattern    = regexp.MustCompile(`\?[^\s?=]+=\S*`)
	tryAgainPattern = regexp.MustCompile(`(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) UTC`)
)

// refusal turns an answer without a 2xx status into an Error.
func (c *Client) refusal(call call, response *http.Response, meta Meta) *Error {
	e := &Error{Operation: call.operation, StatusCode: response.StatusCode, Elsewhere: !c.trusted, RequestID: meta.RequestID}
	body, readErr := readBody(response.Body, maxErrorBody)
	message, ours := errorMessage(body)
	ours = ours && readErr == nil
	switch {
	case response.StatusCode < 400:
		e.Err = errRedirect
	case ours && !c.trusted:
		e.limited, e.malformed = says(message, "limit_reached"), says(message, "invalid_or_malformed_attribute")
	case ours:
		e.limited, e.malformed = says(message, "limit_reached"), says(message, "invalid_or_malformed_attribute")
		credentials := c.credentials()
		e.Message = sanitize(message, credentials.APISecret, credentials.OAuthToken)
	default:
		e.Err = errForeign
	}
	e.Ambiguous = call.write && !isDefinite(response.StatusCode, ours)
	e.RetryAt = c.retryAt(response, meta, message)
	return e
}

// isDefinite reports whether an answer proves that the request had no effect: it is the Admin API's
// own refusal, or a status with which a server refuses to forward a request.
func isDefinite(status int, ours bool) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		statusRateLimited, http.StatusTooManyRequests:
		return true
	case http.StatusRequestTimeout:
		return false
	}
	return ours && status >= 400 && status < 500
}

func (c *Client) retryAt(response *http.Response, meta Meta, message string) time.Time {
	limited := response.StatusCode == statusRateLimited || response.StatusCode == http.StatusTooManyRequests
	if !limited && response.StatusCode < 500 {
		return time.Time{}
	}
	answered := meta.Date
	if answered.IsZero() {
		answered = c.now().UTC()
	}
	if answered.IsZero() {
		return time.Time{}
	}
	var at time.Time
	if limited && spent(meta) { // a refusal with calls left is of another, shorter limit
		at = readReset(response.Header)
	}
	if at.IsZero() {
		at = parseRetryAfter(response.Header.Get("Retry-After"), answered)
	}
	if at.IsZero() && limited {
		at = readReset(response.Header)
	}
	if at.IsZero() && limited {
		at = parseTryAgain(message)
	}
	if latest := answered.Add(maxRetryWait); at.After(latest) {
		return latest
	}
	return at
}

// spent reports whether the hour's calls are used up, as far as is known.
func spent(meta Meta) bool { return meta.RateLimit == nil || meta.RateLimit.Remaining <= 0 }

func parseRetryAfter(value string, answered time.Time) time.Time {
	seconds, err := strconv.Atoi(value)
	if err != nil {
		return parseHTTPDate(value)
	}
	if seconds < 0 {
		return time.Time{}
	}
	return answered.Add(time.Duration(min(seconds, int(maxRetryWait/time.Second))) * time.Second)
}

// parseTryAgain reads "Try again on 2024-10-04 14:00:00 UTC".
func parseTryAgain(message string) time.Time {
	match := tryAgainPattern.FindStringSubmatch(message)
	if match == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.DateTime, match[1])
	if err != nil {
		return time.Time{}
	}
	return at
}

// parseHTTPDate reads the forms HTTP allows, and "UTC" where they say "GMT"; zero otherwise.
func parseHTTPDate(value string) time.Time {
	at, err := http.ParseTime(value)
	if err != nil {
		at, err = time.Parse(time.RFC1123, value)
	}
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

func readReset(header http.Header) time.Time {
	return parseHTTPDate(header.Get("X-FeatureRateLimit-Reset"))
}

func readMeta(header http.Header) Meta {
	meta := Meta{Date: parseHTTPDate(header.Get("Date")), RequestID: requestID(header.Get("X-Request-Id"))}
	limit, limitErr := strconv.Atoi(header.Get("X-FeatureRateLimit-Limit"))
	remaining, remainingErr := strconv.Atoi(header.Get("X-FeatureRateLimit-Remaining"))
	if limitErr == nil && remainingErr == nil {
		meta.RateLimit = &RateLimit{Limit: max(limit, 0), Remaining: max(remaining, 0), Reset: readReset(header)}
	}
	return meta
}

const maxRequestID = 128

// requestID is a server's request id for a log. A text that does not look like an id gives an empty
// one.
func requestID(sent string) string {
	odd := strings.ContainsFunc(sent, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/+=", r)
	})
	if odd || len(sent) > maxRequestID {
		return ""
	}
	return sent
}

// sanitize makes a server's message fit for a condition: one printable line, no secrets, and only
// scheme and host of URLs, which may have tokens in userinfo, path and query.
func sanitize(message string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= minRedactable {
			message = strings.ReplaceAll(message, secret, "…")
		}
	}
	message = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return ' '
		}
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, message)
	message = escapedURL.ReplaceAllString(message, "…")
	message = urlPattern.ReplaceAllStringFunc(message, shortenURL)
	message = addressPattern.ReplaceAllString(message, "…")
	message = queryPattern.ReplaceAllString(message, "?…")
	return excerpt.Shorten(strings.Join(strings.Fields(message), " "), maxMessageBytes)
}

func shortenURL(found string) string {
	match := urlPattern.FindStringSubmatch(found)
	scheme, rest := match[1], match[2]
	end := strings.IndexAny(rest, `/\?#`)
	authority := rest
	if end >= 0 {
		authority = rest[:end]
	}
	if strings.Contains(rest, "@") || strings.Contains(strings.ToLower(rest), "%40") {
		return scheme + "://…" // a password may hold a slash: where the host begins is a guess
	}
	if end < 0 || end == len(rest)-1 && rest[end] == '/' {
		return scheme + "://" + authority
	}
	return scheme + "://" + authority + "/…"
}
