// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/admin"
)

// adminServer listens for requests about dead letters, and returns what answers them. That nobody can ask shows at the start, not when
// somebody has to.
func (r *receiver) adminServer(ctx context.Context) (serve func(context.Context) error, err error) {
	if r.options.adminAddress == "0" {
		return func(context.Context) error { return nil }, nil
	}
	var listener net.Listener
	if listener, err = admin.Listen(ctx, r.options.adminAddress); err != nil {
		return nil, fmt.Errorf("listen for requests about dead letters (--admin-bind-address): %w", err)
	}
	server := admin.NewServer(r.store, r.writer)
	return func(ctx context.Context) error { return server.Serve(ctx, listener) }, nil
}
