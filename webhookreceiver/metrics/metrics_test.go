// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func testEndpoint(name string, targets ...route.Target) *route.Endpoint {
	return &route.Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: name}, Targets: targets}
}

func attempt(endpoint, target string, outcome delivery.Outcome, status int) delivery.Attempt {
	return delivery.Attempt{
		Endpoint: queue.Endpoint{Namespace: "shop", Name: endpoint}, Target: target, Outcome: outcome, Tried: true, StatusCode: status,
		ReceivedAt: noon, EndedAt: noon.Add(3 * time.Second), Duration: 20 * time.Millisecond,
	}
}

type fixture struct {
	*testing.T
	*Metrics
	registry *prometheus.Registry
}

func newFixture(t *testing.T, o Options) fixture {
	t.Helper()
	o.Reasons = []string{"bad_signature", "unknown_endpoint"}
	o.Now = func() time.Time { return noon }
	registry := prometheus.NewPedanticRegistry()
	m, err := New(registry, o)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{t, m, registry}
}

// scrape returns the samples of metrics as Prometheus reads them, sorted.
func (f fixture) scrape(names ...string) []string {
	f.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).
		ServeHTTP(answer, httptest.NewRequestWithContext(f.Context(), http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		f.Fatalf("the scrape was answered %d: %s", answer.Code, answer.Body)
	}
	var samples []string
	for line := range strings.Lines(answer.Body.String()) {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "{")
		if slices.Contains(names, name) {
			samples = append(samples, strings.TrimPrefix(strings.TrimSpace(line), "cloudinary_receiver_"))
		}
	}
	slices.Sort(samples)
	return samples
}

// wants compares metrics with what a scrape shows of them.
func (f fixture) wants(text string, names ...string) {
	f.Helper()
	var want []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			want = append(want, line)
		}
	}
	if diff := cmp.Diff(want, f.scrape(names...)); diff != "" {
		f.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatTheHandlerCountsStandsUnderItsEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	media, unknown := testEndpoint("media"), testEndpoint("made-up")
	f.Sync(route.NewTable([]*route.Endpoint{media}))
	f.Stored(media, "upload")
	f.Stored(media, "delete")
	f.Duplicate(media)
	f.Rejected(media, "bad_signature")
	f.Rejected(nil, "unknown_endpoint")
	f.Rejected(media, "a reason that a client made up")
	f.Stored(unknown, "upload")
	f.Rejected(unknown, "bad_signature")
	f.wants(`
		notifications_duplicate_total{endpoint="media",namespace="shop"} 1
		notifications_received_total{endpoint="media",namespace="shop"} 2
		requests_rejected_total{endpoint="",namespace="",reason="unknown_endpoint"} 1
		requests_rejected_total{endpoint="media",namespace="shop",reason="bad_signature"} 1
	`, "cloudinary_receiver_notifications_received_total", "cloudinary_receiver_notifications_duplicate_total", "cloudinary_receiver_requests_rejected_total")
}

func TestAttemptsAreCountedByTargetAndStatusClass(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.Sync(route.NewTable([]*route.Endpoint{testEndpoint("media", route.Target{Name: "catalog"})}))
	f.AttemptEnded(attempt("media", "catalog", delivery.OutcomeRetried, 503))
	f.AttemptEnded(attempt("media", "catalog", delivery.OutcomeRetried, 0))
	f.AttemptEnded(attempt("media", "catalog", delivery.OutcomeDelivered, 204))
	f.AttemptEnded(attempt("media", "catalog", delivery.OutcomeDead, 400))
	f.AttemptEnded(attempt("media", "removed", delivery.OutcomeDelivered, 200))
	f.AttemptEnded(attempt("made-up", "catalog", delivery.OutcomeDelivered, 200))
	f.wants(`
		deliveries_total{endpoint="media",namespace="shop",outcome="dead",target="catalog"} 1
		deliveries_total{endpoint="media",namespace="shop",outcome="delivered",target="catalog"} 1
		delivery_attempts_total{endpoint="media",namespace="shop",status="2xx",target="catalog"} 1
		delivery_attempts_total{endpoint="media",namespace="shop",status="4xx",target="catalog"} 1
		delivery_attempts_total{endpoint="media",namespace="shop",status="5xx",target="catalog"} 1
		delivery_attempts_total{endpoint="media",namespace="shop",status="none",target="catalog"} 1
		delivery_retries_total{endpoint="media",namespace="shop",target="catalog"} 2
	`, "cloudinary_receiver_deliveries_total", "cloudinary_receiver_delivery_attempts_total", "cloudinary_receiver_delivery_retries_total")
	f.wants(`
		delivery_latency_seconds_count{kind="service"} 1
		delivery_latency_seconds_sum{kind="service"} 3
		target_latency_seconds_count{endpoint="media",namespace="shop",target="catalog"} 1
		target_latency_seconds_sum{endpoint="media",namespace="shop",target="catalog"} 3
	`, "cloudinary_receiver_delivery_latency_seconds_count", "cloudinary_receiver_delivery_latency_seconds_sum",
		"cloudinary_receiver_target_latency_seconds_count", "cloudinary_receiver_target_latency_seconds_sum")
}

// Whoever holds a key may sign a body with any word in it, so that the words are no labels.
func TestEventTypesAreThoseThatCloudinaryDocuments(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	media := testEndpoint("media")
	f.Sync(route.NewTable([]*route.Endpoint{media}))
	for _, eventType := range []string{"upload", "upload", "resource_tags_changed", "unknown", "made_up", "made_up_too", ""} {
		f.Stored(media, eventType)
	}
	f.wants(`
		notifications_by_event_type_total{endpoint="media",event_type="other",namespace="shop"} 3
		notifications_by_event_type_total{endpoint="media",event_type="resource_tags_changed",namespace="shop"} 1
		notifications_by_event_type_total{endpoint="media",event_type="unknown",namespace="shop"} 1
		notifications_by_event_type_total{endpoint="media",event_type="upload",namespace="shop"} 2
		notifications_received_total{endpoint="media",namespace="shop"} 7
	`, "cloudinary_receiver_notifications_by_event_type_total", "cloudinary_receiver_notifications_received_total")
	for n := range 10_000 {
		f.Stored(media, fmt.Sprint("made_up_", n))
	}
	for _, eventType := range eventTypeLabels() {
		f.Stored(media, eventType)
	}
	if got, want := len(f.scrape("cloudinary_receiver_notifications_by_event_type_total")), 32; got != want {
		t.Errorf("%d series of one endpoint, and docs/receiver-metrics.md says that there are %d at most", got, want)
	}
}

// What docs/receiver-metrics.md says of how many series there are.
func TestATargetHasTwelveSeriesOfLatencyOnceItGotSomething(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	catalog, search := route.Target{Name: "catalog"}, route.Target{Name: "search"}
	f.Sync(route.NewTable([]*route.Endpoint{testEndpoint("media", catalog, search)}))
	names := []string{
		"cloudinary_receiver_target_latency_seconds_bucket", "cloudinary_receiver_target_latency_seconds_sum", "cloudinary_receiver_target_latency_seconds_count",
	}
	if got := f.scrape(names...); len(got) > 0 {
		t.Errorf("before anything was delivered there is %q", got)
	}
	f.AttemptEnded(attempt("media", "catalog", delivery.OutcomeDead, 400))
	f.AttemptEnded(attempt("media", "catalog", delivery.OutcomeDelivered, 200))
	if got := f.scrape(names...); len(got) != 12 {
		t.Errorf("a target has the %d series %q", len(got), got)
	}
	stale := f.lookup(types.NamespacedName{Namespace: "shop", Name: "media"}).target("catalog")
	f.Sync(route.NewTable([]*route.Endpoint{testEndpoint("media", search)}))
	stale.ownLatency.observe(1)
	if got := f.scrape(names...); len(got) > 0 {
		t.Errorf("after the target was removed there is %q", got)
	}
}

func TestTheSeriesOfWhatIsGoneGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	catalog, describe := route.Target{Name: "catalog"}, route.Target{Name: "describe", Event: true}
	media, other := testEndpoint("media", catalog, describe), testEndpoint("other", catalog)
	f.Sync(route.NewTable([]*route.Endpoint{media, other}))
	count := func() int {
		return len(f.scrape("cloudinary_receiver_notifications_received_total", "cloudinary_receiver_requests_rejected_total",
			"cloudinary_receiver_deliveries_total", "cloudinary_receiver_delivery_attempts_total", "cloudinary_receiver_delivery_retries_total",
			"cloudinary_receiver_events_suppressed_total", "cloudinary_receiver_notifications_by_event_type_total", "cloudinary_receiver_target_latency_seconds_sum"))
	}
	stale := f.lookup(media.Key)
	for _, e := range []*route.Endpoint{media, other} {
		f.Stored(e, "upload")
		f.Rejected(e, "bad_signature")
		f.Suppressed(e, events.SuppressedByEndpoint)
		for _, target := range e.Targets {
			f.AttemptEnded(attempt(e.Key.Name, target.Name, delivery.OutcomeDelivered, 200))
		}
	}
	if n := count(); n != 2*4+3*4 {
		t.Errorf("%d series of two endpoints with three targets", n)
	}
	f.Sync(route.NewTable([]*route.Endpoint{testEndpoint("media", catalog), other}))
	if n := count(); n != 2*4+2*4 {
		t.Errorf("%d series after a target was removed", n)
	}
	f.Sync(route.NewTable([]*route.Endpoint{other}))
	if n := count(); n != 4+4 {
		t.Errorf("%d series after an endpoint was removed", n)
	}
	// Somebody who looked the endpoint up before does not bring it back.
	stale.rejected.inc(1, "unknown_endpoint")
	stale.rejected.inc(0, "bad_signature")
	if n := count(); n != 4+4 {
		t.Errorf("%d series after a late request", n)
	}
}

// Whoever makes and deletes endpoints, or renames targets, pays for his own series alone: each change is made before the next one of anybody.
func TestManyThatComeAndGoTakeNoLongerEach(t *testing.T) {
	const many, targets = 3000, 4
	f := newFixture(t, Options{})
	with := func(names string) *route.Table {
		all := make([]*route.Endpoint, many)
		for i := range all {
			var of []route.Target
			for n := range targets {
				of = append(of, route.Target{Name: fmt.Sprint(names, n)})
			}
			all[i] = testEndpoint(fmt.Sprint("media-", i), of...)
		}
		return route.NewTable(all)
	}
	f.Sync(with("a"))
	begin := time.Now()
	f.Sync(with("b"))
	f.Sync(route.NewTable(nil))
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("renaming %d targets and removing %d endpoints takes %s", many*targets, many, took)
	}
	if left := f.scrape("cloudinary_receiver_notifications_received_total", "cloudinary_receiver_delivery_retries_total"); len(left) > 0 {
		t.Errorf("%d series are left", len(left))
	}
}

func TestGaugesAreReadAtEachScrape(t *testing.T) {
	t.Parallel()
	at := queue.Endpoint{Namespace: "shop", Name: "media"}
	f := newFixture(t, Options{
		Durable: true, MaxBytes: 1000, MaxNotifications: 10, Version: "v1", Revision: "abc",
		Queue: func() queue.Stats {
			return queue.Stats{Pending: 3, Dead: 2, Notifications: 4, Bytes: 500, DiskBytes: 4096, Keys: 7, OldestPending: noon.Add(-time.Minute), Damaged: 1}
		},
		Lanes: func(visit func(delivery.LaneStats)) {
			visit(delivery.LaneStats{
				Endpoint: at, Target: "catalog", Waiting: 3, Retrying: 1, InFlight: 1, Oldest: noon.Add(-time.Hour), PausedUntil: noon,
			})
		},
		DeadLetters: func(visit func(queue.Endpoint, string, int)) { visit(at, "catalog", 2) },
		InFlight:    func() (int, int64) { return 5, 2048 },
	})
	f.wants(`
		body_bytes_in_flight 2048
		queue_damaged_total 1
		queue_oldest_age_seconds 60
		store_durable 1
		target_dead_letters{endpoint="media",namespace="shop",target="catalog"} 2
		target_oldest_age_seconds{endpoint="media",namespace="shop",target="catalog"} 3600
		target_paused{endpoint="media",namespace="shop",target="catalog"} 1
	`, "cloudinary_receiver_body_bytes_in_flight", "cloudinary_receiver_queue_damaged_total", "cloudinary_receiver_queue_oldest_age_seconds",
		"cloudinary_receiver_store_durable", "cloudinary_receiver_target_dead_letters", "cloudinary_receiver_target_oldest_age_seconds",
		"cloudinary_receiver_target_paused")
	f.Answered(200, time.Millisecond)
	f.Answered(418, time.Millisecond)
	f.Committed(queue.Commit{Operations: 3, Bytes: 4000, Took: time.Millisecond})
	f.wants(`
		queue_commit_bytes_sum 4000
		queue_commit_operations_sum 3
		request_duration_seconds_count 2
		responses_total{status="200"} 1
		responses_total{status="400"} 0
		responses_total{status="401"} 0
		responses_total{status="404"} 0
		responses_total{status="405"} 0
		responses_total{status="408"} 0
		responses_total{status="413"} 0
		responses_total{status="429"} 0
		responses_total{status="503"} 0
		responses_total{status="other"} 1
	`, "cloudinary_receiver_responses_total", "cloudinary_receiver_request_duration_seconds_count",
		"cloudinary_receiver_queue_commit_operations_sum", "cloudinary_receiver_queue_commit_bytes_sum")
}

func BenchmarkStored(b *testing.B) {
	m, err := New(prometheus.NewRegistry(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	media := testEndpoint("media")
	m.Sync(route.NewTable([]*route.Endpoint{media}))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Stored(media, "upload")
			m.Answered(200, time.Millisecond)
		}
	})
}
