// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloudinary-operator/cloudinary-operator/internal/metricstest"
)

func TestMetricsAreThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	page := metricstest.Page{Path: "../../docs/receiver-metrics.md", Prefix: "cloudinary_receiver_", Types: typesOfReader}
	page.Check(t, func(r prometheus.Registerer) error {
		_, err := New(r, Options{})
		return err
	})
}

// typesOfReader are those of the metrics that are read where they are kept when somebody asks.
func typesOfReader(c prometheus.Collector) map[*prometheus.Desc]string {
	r, ok := c.(*reader)
	if !ok {
		return nil
	}
	types := map[*prometheus.Desc]string{}
	for _, m := range r.metrics {
		types[m.desc] = map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge"}[m.kind]
	}
	return types
}
