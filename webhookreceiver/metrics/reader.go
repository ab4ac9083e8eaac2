// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// reader is a collector of what others count: it asks them at each scrape.
type reader struct {
	Options
	metrics []*read
	sources []source
}

// read is one metric of a reader.
type read struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func (r *reader) add(kind prometheus.ValueType, name, help string, labels ...string) *read {
	m := &read{prometheus.NewDesc(name, help, labels, nil), kind}
	r.metrics = append(r.metrics, m)
	return m
}

func (m *read) send(ch chan<- prometheus.Metric, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// source reads one of Options' functions into metrics.
type source func(ch chan<- prometheus.Metric)

func newReader(o Options) *reader {
	r := &reader{Options: o}
	r.sources = []source{r.program(), r.requests(), r.connections(), r.targets(), r.deadLetters(), r.queue()}
	return r
}

// Describe sends all descriptions.
func (r *reader) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range r.metrics {
		ch <- m.desc
	}
}

// Collect sends all values.
func (r *reader) Collect(ch chan<- prometheus.Metric) {
	for _, s := range r.sources {
		s(ch)
	}
}

func (r *reader) program() source {
	build := r.add(prometheus.GaugeValue, "cloudinary_receiver_build_info", "1, with the program's version as labels.", "version", "revision", "go_version")
	durable := r.add(prometheus.GaugeValue, "cloudinary_receiver_store_durable", "1 if what is stored outlives the Pod.")
	return func(ch chan<- prometheus.Metric) {
		build.send(ch, 1, r.Version, r.Revision, goVersion())
		durable.send(ch, oneIf(r.Durable))
	}
}

func (r *reader) requests() source {
	requests := r.add(prometheus.GaugeValue, "cloudinary_receiver_requests_in_flight", "Requests that are being answered.")
	bytes := r.add(prometheus.GaugeValue, "cloudinary_receiver_body_bytes_in_flight", "Bytes of bodies in memory.")
	return func(ch chan<- prometheus.Metric) {
		if r.InFlight == nil {
			return
		}
		n, size := r.InFlight()
		requests.send(ch, float64(n))
		bytes.send(ch, float64(size))
	}
}

func (r *reader) connections() source {
	open := r.add(prometheus.GaugeValue, "cloudinary_receiver_connections", "Open connections, by what they are at.", "state")
	limit := r.add(prometheus.GaugeValue, "cloudinary_receiver_connections_limit", "How many connections may be open.")
	displaced := r.add(prometheus.CounterValue, "cloudinary_receiver_connections_displaced_total",
		"Connections that were closed to make room for others, by what they were at.", "state")
	turnedAway := r.add(prometheus.CounterValue, "cloudinary_receiver_connections_turned_away_total",
		"Connections that were closed as soon as they came: all others had rightly signed requests.")
	headers := r.add(prometheus.CounterValue, "cloudinary_receiver_large_headers_total",
		"Connections that were closed for a header that is too large.")
	return func(ch chan<- prometheus.Metric) {
		if r.Connections == nil {
			return
		}
		stats := r.Connections()
		for _, state := range httpserver.States() {
			open.send(ch, float64(stats.Open[state]), state.String())
			if state != httpserver.StateTrusted { // of which none is closed
				displaced.send(ch, float64(stats.MadeRoom[state]), state.String())
			}
		}
		limit.send(ch, float64(r.MaxConnections))
		turnedAway.send(ch, float64(stats.TurnedAway))
		headers.send(ch, float64(stats.LargeHeaders))
	}
}

func (r *reader) targets() source {
	labels := []string{"namespace", "endpoint", "target"}
	waiting := r.add(prometheus.GaugeValue, "cloudinary_receiver_target_waiting",
		"Deliveries that are not done yet, those included that are retried or under way.", labels...)
	retrying := r.add(prometheus.GaugeValue, "cloudinary_receiver_target_retrying", "Deliveries that failed at least once and wait.", labels...)
	inFlight := r.add(prometheus.GaugeValue, "cloudinary_receiver_target_in_flight", "Attempts that are under way.", labels...)
	oldest := r.add(prometheus.GaugeValue, "cloudinary_receiver_target_oldest_age_seconds",
		"Age of the notification that has waited longest for the target.", labels...)
	paused := r.add(prometheus.GaugeValue, "cloudinary_receiver_target_paused", "1 while the target as a whole is left alone after failures.", labels...)
	return func(ch chan<- prometheus.Metric) {
		if r.Lanes == nil {
			return
		}
		now := r.Now()
		r.Lanes(func(s delivery.LaneStats) {
			values := []string{s.Endpoint.Namespace, s.Endpoint.Name, s.Target}
			waiting.send(ch, float64(s.Waiting), values...)
			retrying.send(ch, float64(s.Retrying), values...)
			inFlight.send(ch, float64(s.InFlight), values...)
			oldest.send(ch, age(now, s.Oldest), values...)
			paused.send(ch, oneIf(!s.PausedUntil.IsZero()), values...)
		})
	}
}

func (r *reader) deadLetters() source {
	dead := r.add(prometheus.GaugeValue, "cloudinary_receiver_target_dead_letters", "Notifications that were given up for the target and are kept.",
		"namespace", "endpoint", "target")
	return func(ch chan<- prometheus.Metric) {
		if r.DeadLetters == nil {
			return
		}
		r.DeadLetters(func(at queue.Endpoint, target string, n int) {
			dead.send(ch, float64(n), at.Namespace, at.Name, target)
		})
	}
}

func (r *reader) queue() source {
	gauge := func(name, help string) *read {
		return r.add(prometheus.GaugeValue, "cloudinary_receiver_queue_"+name, help)
	}
	counter := func(name, help string) *read {
		return r.add(prometheus.CounterValue, "cloudinary_receiver_queue_"+name, help)
	}
	pending := gauge("pending", "Deliveries that are not done yet: a notification counts once for each target.")
	dead := gauge("dead_letters", "Dead letters: a notification counts once for each target.")
	notifications := gauge("notifications", "Notifications that are not done with.")
	notificationsLimit := gauge("notifications_limit", "How many there may be.")
	bytes := gauge("bytes", "Bytes that they take up, as the limit counts.")
	bytesLimit := gauge("bytes_limit", "How many bytes there may be.")
	disk := gauge("disk_bytes", "Bytes that the store takes up on its volume.")
	keys := gauge("deduplication_keys", "Deduplication keys that are remembered.")
	oldest := gauge("oldest_age_seconds", "Age of the oldest notification that waits for a target.")
	damaged := counter("damaged_total", "Notifications that were found damaged on disk.")
	forgotten := counter("forgotten_keys_total", "Deduplication keys that were forgotten before they expired, for want of room.")
	evicted := counter("evicted_dead_letters_total", "Dead letters that were discarded to make room for new notifications.")
	return func(ch chan<- prometheus.Metric) {
		if r.Queue == nil {
			return
		}
		s := r.Queue()
		pending.send(ch, float64(s.Pending))
		dead.send(ch, float64(s.Dead))
		notifications.send(ch, float64(s.Counted))
		notificationsLimit.send(ch, float64(r.MaxNotifications))
		bytes.send(ch, float64(s.Bytes))
		bytesLimit.send(ch, float64(r.MaxBytes))
		disk.send(ch, float64(s.DiskBytes))
		keys.send(ch, float64(s.Keys))
		oldest.send(ch, age(r.Now(), s.OldestPending))
		damaged.send(ch, float64(s.Damaged))
		forgotten.send(ch, float64(s.ForgottenKeys))
		evicted.send(ch, float64(s.EvictedDead))
	}
}

// age is 0 where there is nothing.
func age(now, since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since).Seconds())
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
