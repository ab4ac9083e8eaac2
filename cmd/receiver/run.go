// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
)

// parts run in the background. The first that ends with an error is heard of in broken.
type parts struct {
	group  errgroup.Group
	broken chan struct{}
}

func (p *parts) start(ctx context.Context, name string, run func(context.Context) error) {
	p.group.Go(func() error {
		err := run(ctx)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s: %w", name, err)
		select {
		case p.broken <- struct{}{}:
		default:
		}
		return err
	})
}

// run serves until ctx ends, or a part fails. Then, one after the other: notifications are taken for a while longer, requests end,
// deliveries end, what was counted is saved, and the store is closed.
func (r *receiver) run(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.options.address)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for notifications: %w", err), r.store.Close())
	}
	r.watcher.Restore()

	broken := make(chan struct{}, 1)
	background, deliveries := parts{broken: broken}, parts{broken: broken}
	live := context.WithoutCancel(ctx)
	backgroundCtx, stopBackground := context.WithCancel(live)
	defer stopBackground()
	deliveriesCtx, stopDeliveries := context.WithCancel(live)
	defer stopDeliveries()
	background.start(backgroundCtx, "routes", r.watcher.Run)
	background.start(backgroundCtx, "totals", r.recorder.Run)
	background.start(backgroundCtx, "status", r.writer.Run)
	background.start(backgroundCtx, "metrics", r.serveMetrics)
	deliveries.start(deliveriesCtx, "deliveries", r.dispatcher.Run)

	server := webhookreceiver.NewServer(r.handler)
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, r.options.maxConnections)) }()
	r.serving.Store(true)
	r.log.Info("Serving notifications", "address", listener.Addr().String())

	cause := r.wait(ctx, server, served, broken)
	r.stopping.Store(true)
	ends, cancel := context.WithTimeout(live, r.options.shutdownTimeout)
	defer cancel()
	cause = errors.Join(cause, server.Shutdown(ends))
	stopDeliveries()
	cause = errors.Join(cause, deliveries.group.Wait())
	r.services.Close()
	stopBackground()
	return errors.Join(cause, background.group.Wait(), r.store.Close())
}

// wait returns when it is time to stop: nil after a signal, else why.
func (r *receiver) wait(ctx context.Context, server *http.Server, served <-chan error, broken <-chan struct{}) error {
	select {
	case <-ctx.Done():
		r.drain(server)
		return nil
	case err := <-r.failed:
		return fmt.Errorf("the store has failed, and has to be opened anew: %w", err)
	case err := <-served:
		return fmt.Errorf("serve notifications: %w", err)
	case <-broken:
		return nil // its group has the error
	}
}

// drain goes on serving while senders learn that this receiver goes away. Answers ask them to close their connections, so that none is
// closed under a request.
func (r *receiver) drain(server *http.Server) {
	r.stopping.Store(true)
	r.log.Info("Stopping", "delay", r.options.shutdownDelay)
	server.SetKeepAlivesEnabled(false)
	time.Sleep(r.options.shutdownDelay)
}

func (r *receiver) serveMetrics(ctx context.Context) error {
	if r.options.metricsAddress == "0" {
		return nil
	}
	return metricsserver.Serve(ctx, metricsserver.Options{
		Address: r.options.metricsAddress, Secure: r.options.metricsSecure, Registry: r.registry, Client: r.client,
		Now: time.Now, Logger: r.log.WithName("metrics"),
	})
}
