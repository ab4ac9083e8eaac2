// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery/service"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/metrics"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/watch"
)

const (
	storeDir        = "/store"
	ownNamespace    = "system"
	shutdownDelay   = time.Second
	shutdownTimeout = 20 * time.Second
	lastAnswers     = time.Second
)

// process is one run of the receiver: its real parts, put together as cmd/receiver does.
type process struct {
	h      *history
	number int
	wire   *wire
	port   *port
	mount  *mount
	dir    string // of the routes that are saved
	begun  time.Time

	ctx    context.Context //nolint:containedctx // ends when it is told to stop
	stop   context.CancelFunc
	live   context.Context //nolint:containedctx // ends when all of it has to
	end    context.CancelFunc
	failed context.Context //nolint:containedctx // ends when the store fails
	fails  context.CancelCauseFunc

	store      *queue.Store
	client     *kube.Client
	watcher    *watch.Watcher
	recorder   *report.Recorder
	writer     *report.Writer
	metrics    *metrics.Metrics
	registry   *prometheus.Registry
	dispatcher *delivery.Dispatcher
	services   *service.Sender
	refusals   *webhookreceiver.RefusalLog
	handler    *webhookreceiver.Handler
	server     *httpserver.Server

	serving chan struct{} // is closed once it serves
	exited  chan struct{} // is closed once it has ended by itself
	err     error         // why, then
	working sync.WaitGroup
}

func (h *history) newProcess(number int) *process {
	p := &process{h: h, number: number, wire: newWire(), mount: h.volume.mount(), begun: time.Now(), serving: make(chan struct{}), exited: make(chan struct{})}
	p.dir = filepath.Join(h.scratch, strconv.Itoa(number))
	p.port = newPort(p.wire)
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.live, p.end = context.WithCancel(context.Background())
	p.failed, p.fails = context.WithCancelCause(context.Background())
	return p
}

// run is the whole life of a process.
func (p *process) run() {
	defer close(p.exited)
	p.err = p.main()
}

func (p *process) main() error {
	if err := p.open(); err != nil {
		return err
	}
	p.watcher.Restore()
	ended := make(chan error, 1)
	p.working.Go(func() { ended <- p.work() })
	select {
	case err := <-ended:
		return err
	case <-p.failed.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(lastAnswers):
		return fmt.Errorf("the store has failed: %w", context.Cause(p.failed))
	}
}

func (p *process) open() error {
	h := p.h
	var err error
	if err = os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	if saved := h.savedRoutes(); saved != nil {
		if err := os.WriteFile(filepath.Join(p.dir, route.SnapshotName), saved, 0o600); err != nil {
			return err
		}
	}
	config := &rest.Config{Host: "http://api", Transport: &apiWire{api: h.api, wire: p.wire}, QPS: 50, Burst: 100}
	if p.client, err = kube.New(config); err != nil {
		return err
	}
	p.registry = prometheus.NewRegistry()
	if p.metrics, err = metrics.New(p.registry, metrics.Options{
		Reasons: reasons(), Durable: true, Now: h.clock.Now, Queue: func() queue.Stats { return p.store.Stats() },
		MaxBytes: h.knobs.maxBytes, MaxNotifications: h.knobs.maxNotifications,
		Lanes:       func(visit func(delivery.LaneStats)) { p.dispatcher.Lanes(visit) },
		DeadLetters: func(visit func(queue.Endpoint, string, int)) { p.writer.DeadLetters(visit) },
		InFlight:    func() (int, int64) { return p.handler.InFlight() },
		Connections: func() httpserver.Stats { return p.server.Stats() }, MaxConnections: h.knobs.maxConnections,
	}); err != nil {
		return err
	}
	if p.store, err = queue.Open(p.ctx, queue.Options{
		Dir: storeDir, FS: p.mount, MinFreeBytes: 64 << 10, Now: h.clock.Now, Logger: h.log(p, "store"),
		MaxBytes: h.knobs.maxBytes, MaxNotifications: h.knobs.maxNotifications, MaxKeys: h.knobs.maxKeys,
		OnItem:   func(i queue.Item) { p.dispatcher.Announce(i) },
		OnCommit: p.metrics.Committed, OnForgotten: func(at queue.Endpoint, n int) { p.metrics.Forgotten(at, n); h.forgotten(p, at, n) },
		OnFatal: func(err error) { h.storeFailed(p, err); p.fails(err) },
	}); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	return p.assemble()
}

func (p *process) assemble() (err error) {
	h := p.h
	if p.watcher, err = watch.New(watch.Options{
		Client: p.client, SecretNamespace: ownNamespace, SnapshotDir: p.dir, OnTable: p.routesChanged, Now: h.clock.Now, Logger: h.log(p, "routes"),
	}); err != nil {
		return err
	}
	if p.recorder, err = report.NewRecorder(report.RecorderOptions{Store: p.store, Reasons: reasons(), Now: h.clock.Now, Logger: h.log(p, "report")}); err != nil {
		return err
	}
	p.services = service.New(service.Options{
		Resolver: service.NewResolver(service.ResolverOptions{Reader: p.client}),
		Reader:   p.client, Now: h.clock.Now, Logger: h.log(p, "delivery"), Dial: p.dialTarget,
	})
	eventOptions := events.DefaultOptions()
	eventOptions.Client, eventOptions.Instance, eventOptions.Now = p.client, "receiver", h.clock.Now
	eventOptions.Suppressed = func(e *route.Endpoint, why events.Suppression) { p.metrics.Suppressed(e, why) }
	p.dispatcher = delivery.New(delivery.Options{
		Queue: p.store, Routes: p.watcher.Table, Service: p.services, Event: events.NewSender(eventOptions), Observer: p,
		Clock: h.clock, Random: h.jitter.float, Logger: h.log(p, "delivery"), Grace: shutdownTimeout,
		FirstInFlight: 16, SharedInFlight: 8,
	})
	w := report.DefaultWriterOptions()
	w.Recorder, w.Objects, w.Client, w.Events, w.Instance = p.recorder, p.watcher, p.client, p.client, "receiver"
	w.Lanes, w.Queue, w.Logger, w.Observer, w.Now = p.dispatcher.Lanes, p.store, h.log(p, "report"), p, h.clock.Now
	w.Pace, w.Look = time.Second, 5*time.Second // a fifth and a tenth of the program's: each is a step of the simulation
	p.writer = report.NewWriter(w)

	o := webhookreceiver.DefaultOptions()
	o.Now, o.MaxInFlight, o.MaxInFlightBytes, o.MaxEndpointRate = h.clock.Now, h.knobs.maxInFlight, h.knobs.maxInFlightBytes, h.knobs.maxRate
	o.MaxBodyBytes = h.knobs.maxInFlightBytes / 2
	p.refusals = webhookreceiver.NewRefusalLog(logr.Discard(), h.clock.Now)
	o.Routes, o.Store, o.Recorder, o.VerboseRefusals = p.watcher.Table, p.store, (*requestRecorder)(p), true
	p.handler = webhookreceiver.NewHandler(o)
	p.server = webhookreceiver.NewServer(p.handler, h.knobs.maxConnections)
	return nil
}

// work has everything run until it is time to stop, as cmd/receiver does.
func (p *process) work() error {
	var background, deliveries errgroup.Group
	deliveriesCtx, stopDeliveries := context.WithCancel(p.live)
	defer stopDeliveries()
	backgroundCtx, stopBackground := context.WithCancel(p.live)
	defer stopBackground()
	for _, run := range []func(context.Context) error{p.watcher.Run, p.recorder.Run, p.writer.Run, p.refusals.Run} {
		background.Go(func() error { return run(backgroundCtx) })
	}
	deliveries.Go(func() error { return p.dispatcher.Run(deliveriesCtx) })
	served := make(chan error, 1)
	go func() {
		served <- p.server.Serve(p.port)
		close(served)
	}()
	close(p.serving)

	var cause error
	select {
	case <-p.ctx.Done():
		time.Sleep(shutdownDelay)
	case <-p.failed.Done():
		cause = context.Cause(p.failed)
	case <-p.live.Done():
	}
	ends, cancel := context.WithTimeout(p.live, shutdownTimeout)
	defer cancel()
	cause = errors.Join(cause, p.server.Shutdown(ends), <-served)
	stopDeliveries()
	cause = errors.Join(cause, deliveries.Wait())
	p.services.Close()
	stopBackground()
	return errors.Join(cause, background.Wait(), p.store.Close())
}

// die is what the kernel does when a process ends: nothing of it reaches anything any more.
func (p *process) die() {
	p.wire.sever()
	_ = p.port.Close()
	p.mount.die()
	if saved, err := os.ReadFile(filepath.Join(p.dir, route.SnapshotName)); err == nil {
		p.h.saveRoutes(saved)
	}
}

// bury has the goroutines of a dead process end.
func (p *process) bury() {
	p.stop()
	p.end()
	p.fails(errors.New("killed"))
	<-p.exited
	p.working.Wait()
	if p.store != nil {
		if err := p.store.Close(); errors.Is(err, queue.ErrFailed) {
			closeEngine(p.store)
		}
	}
}

// closeEngine has the goroutines of a store end that has failed. The program does not do so: it ends.
func closeEngine(s *queue.Store) {
	db := reflect.ValueOf(s).Elem().FieldByName("db")
	if !db.IsValid() || db.IsNil() {
		return
	}
	if engine, ok := reflect.TypeAssert[*pebble.DB](reflect.NewAt(db.Type(), unsafe.Pointer(db.UnsafeAddr())).Elem()); ok {
		defer func() { _ = recover() }() // it was closed already
		_ = engine.Close()
	}
}

// dialTarget connects to a Pod of a Service.
func (p *process) dialTarget(ctx context.Context, _, address string) (net.Conn, error) {
	return p.h.dialTarget(ctx, p, address)
}

// routesChanged is told of each new table before a request is served by it.
func (p *process) routesChanged(table *route.Table) {
	p.recorder.Sync(table)
	p.metrics.Sync(table)
	p.dispatcher.RoutesChanged()
}

// AttemptEnded tells of deliveries to status and metrics.
func (p *process) AttemptEnded(a delivery.Attempt) {
	p.recorder.AttemptEnded(a)
	p.metrics.AttemptEnded(a)
	p.h.attemptEnded(p, &a)
}

// requestRecorder tells of requests to status and metrics.
type requestRecorder process

// Stored implements webhookreceiver.Recorder.
func (r *requestRecorder) Stored(e *route.Endpoint, id queue.ID, record *queue.Record, n *notification.Notification) {
	r.recorder.Stored(e, id, record, n)
	r.metrics.Stored(e, record.EventType)
	r.h.stored((*process)(r), id, record)
}

// Duplicate implements webhookreceiver.Recorder.
func (r *requestRecorder) Duplicate(e *route.Endpoint) {
	r.recorder.Duplicate(e)
	r.metrics.Duplicate(e)
}

// Rejected implements webhookreceiver.Recorder.
func (r *requestRecorder) Rejected(e *route.Endpoint, reason webhookreceiver.Reason, guessed bool) {
	r.metrics.Rejected(e, string(reason))
	if e != nil {
		r.recorder.Rejected(e, string(reason), guessed)
	}
	r.refusals.Refused(e, reason)
}

// Answered implements webhookreceiver.Recorder.
func (r *requestRecorder) Answered(status int, took time.Duration) { r.metrics.Answered(status, took) }

func reasons() []string {
	var all []string
	for _, reason := range webhookreceiver.Reasons() {
		all = append(all, string(reason))
	}
	return all
}
