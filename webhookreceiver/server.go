// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"net/http"
	"time"
)

// Bounds on what a connection may take. Proxies keep idle connections for a minute or so and must not meet one that is just being closed.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second // the whole request
	writeTimeout      = 20 * time.Second // from the header's end to the answer's
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
)

// NewServer makes a server for the internet: every wait has an end, every size a bound.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
}
