// SPDX-License-Identifier: Apache-2.0

// Package service sends notifications to Services of the cluster over HTTP, with TLS or without: as they came, or as CloudEvents.
//
// It must not follow where an answer points to, ask DNS or the environment where to go, or send to an address that is not the
// cluster's: the addresses of loopback, link-local and multicast networks and of metadata services are refused when the connection is
// made, whatever named them, and so is a Service that leads to one. No address and no text of an answer gets into a message.
package service

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

const (
	// maxAnswer is how much of an answer is read; nothing in it matters but that it ends.
	maxAnswer = 64 << 10
	// maxAnswerHeaders bounds what a target can have kept by its answer: of short lines, each takes some twenty times its bytes.
	maxAnswerHeaders = 8 << 10
	maxDial          = 5 * time.Second

	maxIdleConns        = 256
	maxIdleConnsPerHost = 16
	idleConnTimeout     = 60 * time.Second
)

// AttemptBytes is what an attempt takes at most beside the body that it sends, with a target that answers with as much as is read of it.
const AttemptBytes = 320 << 10

// RememberedBytes is what is remembered between attempts at most: certificates of authorities, where Services are, and since when targets are
// being rolled out.
const RememberedBytes = 16 << 20

// Options say how a Sender reaches Services. Resolver is needed.
type Options struct {
	Resolver Resolver
	// Reader gets the ConfigMaps that targets name for the authorities of their certificates.
	Reader Reader
	// Addresses are judged of each connection that is made.
	Addresses Addresses
	// Dial makes connections, once their address was judged. Nil: over the system's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now tells the time. Nil: the system's.
	Now func() time.Time
	// Logger is told at level 1 which address gave no answer.
	Logger logr.Logger
}

// Sender sends to Services. It is a delivery.Sender.
type Sender struct {
	resolver  Resolver
	trust     *trust
	patience  *patience
	prober    *prober
	transport *http.Transport
	now       func() time.Time
	log       logr.Logger
}

// New makes a Sender with connections of its own.
func New(o Options) *Sender {
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the one place where the injected clock gets its default
	}
	dial := o.dial()
	checked := &checkedDialer{resolver: o.Resolver, connect: dial}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Sender{
		resolver: o.Resolver, now: o.Now, log: o.Logger, trust: newTrust(o.Reader, o.Now), patience: newPatience(),
		prober: &prober{dial: dial, now: o.Now, known: map[string]probed{}},
		transport: &http.Transport{
			DialContext:            checked.dial,
			DialTLSContext:         checked.dialTLS,
			Protocols:              protocols,
			DisableCompression:     true, // an answer is not looked at
			MaxIdleConns:           maxIdleConns,
			MaxIdleConnsPerHost:    maxIdleConnsPerHost,
			IdleConnTimeout:        idleConnTimeout,
			MaxResponseHeaderBytes: maxAnswerHeaders,
		},
	}
}

// dialFunc makes a connection to an address.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dial makes connections to addresses that are judged first.
func (o *Options) dial() dialFunc {
	judge := o.Addresses.judge()
	if o.Dial == nil {
		dialer := &net.Dialer{Timeout: maxDial, KeepAlive: 30 * time.Second, ControlContext: judge.guard}
		return dialer.DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := judge.guard(ctx, network, address, nil); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, maxDial)
		defer cancel()
		return o.Dial(ctx, network, address)
	}
}

// checkedDialer asks once more where a Service leads, which may be what is not allowed since it was resolved.
type checkedDialer struct {
	resolver Resolver
	connect  dialFunc
}

// service is a port of a Service, in the context of a request to it.
type service struct {
	namespace, name string
	port            intstr.IntOrString
}

type serviceKey struct{}

func (d *checkedDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s, ok := ctx.Value(serviceKey{}).(service); ok {
		if err := d.resolver.Check(ctx, s.namespace, s.name, s.port); err != nil {
			return nil, &checkError{err}
		}
	}
	return d.connect(ctx, network, address)
}

// dialTLS connects to the address that the request's context has, and not to that of its URL: see connectionName.
func (d *checkedDialer) dialTLS(ctx context.Context, network, _ string) (net.Conn, error) {
	to, ok := ctx.Value(encryptedKey{}).(encrypted)
	if !ok {
		return nil, errNotEncrypted
	}
	conn, err := d.dial(ctx, network, to.address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxDial)
	defer cancel()
	beneath := newHandshake(conn)
	over := tls.Client(beneath, to.config)
	if err := over.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	beneath.over()
	return over, nil
}

var errNotEncrypted = errors.New("nothing says how to encrypt")

// checkError is why a connection was not made.
type checkError struct{ cause error }

func (e *checkError) Error() string { return "check: " + e.cause.Error() }
func (e *checkError) Unwrap() error { return e.cause }

// Close closes the connections that are not in use.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Send makes one request. It lasts for the target's timeout at most.
func (s *Sender) Send(ctx context.Context, d *delivery.Delivery) delivery.Result {
	result := s.attempt(ctx, d)
	if result.Verdict != delivery.Failed || !passing(result.StatusCode) {
		s.patience.settled(d)
	}
	return result
}

func (s *Sender) attempt(ctx context.Context, d *delivery.Delivery) delivery.Result {
	target := d.Target.Service
	timeout := target.Timeout
	if timeout <= 0 {
		timeout = route.DefaultServiceTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	address, err := s.resolver.Resolve(ctx, d.Endpoint.Key.Namespace, target.Name, target.Port)
	if err != nil {
		return delivery.Result{Message: resolveMessage(err, target.Name)}
	}
	to := service{namespace: d.Endpoint.Key.Namespace, name: target.Name, port: target.Port}
	ctx = context.WithValue(ctx, serviceKey{}, to)
	scheme, host, usual := "http://", address.HostPort, int32(80)
	if target.TLS != nil {
		scheme, usual = "https://", 443
		if ctx, host, err = s.encrypt(ctx, to.namespace, target, &address); err != nil {
			return delivery.Result{Message: trustMessage(err, target.TLS.CAConfigMap)}
		}
	}
	req, err := newRequest(ctx, d, scheme+host, address.header(usual))
	if err != nil {
		// The message of err may have the path, and so what is secret in it.
		return delivery.Result{Message: "the path of the target is not a valid URL path"}
	}
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		s.log.V(1).Info("A target gave no answer", "endpoint", d.Endpoint.Key, "target", d.Target.Name, "address", address.HostPort)
		return delivery.Result{Message: s.noAnswer(ctx, err, target, &address, timeout)}
	}
	defer res.Body.Close()
	read := readAnswer(res)
	if target.TLS == nil && mayBeTLS(res.StatusCode, nil) && s.prober.speaksTLS(ctx, address.HostPort) {
		return delivery.Result{StatusCode: res.StatusCode, Message: speaksTLS}
	}
	return s.judge(d, res, read, timeout)
}

// encrypt puts into the context how the connection is made, and returns the host of the URL.
func (s *Sender) encrypt(ctx context.Context, namespace string, target *route.Service, address *Address) (context.Context, string, error) {
	authorities, err := s.trust.of(ctx, namespace, target.TLS)
	if err != nil {
		return ctx, "", err
	}
	serverName := cmp.Or(target.TLS.ServerName, address.Host)
	config := &tls.Config{RootCAs: authorities.pool, ServerName: serverName, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	ctx = context.WithValue(ctx, encryptedKey{}, encrypted{address: address.HostPort, config: config})
	return ctx, connectionName(namespace, target, address.HostPort, &authorities, serverName), nil
}

// noAnswer says why there was none.
func (s *Sender) noAnswer(ctx context.Context, err error, target *route.Service, address *Address, timeout time.Duration) string {
	to, _ := ctx.Value(serviceKey{}).(service)
	s.resolver.Forget(to.namespace, to.name, to.port)
	if check := (*checkError)(nil); errors.As(err, &check) {
		return resolveMessage(check.cause, to.name)
	}
	if target.TLS == nil && mayBeTLS(0, err) && s.prober.speaksTLS(ctx, address.HostPort) {
		return speaksTLS
	}
	return failureMessage(err, timeout)
}

// readAnswer reads an answer to its end, or as much of it as anybody would, and says how that ended.
func readAnswer(res *http.Response) error {
	if res.StatusCode < http.StatusOK {
		// With 101 Switching Protocols the connection itself takes the place of the body. No timeout holds for it, and nothing has to end.
		return nil
	}
	_, err := io.CopyN(io.Discard, res.Body, maxAnswer)
	return err
}

// newRequest makes the request to a URL without its path.
func newRequest(ctx context.Context, d *delivery.Delivery, url, host string) (*http.Request, error) {
	path := d.Target.Service.Path
	if path == "" {
		path = "/"
	}
	if path[0] != '/' {
		return nil, errPath
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, bytes.NewReader(d.Record.Body))
	if err != nil {
		return nil, err
	}
	req.Host = host
	if d.Target.Service.CloudEvents {
		cloudEventHeader(req.Header, d)
	} else {
		originalHeader(req.Header, d)
	}
	return req, nil
}

var errPath = errors.New("a path starts with a slash")

// judge says what an answer means; read is how reading its body ended.
func (s *Sender) judge(d *delivery.Delivery, res *http.Response, read error, timeout time.Duration) delivery.Result {
	code := res.StatusCode
	result := delivery.Result{StatusCode: code, Message: "answered " + strconv.Itoa(code)}
	switch {
	case code >= 200 && code <= 299:
		// A target that breaks off its answer may have broken off more than that.
		if read != nil && !errors.Is(read, io.EOF) {
			result.Message += ", but " + brokenOff(read, timeout)
			return result
		}
		return delivery.Result{Verdict: delivery.Delivered, StatusCode: code}
	case code >= 300 && code <= 399:
		result.Message += ": redirects are not followed; set the path that it points to"
	case passing(code) && !s.patience.ends(d, s.now()):
		result.Message += fmt.Sprintf(", as a target also does while it is rolled out: this is a refusal after %d minutes", int(patientFor.Minutes()))
		result.RetryAfter = retryAfter(res.Header, s.now())
	case passing(code):
		result.Message += fmt.Sprintf(" for %d minutes", int(patientFor.Minutes()))
		result.Verdict = delivery.Refused
	case code >= 400 && code <= 499 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		result.Verdict = delivery.Refused
	default:
		result.RetryAfter = retryAfter(res.Header, s.now())
	}
	return result
}

// retryAfter reads the header of that name: seconds, or a time by the clock that the answer's Date is from. How much of it is heeded
// is not decided here, so more than can be is as much as can be.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(until.Sub(now), 0)
}
