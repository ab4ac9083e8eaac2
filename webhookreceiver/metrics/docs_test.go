// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const page = "../../docs/receiver-metrics.md"

// documented is what users are told of one metric.
type documented struct {
	Type   string
	Labels []string
}

// recordingRegistry keeps what is registered: a registry gathers a vector only once it has children.
type recordingRegistry struct {
	*prometheus.Registry

	collectors []prometheus.Collector
}

func (r *recordingRegistry) Register(c prometheus.Collector) error {
	r.collectors = append(r.collectors, c)
	return r.Registry.Register(c)
}

func TestMetricsAreThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	registry := &recordingRegistry{Registry: prometheus.NewRegistry()}
	if _, err := New(registry, Options{}); err != nil {
		t.Fatal(err)
	}
	registered := map[string]documented{}
	for _, c := range registry.collectors {
		for d, kind := range described(t, c) {
			name, labels := nameAndLabels(t, d)
			registered[name] = documented{kind, labels}
		}
	}
	if diff := cmp.Diff(registered, documentedMetrics(t)); diff != "" {
		t.Errorf("%s does not list what New registers (-registered +documented):\n%s", page, diff)
	}
}

func TestMetricNamesFollowTheConvention(t *testing.T) {
	t.Parallel()
	for name, m := range documentedMetrics(t) {
		if !strings.HasPrefix(name, "cloudinary_receiver_") {
			t.Errorf("%s does not begin with cloudinary_receiver_", name)
		}
		if got, want := strings.HasSuffix(name, "_total"), m.Type == "counter"; got != want {
			t.Errorf("%s is a %s: counters, and only they, end in _total", name, m.Type)
		}
	}
}

func described(t *testing.T, c prometheus.Collector) map[*prometheus.Desc]string {
	t.Helper()
	kinds := map[*prometheus.Desc]string{}
	if r, ok := c.(*reader); ok {
		for _, m := range r.metrics {
			kinds[m.desc] = map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge"}[m.kind]
		}
		return kinds
	}
	ch := make(chan *prometheus.Desc, 10)
	c.Describe(ch)
	close(ch)
	for d := range ch {
		switch c.(type) {
		case *prometheus.CounterVec:
			kinds[d] = "counter"
		case *prometheus.HistogramVec, prometheus.Histogram:
			kinds[d] = "histogram"
		default:
			t.Fatalf("a metric of type %T: say here what the page is to call it", c)
		}
	}
	return kinds
}

var descPattern = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".* variableLabels: \{([^}]*)\}\}$`)

// nameAndLabels reads a description's text, the only place where it shows them.
func nameAndLabels(t *testing.T, d *prometheus.Desc) (name string, labels []string) {
	t.Helper()
	match := descPattern.FindStringSubmatch(d.String())
	if match == nil {
		t.Fatalf("cannot read %s", d)
	}
	if match[2] == "" {
		return match[1], nil
	}
	labels = strings.Split(match[2], ",")
	slices.Sort(labels)
	return match[1], labels
}

var (
	rowPattern   = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")
	labelPattern = regexp.MustCompile("`([a-z_]+)`")
)

// documentedMetrics reads the rows of the page's tables.
func documentedMetrics(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]documented{}
	for _, row := range rowPattern.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, label := range labelPattern.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		if _, twice := found[row[1]]; twice {
			t.Errorf("%s lists %s twice", page, row[1])
		}
		found[row[1]] = documented{row[2], labels}
	}
	return found
}
