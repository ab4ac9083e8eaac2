// SPDX-License-Identifier: Apache-2.0

package metricstest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// Page is a page with tables of metrics, whose rows begin with a name, a type and labels.
type Page struct {
	Path string
	// Prefix is what each name begins with.
	Prefix string
	// Types are those of a collector whose Go type does not tell; it may be nil, or return nil.
	Types func(prometheus.Collector) map[*prometheus.Desc]string
}

// metric is what users are told of one metric.
type metric struct {
	Type   string
	Labels []string
}

// Check fails the test where the page does not list just what register registers, or a name is not as Prometheus' users expect.
func (p Page) Check(t *testing.T, register func(prometheus.Registerer) error) {
	t.Helper()
	documented, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	registry := NewRecorder()
	if err := register(registry); err != nil {
		t.Fatal(err)
	}
	registered, err := p.registered(registry.Collectors)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("%s does not list what is registered (-registered +documented):\n%s", p.Path, diff)
	}
	for name, m := range registered {
		if problem := p.misnamed(name, m.Type); problem != "" {
			t.Error(problem)
		}
	}
}

func (p Page) misnamed(name, kind string) string {
	switch {
	case !strings.HasPrefix(name, p.Prefix):
		return fmt.Sprintf("%s does not begin with %s", name, p.Prefix)
	case strings.HasSuffix(name, "_total") != (kind == "counter"):
		return fmt.Sprintf("%s is a %s: counters, and only they, end in _total", name, kind)
	default:
		return ""
	}
}

func (p Page) registered(collectors []prometheus.Collector) (map[string]metric, error) {
	metrics := map[string]metric{}
	for _, c := range collectors {
		types, err := p.types(c)
		if err != nil {
			return nil, err
		}
		for d, kind := range types {
			name, labels, err := NameAndLabels(d)
			if err != nil {
				return nil, err
			}
			metrics[name] = metric{kind, labels}
		}
	}
	return metrics, nil
}

func (p Page) types(c prometheus.Collector) (map[*prometheus.Desc]string, error) {
	if p.Types != nil {
		if types := p.Types(c); types != nil {
			return types, nil
		}
	}
	kind := ""
	switch c.(type) {
	case *prometheus.CounterVec:
		kind = "counter"
	case *prometheus.GaugeVec, prometheus.Gauge:
		kind = "gauge"
	case *prometheus.HistogramVec, prometheus.Histogram:
		kind = "histogram"
	default:
		return nil, fmt.Errorf("a metric of type %T: say in metricstest what a page is to call it", c)
	}
	types := map[*prometheus.Desc]string{}
	for d := range Descriptions(c) {
		types[d] = kind
	}
	return types, nil
}

var (
	rowPattern   = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")
	labelPattern = regexp.MustCompile("`([a-z_]+)`")
)

// read reads the rows of the page's tables.
func (p Page) read() (map[string]metric, error) {
	text, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	metrics := map[string]metric{}
	for _, row := range rowPattern.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, label := range labelPattern.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		if _, twice := metrics[row[1]]; twice {
			return nil, fmt.Errorf("%s lists %s twice", p.Path, row[1])
		}
		metrics[row[1]] = metric{row[2], labels}
	}
	return metrics, nil
}
