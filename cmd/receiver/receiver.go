// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery/service"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/metrics"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/watch"
)

// apiQPS and apiBurst bound calls to the API server: ten Events and five writes of status a second, and looking up Services.
const (
	apiQPS   = 50
	apiBurst = 100
)

// receiver is the program's parts.
type receiver struct {
	options  *options
	log      logr.Logger
	instance string // the Pod's name

	client     *kube.Client
	store      *queue.Store
	failed     context.Context //nolint:containedctx // of the store, with the cause; it lasts as long as the receiver
	fails      context.CancelCauseFunc
	watcher    *watch.Watcher
	handler    *webhookreceiver.Handler
	server     *httpserver.Server // of notifications
	dispatcher *delivery.Dispatcher
	services   *service.Sender
	recorder   *report.Recorder
	writer     *report.Writer
	metrics    *metrics.Metrics
	refusals   *webhookreceiver.RefusalLog
	registry   *prometheus.Registry

	probes        parts
	probeListener net.Listener
	stopProbes    context.CancelFunc
	// breaks is called by a part that has failed, and closes broken.
	breaks context.CancelFunc
	broken <-chan struct{}

	serving, stopping atomic.Bool
}

// newReceiver opens the store, which it waits for where another receiver has it, and puts the parts together. Nothing runs yet
// but the probes: they tell the kubelet that this process lives and is not ready.
func newReceiver(ctx context.Context, o *options, log logr.Logger) (*receiver, error) {
	broken, breaks := context.WithCancel(context.WithoutCancel(ctx))
	r := &receiver{options: o, log: log, broken: broken.Done(), breaks: breaks, probes: parts{broken: breaks}}
	r.failed, r.fails = context.WithCancelCause(context.WithoutCancel(ctx))
	var err error
	if r.registry, err = newRegistry(); err != nil {
		return nil, err
	}
	if r.instance, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("find the host's name: %w", err)
	}
	if r.client, err = connect(o.kubeconfig); err != nil {
		return nil, err
	}
	// The metrics come first: the store counts from its opening on. What they read at a scrape is there by then.
	if r.metrics, err = metrics.New(r.registry, metrics.Options{
		Reasons: reasons(), Version: version, Revision: release.Of(version, commit).Commit, Durable: o.storeDurable, Now: time.Now,
		Queue:    func() queue.Stats { return r.store.Stats() },
		MaxBytes: o.store.MaxBytes, MaxNotifications: o.store.MaxNotifications,
		Lanes:       func(visit func(delivery.LaneStats)) { r.dispatcher.Lanes(visit) },
		DeadLetters: func(visit func(queue.Endpoint, string, int)) { r.writer.DeadLetters(visit) },
		InFlight:    func() (int, int64) { return r.handler.InFlight() },
		Connections: func() httpserver.Stats { return r.server.Stats() }, MaxConnections: o.maxConnections,
	}); err != nil {
		return nil, err
	}
	if err := r.startProbes(ctx); err != nil {
		return nil, err
	}
	if err := r.open(ctx, broken); err != nil {
		return nil, errors.Join(err, r.endProbes())
	}
	return r, nil
}

// open opens the store and makes the parts that need it.
func (r *receiver) open(ctx, broken context.Context) error {
	o := r.options
	if !o.storeDurable {
		r.log.Info("the store does not outlive this Pod: notifications that were not delivered are lost with it", "dir", o.store.Dir)
	}
	o.store.Logger = r.log.WithName("store")
	o.store.OnItem = func(i queue.Item) { r.dispatcher.Announce(i) }
	o.store.OnCommit = r.metrics.Committed
	o.store.OnForgotten = r.metrics.Forgotten
	o.store.OnFatal = r.storeFailed
	opening, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(broken, cancel)()
	var err error
	if r.store, err = queue.Open(opening, o.store); err != nil {
		if broken.Err() != nil {
			return errors.New("the store was not opened") // the part that has failed says why
		}
		if errors.Is(err, queue.ErrDamaged) {
			return fmt.Errorf("open the store (salvage mode is --store-salvage): %w", err)
		}
		return fmt.Errorf("open the store: %w", err)
	}
	if err := r.assemble(); err != nil {
		return errors.Join(err, r.store.Close())
	}
	return nil
}

// newRegistry has what any Go program can say of itself, as the manager's registry does.
func newRegistry() (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	err := errors.Join(
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return registry, nil
}

func connect(kubeconfig string) (*kube.Client, error) {
	config, err := program.Cluster{Kubeconfig: kubeconfig, UserAgent: "cloudinary-receiver/" + version, QPS: apiQPS, Burst: apiBurst}.Config()
	if err != nil {
		return nil, err
	}
	return kube.New(config)
}

// storeFailed is told that nothing can be stored any more: the process ends, and is started again.
func (r *receiver) storeFailed(err error) { r.fails(err) }

// assemble makes the parts that need the store, each from those before it.
func (r *receiver) assemble() error {
	var err error
	if r.watcher, err = watch.New(watch.Options{
		Client: r.client, Namespaces: program.List(r.options.watchNamespaces), SecretNamespace: r.options.namespace,
		SnapshotDir: r.options.store.Dir, OnTable: r.routesChanged, Now: time.Now, Logger: r.log.WithName("routes"),
	}); err != nil {
		return err
	}
	if r.recorder, err = report.NewRecorder(report.RecorderOptions{
		Store: r.store, Reasons: reasons(), Now: time.Now, Logger: r.log.WithName("report"),
	}); err != nil {
		return err
	}
	r.assembleDelivery()
	o := r.options.handler
	log := r.log.WithName("notifications")
	r.refusals = webhookreceiver.NewRefusalLog(log, time.Now)
	o.Routes, o.Store, o.Recorder = r.watcher.Table, r.store, &recorder{receiver: r, log: log, refusals: r.refusals}
	o.Ready = r.ready
	r.handler = webhookreceiver.NewHandler(o)
	r.server = webhookreceiver.NewServer(r.askingToClose(r.handler), r.options.maxConnections)
	return nil
}

func (r *receiver) assembleDelivery() {
	r.services = service.New(service.Options{
		Resolver: service.NewResolver(service.ResolverOptions{
			Reader: r.client, Mode: service.Mode(r.options.serviceRouting),
			Addresses: r.options.addresses, AllowSelectorless: r.options.allowSelectorlessServices,
		}),
		Reader: r.client, Addresses: r.options.addresses, Logger: r.log.WithName("delivery"),
	})
	eventOptions := events.DefaultOptions()
	eventOptions.Client, eventOptions.Instance = r.client, r.instance
	eventOptions.Suppressed = func(e *route.Endpoint, why events.Suppression) { r.metrics.Suppressed(e, why) }
	r.dispatcher = delivery.New(delivery.Options{
		Queue: r.store, Routes: r.watcher.Table, Service: r.services, Event: events.NewSender(eventOptions),
		Observer: r, Logger: r.log.WithName("delivery"), Grace: r.options.shutdownTimeout,
	})
	writer := report.DefaultWriterOptions()
	writer.Recorder, writer.Objects, writer.Client, writer.Events = r.recorder, r.watcher, r.client, r.client
	writer.Instance, writer.Lanes, writer.Queue, writer.Logger = r.instance, r.dispatcher.Lanes, r.store, r.log.WithName("report")
	writer.Observer = r
	r.writer = report.NewWriter(writer)
}

// AttemptEnded tells of deliveries to status and metrics.
func (r *receiver) AttemptEnded(a delivery.Attempt) {
	r.recorder.AttemptEnded(a)
	r.metrics.AttemptEnded(a)
}

// routesChanged is told of each new table before a request is served by it.
func (r *receiver) routesChanged(table *route.Table) {
	r.recorder.Sync(table)
	r.metrics.Sync(table)
	r.dispatcher.RoutesChanged()
}

func reasons() []string {
	var all []string
	for _, reason := range webhookreceiver.Reasons() {
		all = append(all, string(reason))
	}
	return all
}
