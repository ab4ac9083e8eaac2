// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// documentedMetric is what users are told of one metric.
type documentedMetric struct {
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
	if _, err := NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	registered := map[string]documentedMetric{}
	for _, c := range registry.collectors {
		for _, d := range described(c) {
			name, labels := nameAndLabels(t, d)
			registered[name] = documentedMetric{metricType(t, c), labels}
		}
	}
	if diff := cmp.Diff(registered, documentedMetrics(t, "../docs/metrics.md")); diff != "" {
		t.Errorf("docs/metrics.md does not list what NewMetrics registers (-registered +documented):\n%s", diff)
	}
}

func TestMetricNamesFollowTheConvention(t *testing.T) {
	t.Parallel()
	for name, m := range documentedMetrics(t, "../docs/metrics.md") {
		if !strings.HasPrefix(name, "cloudinary_manager_") {
			t.Errorf("%s does not begin with cloudinary_manager_", name)
		}
		if got, want := strings.HasSuffix(name, "_total"), m.Type == "counter"; got != want {
			t.Errorf("%s is a %s: counters, and only they, end in _total", name, m.Type)
		}
	}
}

func described(c prometheus.Collector) []*prometheus.Desc {
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		c.Describe(ch)
	}()
	var descs []*prometheus.Desc
	for d := range ch {
		descs = append(descs, d)
	}
	return descs
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

func metricType(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec, prometheus.Gauge:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	default:
		t.Fatalf("a metric of type %T: say here what docs/metrics.md is to call it", c)
		return ""
	}
}

var (
	rowPattern   = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")
	labelPattern = regexp.MustCompile("`([a-z_]+)`")
)

// documentedMetrics reads the rows of a page's tables that begin with a name, a type and labels.
func documentedMetrics(t *testing.T, page string) map[string]documentedMetric {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]documentedMetric{}
	for _, row := range rowPattern.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, label := range labelPattern.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		if _, twice := documented[row[1]]; twice {
			t.Errorf("%s lists %s twice", page, row[1])
		}
		documented[row[1]] = documentedMetric{row[2], labels}
	}
	return documented
}

func TestTheBuildIsTold(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	m.Build(release.Info{Version: "v1.2.3", Commit: "abc", GoVersion: "go1.26.8"})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				got = append(got, fmt.Sprintf("%s %s=%s %v", family.GetName(), label.GetName(), label.GetValue(), metric.GetGauge().GetValue()))
			}
		}
	}
	want := []string{
		"cloudinary_manager_build_info go_version=go1.26.8 1", "cloudinary_manager_build_info revision=abc 1", "cloudinary_manager_build_info version=v1.2.3 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestObjectsAreCountedByHowTheyStand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	good, lost := f.trigger("images", "media", "upload"), f.trigger("lost", "nowhere", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), good, lost)
	ready(f, good)
	becomes(f, lost, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
	want := map[string]float64{
		"CloudinaryTrigger True": 1, "CloudinaryTrigger False": 1, "CloudinaryTrigger Unknown": 0,
		"NotificationEndpoint True": 1, "NotificationEndpoint False": 0, "NotificationEndpoint Unknown": 0,
	}
	f.eventually(func() error {
		if diff := cmp.Diff(want, f.objectsCounted()); diff != "" {
			return fmt.Errorf("cloudinary_manager_objects (-want +got):\n%s", diff)
		}
		return nil
	})
}

// objectsCounted are the values of cloudinary_manager_objects, by kind and ready.
func (f *fixture) objectsCounted() map[string]float64 {
	f.Helper()
	families, err := f.registry.Gather()
	f.must(err)
	counted := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "cloudinary_manager_objects" {
			continue
		}
		for _, m := range family.GetMetric() { // labels are sorted by name
			counted[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return counted
}

// Whoever may edit a Secret could otherwise make any number of series.
func TestCloudsThatNoSecretNamesHaveNoSeries(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	clouds := func() []string {
		families, err := f.registry.Gather()
		f.must(err)
		var found []string
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "cloud" {
						found = append(found, l.GetValue())
					}
				}
			}
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	become := func(want ...string) {
		t.Helper()
		f.eventually(func() error {
			if diff := cmp.Diff(want, clouds()); diff != "" {
				return fmt.Errorf("clouds that have series (-want +got):\n%s", diff)
			}
			return nil
		})
	}
	secret, ep := f.secret("cloudinary"), f.endpoint("media", hook)
	f.create(secret, ep)
	ready(f, ep)
	become(f.cloud)
	for i := range 3 {
		name := fmt.Sprintf("never-accepted-%d", i)
		setURL(f, secret, strings.Replace(f.secretURL, "@"+f.cloud, "@"+name, 1))
		become(name)
	}
	f.delete(ep, secret)
	f.gone(ep, secret)
	become()
}
