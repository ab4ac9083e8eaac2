// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Metrics are the manager's metrics. docs/metrics.md says what each means.
type Metrics struct {
	calls     *prometheus.CounterVec
	changes   *prometheus.CounterVec
	passes    *prometheus.HistogramVec
	waits     prometheus.Histogram
	units     prometheus.Gauge
	triggers  *prometheus.GaugeVec
	urls      *prometheus.GaugeVec
	urlLimit  *prometheus.GaugeVec
	remaining *prometheus.GaugeVec
	share     *prometheus.GaugeVec
	short     *prometheus.GaugeVec
	objects   *prometheus.GaugeVec
	waiting   prometheus.Gauge
	build     *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloudinary_manager_admin_api_calls_total",
			Help: "Admin API calls, by cloud name, operation (list, create, update, delete) and HTTP status (2xx: success, 0: no answer).",
		}, []string{"cloud", "operation", "status"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloudinary_manager_changes_total",
			Help: "Changes made at Cloudinary, by action (create, update, delete) and cause (spec, adoption, drift, ignored, released).",
		}, []string{"action", "cause"}),
		passes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cloudinary_manager_pass_duration_seconds", Help: "Duration of a pass, by the kind of its unit (environment, secret, endpoint).",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300},
		}, []string{"unit"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cloudinary_manager_pass_wait_seconds", Help: "How long a unit waited for its pass, once that was due.",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300},
		}),
		units: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cloudinary_manager_units_waiting", Help: "Units that wait for their pass, for which their namespaces have no share left, or their host has no room.",
		}),
		triggers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_triggers", Help: "Triggers that the operator holds in a product environment, by cloud name.",
		}, []string{"cloud"}),
		urls: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_notification_urls", Help: "Different notification URLs in a product environment, whoever made them, by cloud name.",
		}, []string{"cloud"}),
		urlLimit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_notification_url_limit", Help: "How many different notification URLs a product environment may hold, by cloud name.",
		}, []string{"cloud"}),
		remaining: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_admin_api_calls_remaining", Help: "Admin API calls left until Cloudinary's next reset, as its last answer to a list said, by cloud name.",
		}, []string{"cloud"}),
		share: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_admin_api_call_share_remaining", Help: "Admin API calls that the operator may still make of its share until Cloudinary's next reset, by cloud name.",
		}, []string{"cloud"}),
		short: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_changes_waiting", Help: "Changes that wait until there are Admin API calls for them, by cloud name.",
		}, []string{"cloud"}),
		objects: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_objects", Help: "Objects in the cluster, by kind and by the status of their condition Ready, as the last pass found them.",
		}, []string{"kind", "ready"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cloudinary_manager_deletions_waiting", Help: "CloudinaryTriggers that are being deleted and still hold triggers at Cloudinary.",
		}),
		build: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudinary_manager_build_info", Help: "1, with the program's version as labels.",
		}, []string{"version", "revision", "go_version"}),
	}
	for _, c := range []prometheus.Collector{m.calls, m.changes, m.passes, m.waits, m.units, m.triggers, m.urls, m.urlLimit, m.remaining, m.share, m.short, m.objects, m.waiting, m.build} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Build tells which build of the program runs.
func (m *Metrics) Build(of release.Info) {
	m.build.WithLabelValues(of.Version, of.Commit, of.GoVersion).Set(1)
}

// call counts a call by what came of it.
func (m *Metrics) call(cloud, operation string, err error) {
	status := "2xx"
	if failed, ok := errors.AsType[*cloudinary.Error](err); ok {
		status = strconv.Itoa(failed.StatusCode)
	}
	m.calls.WithLabelValues(cloud, operation, status).Inc()
}

// waited notes how long a unit has waited for its pass.
func (m *Metrics) waited(d time.Duration) { m.waits.Observe(d.Seconds()) }

// world counts all objects by how they stand, and those whose deletion is not done.
func (m *Metrics) world(w *resolve.World) {
	triggers, endpoints := newTally(), newTally()
	waiting := 0
	for _, t := range w.Triggers {
		triggers.add(t.Status.Conditions)
		if t.DeletionTimestamp != nil && len(t.Status.Registrations) > 0 {
			waiting++
		}
	}
	for _, ep := range w.Endpoints {
		endpoints.add(ep.Status.Conditions)
	}
	m.waiting.Set(float64(waiting))
	for kind, counted := range map[string]tally{"CloudinaryTrigger": triggers, "NotificationEndpoint": endpoints} {
		for ready, n := range counted {
			m.objects.WithLabelValues(kind, string(ready)).Set(float64(n))
		}
	}
}

// tally is how many objects have which status of Ready.
type tally map[metav1.ConditionStatus]int

func newTally() tally {
	return tally{metav1.ConditionTrue: 0, metav1.ConditionFalse: 0, metav1.ConditionUnknown: 0}
}

// add counts an object. What nobody has looked at yet is Unknown.
func (t tally) add(conditions []metav1.Condition) {
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c != nil {
		t[c.Status]++
		return
	}
	t[metav1.ConditionUnknown]++
}

func (m *Metrics) budget(cloud string, limit *cloudinary.RateLimit) {
	if limit != nil {
		m.remaining.WithLabelValues(cloud).Set(float64(limit.Remaining))
	}
}

func (m *Metrics) environment(e cloudinary.Environment, urls, limit int, p plan.Plan) {
	held := 0
	for _, v := range p.Verdicts {
		held += len(v.Records)
	}
	m.triggers.WithLabelValues(e.CloudName).Set(float64(held))
	m.urls.WithLabelValues(e.CloudName).Set(float64(urls))
	m.urlLimit.WithLabelValues(e.CloudName).Set(float64(limit))
}

// shares tells what the budget of calls means: changes that wait for it, and what is left;
// math.MaxInt: the server does not say.
func (m *Metrics) shares(e cloudinary.Environment, short, left int) {
	m.short.WithLabelValues(e.CloudName).Set(float64(short))
	if left != math.MaxInt {
		m.share.WithLabelValues(e.CloudName).Set(float64(left))
	}
}

func (m *Metrics) forgetCloud(name string) {
	for _, gauge := range []*prometheus.GaugeVec{m.triggers, m.urls, m.urlLimit, m.remaining, m.share, m.short} {
		gauge.DeleteLabelValues(name)
	}
	m.calls.DeletePartialMatch(prometheus.Labels{"cloud": name})
}
