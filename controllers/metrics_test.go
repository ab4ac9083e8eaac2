// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/metricstest"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestMetricsAreThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	page := metricstest.Page{Path: "../docs/metrics.md", Prefix: "cloudinary_manager_"}
	page.Check(t, func(r prometheus.Registerer) error {
		_, err := NewMetrics(r)
		return err
	})
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
