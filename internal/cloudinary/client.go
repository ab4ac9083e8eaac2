// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// Defaults of ClientOptions.
const (
	DefaultTimeout   = 30 * time.Second
	DefaultUserAgent = "cloudinary-operator/dev"
	// DefaultMaxBody is enough for the largest list within Cloudinary's limits: 30 URLs, 30 event
	// types, and 16 KB each of filter and template.
	DefaultMaxBody = 32 << 20
)

// maxAnswer is enough for an answer that is not a list: one trigger at most.
const maxAnswer = 1 << 20

// maxErrorBody is enough for any error.message. A longer body is not the Admin API's.
const maxErrorBody = 64 << 10

// ClientOptions configure a Client. The zero value is ready for use.
type ClientOptions struct {
	// Transport makes the calls. Several clients may share one, and so its connections. Nil: a new
	// one of NewTransport.
	Transport http.RoundTripper
	// Timeout bounds each call from dialing to the last byte of the answer. Not positive:
	// DefaultTimeout.
	Timeout time.Duration
	// UserAgent is the header User-Agent, in the form product/version. Empty: DefaultUserAgent.
	UserAgent string
	// MaxBody is the largest list in bytes, after decompression. Not positive: DefaultMaxBody.
	// Other answers have at most 1 MiB.
	MaxBody int64
	// Now is the clock for answers without a time. Nil: the client ignores when such a server wants
	// to be called again.
	Now func() time.Time
	// Bases are the Admin APIs that may be called. Errors show only the status of an answer from
	// one that they do not trust.
	Bases APIBases
}

// Client calls the Admin API of one product environment with one set of credentials. It is safe for
// concurrent use. Every error of its methods is an *Error.
type Client struct {
	credentials func() Credentials // a function, since fmt cannot print what it returns
	base        string
	http        *http.Client
	timeout     time.Duration
	userAgent   string
	maxBody     int64
	now         func() time.Time
	allowed     bool // there are no calls otherwise
	trusted     bool // errors may tell of what was answered
}

// NewTransport returns a transport for many clients at once: TLS 1.2 or newer, a time limit for
// every phase, a few idle connections, and the proxies of the process's environment variables.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// NewClient returns a client for the credentials' product environment. It makes no call.
func NewClient(credentials Credentials, options ClientOptions) *Client {
	if options.Transport == nil {
		options.Transport = NewTransport()
	}
	if options.Timeout <= 0 {
		options.Timeout = DefaultTimeout
	}
	if options.MaxBody <= 0 {
		options.MaxBody = DefaultMaxBody
	}
	if options.Now == nil {
		options.Now = func() time.Time { return time.Time{} }
	}
	env := credentials.Environment()
	return &Client{
		credentials: func() Credentials { return credentials },
		base:        env.APIBase + "/v1_1/" + url.PathEscape(env.CloudName) + "/triggers",
		http: &http.Client{
			Transport: options.Transport,
			// A redirect could carry a request to another host; no documented answer is one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout:   options.Timeout,
		userAgent: cmp.Or(options.UserAgent, DefaultUserAgent),
		maxBody:   options.MaxBody,
		now:       options.Now,
		allowed:   options.Bases.Allows(env.APIBase),
		trusted:   options.Bases.Trusts(env.APIBase),
	}
}

// Environment is the product environment that the client calls.
func (c *Client) Environment() Environment { return c.credentials().Environment() }

// call is one request, and its name in errors.
type call struct {
	operation string
	method    string
	path      string // below …/triggers, escaped
	body      []byte // nil: none
	write     bool   // it changes something, so its effect may be unknown
	// read reads the body of an answer with status 200 while it arrives. Nil: the body is returned.
	read func(io.Reader) error
}

// answer is an answer with a 2xx status.
type answer struct {
	status int
	body   []byte
}

// do makes one call. It returns the body of an answer with a 2xx status, and an *Error for any
// other.
func (c *Client) do(ctx context.Context, call call) (answer, Meta, error) {
	if !c.allowed {
		return answer{}, Meta{}, &Error{Operation: call.operation, Err: errNotAllowed}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return answer{}, Meta{}, &Error{Operation: call.operation, Err: err}
	}
	var sent tracker
	request, err := c.request(httptrace.WithClientTrace(ctx, sent.trace()), call)
	if err != nil {
		// Not wrapped: it would quote the URL.
		return answer{}, Meta{}, &Error{Operation: call.operation, Err: errInvalidInput}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, Meta{}, &Error{
			Operation: call.operation, Err: withoutURL(err), Ambiguous: call.write && sent.maybe(err), Elsewhere: !c.trusted,
		}
	}
	defer func() { _ = response.Body.Close() }()
	meta := readMeta(response.Header)
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return answer{}, meta, c.refusal(call, response, meta)
	}
	body, err := c.readBody(call, response)
	if err != nil {
		e := c.unreadable(call, response.StatusCode, err)
		e.RequestID = meta.RequestID
		return answer{}, meta, e
	}
	return answer{status: response.StatusCode, body: body}, meta, nil
}

func (c *Client) readBody(call call, response *http.Response) ([]byte, error) {
	switch {
	case call.read == nil:
		return readBody(response.Body, min(c.maxBody, maxAnswer))
	case response.StatusCode != http.StatusOK:
		return nil, errUnreadable
	default:
		return nil, call.read(&boundedReader{from: response.Body, left: c.maxBody})
	}
}

// boundedReader fails if there is more than the limit.
type boundedReader struct {
	from io.Reader
	left int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p[:min(int64(len(p)), r.left+1)])
	if r.left -= int64(n); r.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	var body io.Reader
	if call.body != nil {
		body = bytes.NewReader(call.body)
	}
	request, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, body)
	if err != nil {
		return nil, err
	}
	if call.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.userAgent)
	if credentials := c.credentials(); credentials.OAuthToken != "" {
		request.Header.Set("Authorization", "Bearer "+credentials.OAuthToken)
	} else {
		request.SetBasicAuth(credentials.APIKey, credentials.APISecret)
	}
	return request, nil
}

// unreadable is the error for a 2xx answer that cannot be used: a write may have had an effect.
func (c *Client) unreadable(k call, status int, cause error) *Error {
	return &Error{Operation: k.operation, StatusCode: status, Err: cause, Ambiguous: k.write, Elsewhere: !c.trusted}
}

func readBody(body io.Reader, limit int64) ([]byte, error) {
	read, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(read)) > limit {
		return nil, errTooLarge
	}
	return read, nil
}

// withoutURL removes the *url.Error that net/http puts around every error.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// tracker finds out whether a request can have left this machine.
type tracker struct {
	asked, connected atomic.Bool
}

func (t *tracker) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	}
}

// maybe reports whether the request that failed with err may have reached the server. If the
// transport does not report its connections, the answer is yes.
func (t *tracker) maybe(err error) bool {
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "dial" {
		return false
	}
	return t.connected.Load() || !t.asked.Load()
}
