// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
)

// parts run in the background. The first that ends with an error calls broken.
type parts struct {
	group  errgroup.Group
	broken context.CancelFunc
}

func (p *parts) start(ctx context.Context, name string, run func(context.Context) error) {
	p.group.Go(func() error {
		err := run(ctx)
		if err == nil {
			return nil
		}
		p.broken()
		return fmt.Errorf("%s: %w", name, err)
	})
}

// run serves until ctx ends, or a part fails. The probes are answered to the last.
func (r *receiver) run(ctx context.Context) error {
	return errors.Join(r.serve(ctx), r.endProbes())
}

// serve ends so, one after the other: notifications are taken for a while longer, requests end, deliveries end, what was counted is
// saved, and the store is closed.
func (r *receiver) serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.options.address)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for notifications: %w", err), r.store.Close())
	}
	deadLetters, err := r.adminServer(ctx)
	if err != nil {
		return errors.Join(err, listener.Close(), r.store.Close())
	}
	r.watcher.Restore()
	return endingWith(r.failed, func() error { return r.work(ctx, listener, deadLetters) }) //nolint:contextcheck // the store's, not the caller's
}

// lastAnswers is how long requests have to be answered that the store's failure finds under way, and everything else to end. What is
// delivered or counted meanwhile can be noted nowhere.
const lastAnswers = time.Second

// endingWith returns what work does, but does not wait for it long after the store has failed: the next process cannot begin before this one
// has ended, and until then all notifications are refused.
func endingWith(failed context.Context, work func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	select {
	case err := <-ended:
		return err
	case <-failed.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(lastAnswers):
		return storeError(failed)
	}
}

func storeError(failed context.Context) error {
	return fmt.Errorf("the store has failed, and has to be opened anew: %w", context.Cause(failed))
}

// work has everything run until it is time to stop.
func (r *receiver) work(ctx context.Context, listener net.Listener, deadLetters func(context.Context) error) error {
	background, deliveries := parts{broken: r.breaks}, parts{broken: r.breaks}
	live := context.WithoutCancel(ctx)
	backgroundCtx, stopBackground := context.WithCancel(live)
	defer stopBackground()
	deliveriesCtx, stopDeliveries := context.WithCancel(live)
	defer stopDeliveries()
	background.start(backgroundCtx, "routes", r.watcher.Run)
	background.start(backgroundCtx, "totals", r.recorder.Run)
	background.start(backgroundCtx, "status", r.writer.Run)
	background.start(backgroundCtx, "metrics", r.serveMetrics)
	background.start(backgroundCtx, "refusals", r.refusals.Run)
	adminCtx, stopAdmin := context.WithCancel(live)
	defer stopAdmin()
	background.start(adminCtx, "admin", deadLetters)
	deliveries.start(deliveriesCtx, "deliveries", r.dispatcher.Run)

	served := make(chan error, 1)
	go func() {
		served <- r.server.Serve(listener)
		close(served)
	}()
	r.serving.Store(true)
	r.log.Info("Serving notifications", "address", listener.Addr().String())

	cause := r.wait(ctx, served)
	r.stopping.Store(true)
	r.serving.Store(false)
	stopAdmin() // it ends meanwhile
	ends, cancel := context.WithTimeout(live, r.options.shutdownTimeout)
	defer cancel()
	cause = errors.Join(cause, r.server.Shutdown(ends), <-served)
	stopDeliveries()
	cause = errors.Join(cause, deliveries.group.Wait())
	r.services.Close()
	stopBackground()
	return errors.Join(cause, background.group.Wait(), r.store.Close())
}

// wait returns when it is time to stop: nil after a signal, else why.
func (r *receiver) wait(ctx context.Context, served <-chan error) error {
	select {
	case <-ctx.Done():
		r.drain()
		return nil
	case <-r.failed.Done():
		return storeError(r.failed) //nolint:contextcheck // the store's, not the caller's
	case err := <-served:
		return fmt.Errorf("serve notifications: %w", err)
	case <-r.broken:
		if r.failed.Err() != nil {
			return storeError(r.failed) //nolint:contextcheck // which is why
		}
		return nil // its group has the error
	}
}

// drain goes on serving while senders are told, with each answer, to close their connections.
func (r *receiver) drain() {
	r.stopping.Store(true)
	r.log.Info("Stopping", "delay", r.options.shutdownDelay)
	time.Sleep(r.options.shutdownDelay)
}

// askingToClose has answers say, once the receiver stops, that their connection is closed, so that none is closed under the next
// request. The server's own way, SetKeepAlivesEnabled, would close those that are idle at once, and requests on their way with them.
func (r *receiver) askingToClose(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

func (r *receiver) serveMetrics(ctx context.Context) error {
	return metricsserver.Serve(ctx, metricsserver.Options{
		Address: r.options.metricsAddress, Secure: r.options.metricsSecure, CertFile: r.options.metricsCert, KeyFile: r.options.metricsKey,
		Registry: r.registry, Client: r.client, Now: time.Now, Logger: r.log.WithName("metrics"),
	})
}
