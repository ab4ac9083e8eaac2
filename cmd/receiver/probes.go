// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/cloudinary-operator/cloudinary-operator/internal/probes"
)

// startProbes has the probes answered until endProbes.
func (r *receiver) startProbes(ctx context.Context) error {
	ctx, r.stopProbes = context.WithCancel(context.WithoutCancel(ctx))
	if r.options.probeAddress == "0" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.options.probeAddress)
	if err != nil {
		return fmt.Errorf("listen for probes: %w", err)
	}
	r.probeListener = listener
	r.probes.start(ctx, "probes", func(ctx context.Context) error { return probes.Serve(ctx, listener, r.ready) })
	return nil
}

// endProbes says why they were no longer answered, if that was so: the kubelet only knows that they were not.
func (r *receiver) endProbes() error {
	r.stopProbes()
	return r.probes.group.Wait()
}

// ready says what keeps notifications from being taken. A receiver that is about to stop is ready as long as it takes them: there is no other
// one that could, and kube-proxy goes on sending to what is ending only while that is ready.
func (r *receiver) ready() error {
	switch serving := r.serving.Load(); {
	case !serving && r.stopping.Load():
		return errors.New("stopping")
	case !serving:
		return errors.New("the store is not open: another receiver may have it")
	case r.watcher.Table() == nil:
		return errors.New("the endpoints are not known yet")
	default:
		return nil
	}
}
