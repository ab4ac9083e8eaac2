// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"net/http"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
)

// DefaultMaxConnections is how many connections notifications come in on. Cloudinary's own, or those of the proxies before the receiver,
// are a few dozen.
const DefaultMaxConnections = 1024

// Limits are those of the listener for notifications, which faces the internet.
func Limits(maxConnections int) httpserver.Limits {
	return httpserver.Limits{
		MaxConnections: maxConnections, MaxHeaderBytes: httpserver.DefaultMaxHeaderBytes, MaxHeaderLines: httpserver.DefaultMaxHeaderLines,
		HeaderTimeout:    5 * time.Second,
		BodyStartTimeout: 3 * time.Second,
		RequestTimeout:   15 * time.Second,
		AnswerTimeout:    20 * time.Second,
		// Proxies keep idle connections for a minute or so and must not meet one that is just being closed.
		IdleTimeout:         2 * time.Minute,
		StrangerIdleTimeout: 5 * time.Second,
		LastRequests:        time.Second,
	}
}

// NewServer makes a server for the internet: every wait has an end, every size a bound.
func NewServer(handler http.Handler, maxConnections int) *httpserver.Server {
	return httpserver.New(httpserver.Options{Handler: handler, Limits: Limits(maxConnections)})
}
