// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// lazyHistogram is a histogram that comes with the first thing it observes: it has many series, and many targets get nothing.
type lazyHistogram struct {
	vector *prometheus.HistogramVec
	labels []string

	mu       sync.Mutex
	observer prometheus.Observer
	gone     bool
}

func (h *lazyHistogram) observe(value float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return // or the series of what is gone would come back
	}
	if h.observer == nil {
		h.observer = h.vector.WithLabelValues(h.labels...)
	}
	h.observer.Observe(value)
}

// end takes the histogram out of the vector, for good.
func (h *lazyHistogram) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	h.vector.DeleteLabelValues(h.labels...)
}
