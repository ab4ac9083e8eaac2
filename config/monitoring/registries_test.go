// SPDX-License-Identifier: Apache-2.0

package monitoring_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/metricstest"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/metrics"
)

// metric is what a registry says of one.
type metric struct {
	kind   string // counter, gauge, histogram; empty where the registry does not tell
	labels []string
}

// metricSet has metrics by name.
type metricSet map[string]metric

// ownMetrics are those that manager and receiver register themselves.
func ownMetrics(t *testing.T) metricSet {
	t.Helper()
	registry := metricstest.NewRecorder()
	if _, err := controllers.NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.New(registry, metrics.Options{}); err != nil {
		t.Fatal(err)
	}
	set := metricSet{}
	for _, c := range registry.Collectors {
		for name, labels := range described(t, c) {
			set[name] = metric{kind(name, c), labels}
		}
	}
	return set
}

// kind is a collector's, where a collector has one kind; else the name tells, as tests beside the metrics hold it to.
func kind(name string, c prometheus.Collector) string {
	switch c.(type) {
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	}
	if strings.HasSuffix(name, "_total") {
		return "counter"
	}
	return "gauge"
}

// frameworkMetrics are those that controller-runtime registers in the manager.
func frameworkMetrics(t *testing.T) metricSet {
	t.Helper()
	registry, ok := ctrlmetrics.Registry.(prometheus.Collector)
	if !ok {
		t.Fatalf("controller-runtime's registry, a %T, does not describe itself any more", ctrlmetrics.Registry)
	}
	set := metricSet{}
	for name, labels := range described(t, registry) {
		set[name] = metric{"", labels}
	}
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		set[family.GetName()] = metric{strings.ToLower(family.GetType().String()), set[family.GetName()].labels}
	}
	return set
}

// objectMetrics are those that kube-state-metrics makes of kube-state-metrics.yaml.
func objectMetrics(t *testing.T) metricSet {
	t.Helper()
	type paths map[string][]string
	var file struct {
		Kind string `json:"kind"`
		Spec struct {
			Resources []struct {
				GroupVersionKind map[string]string `json:"groupVersionKind"`
				Prefix           string            `json:"metricNamePrefix"`
				Metrics          []struct {
					Name string `json:"name"`
					Help string `json:"help"`
					Each struct {
						Type string `json:"type"`
						Info struct {
							Labels paths `json:"labelsFromPath"`
						} `json:"info"`
					} `json:"each"`
					Labels paths `json:"labelsFromPath"`
				} `json:"metrics"`
			} `json:"resources"`
		} `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(read(t, "kube-state-metrics.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	set := metricSet{}
	for _, resource := range file.Spec.Resources {
		for _, m := range resource.Metrics {
			labels := []string{"customresource_group", "customresource_kind", "customresource_version"}
			for _, from := range []paths{m.Labels, m.Each.Info.Labels} {
				for label := range from {
					labels = append(labels, label)
				}
			}
			slices.Sort(labels)
			set[resource.Prefix+"_"+m.Name] = metric{"gauge", labels}
		}
	}
	if len(set) == 0 {
		t.Fatal("kube-state-metrics.yaml has no metrics")
	}
	return set
}

// clusterMetrics are those that the dashboard takes from the kubelet and from kube-state-metrics, neither of which is in this repository.
func clusterMetrics() metricSet {
	container := []string{"namespace", "pod", "container"}
	return metricSet{
		"container_memory_working_set_bytes":       {"gauge", container},
		"container_cpu_usage_seconds_total":        {"counter", container},
		"kube_pod_container_resource_limits":       {"gauge", append([]string{"resource"}, container...)},
		"kube_pod_container_status_restarts_total": {"counter", container},
	}
}

// described are the names and labels of a collector's metrics.
func described(t *testing.T, c prometheus.Collector) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	for d := range metricstest.Descriptions(c) {
		name, labels, err := metricstest.NameAndLabels(d)
		if err != nil {
			t.Error(err)
		}
		names[name] = labels
	}
	return names
}
