// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/probes"
)

// instance is the manager with the servers for probes and metrics. The servers are not part of the
// manager: they answer while it waits for the API server, and until it has ended.
type instance struct {
	work func(context.Context) error

	probeAddress string
	ready        func() error
	metrics      metricsserver.Options
}

// run works until ctx ends, or something fails.
func (i *instance) run(ctx context.Context) error {
	probeListener, err := i.listenForProbes(ctx)
	if err != nil {
		return err
	}
	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	live, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var beside errgroup.Group
	serve := func(name string, server func() error) {
		beside.Go(func() error {
			defer stopWork()
			if err := server(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if probeListener != nil {
		serve("probes", func() error { return probes.Serve(live, probeListener, i.ready) })
	}
	serve("metrics", func() error { return metricsserver.Serve(live, i.metrics) })
	err = i.work(working)
	stopServing()
	return errors.Join(err, beside.Wait())
}

// listenForProbes returns nil if probes are disabled.
func (i *instance) listenForProbes(ctx context.Context) (net.Listener, error) {
	if i.probeAddress == "0" {
		return nil, nil //nolint:nilnil // see above
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", i.probeAddress)
	if err != nil {
		return nil, fmt.Errorf("listen for probes: %w", err)
	}
	return listener, nil
}
