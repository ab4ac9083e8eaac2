// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// failureMessage says how a request failed that got no answer. The error's own text is not used: it has the URL. Where the Service leads
// is not told either: an author of EndpointSlices would look around by it.
func failureMessage(err error, timeout time.Duration) string {
	var refused refusedError
	var dial *net.OpError
	switch dialing := errors.As(err, &dial) && dial.Op == "dial"; {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no route to the target"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "the receiver has too many open connections"
	case dialing && isTimeout(err) && timeout > maxDial:
		return fmt.Sprintf("no connection within %s", maxDial)
	case isTimeout(err):
		return fmt.Sprintf("no answer within %s", timeout)
	case errors.Is(err, errHandshake):
		return fmt.Sprintf("sent more than %d KiB for its certificate and what proves it", maxHandshake>>10)
	case tlsMessage(err) != "":
		return tlsMessage(err)
	case errors.Is(err, context.Canceled):
		return "the receiver stopped before there was an answer"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the target closed the connection without an answer"
	case strings.Contains(err.Error(), "server response headers exceeded"):
		return fmt.Sprintf("answered with more than %d KiB of headers", maxAnswerHeaders>>10)
	case dialing:
		return "no connection"
	default:
		return malformed
	}
}

const malformed = "the target gave no complete answer in HTTP/1.1"

// brokenOff says how an answer ended that did not end as it should.
func brokenOff(err error, timeout time.Duration) string {
	if isTimeout(err) {
		return fmt.Sprintf("the answer did not end within %s", timeout)
	}
	return "the connection was closed in the middle of the answer"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout())
}

// resolveMessage says why there is no address. The namespace is that of the endpoint, which everybody who reads it knows.
func resolveMessage(err error, name string) string {
	var known *ResolveError
	switch {
	case errors.As(err, &known):
		return known.Error()
	case isTimeout(err):
		return fmt.Sprintf("the API server did not say in time where Service %s is", name)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Sprintf("the receiver may not read Service %s or its EndpointSlices: grant it get of services and list of endpointslices", name)
	default:
		return fmt.Sprintf("the API server did not say where Service %s is", name)
	}
}
