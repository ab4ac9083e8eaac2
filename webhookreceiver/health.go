// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"io"
	"net/http"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
)

// HealthPath is where load balancers ask whether notifications are taken. Many can ask at the port alone to which they send requests, and
// take it for dead that nothing there is answered 200.
const HealthPath = "/healthz"

// isHealthCheck reports whether a request is a load balancer's question. No endpoint has this path.
func isHealthCheck(r *http.Request) bool {
	return r.URL.Path == HealthPath && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// health answers 200 while notifications are taken, and 503 else, and counts nothing. Anybody may ask, and learns nothing else: whoever
// does is a stranger as any other, whose connection is closed behind the answer. A store that is full is no reason for 503: requests are
// answered so with the reason, and taken again as soon as there is room, however seldom a load balancer asks.
func (h *Handler) health(w http.ResponseWriter, r *http.Request) {
	httpserver.Refuse(w, r)
	status, text := http.StatusOK, "ok"
	if !h.taking() {
		status, text = http.StatusServiceUnavailable, string(ReasonNotLoaded)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever has gone away need not be told
}

func (h *Handler) taking() bool {
	return h.Routes() != nil && (h.Ready == nil || h.Ready() == nil)
}
