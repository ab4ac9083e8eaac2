// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// CheckAddress refuses an address to listen at that others than those in the same Pod could reach.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address with a port, as 127.0.0.1:8082 is", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	if !isLoopback(host) {
		return fmt.Errorf("%q is not a loopback address, as 127.0.0.1:8082 is: there is no authentication, so it must not be reachable from outside the Pod", address)
	}
	return nil
}

// isLoopback reports whether a host, as it stands before a port, is this one and cannot be any other.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// Listen listens at a loopback address.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// What localhost is, is up to the resolver.
	if bound, ok := listener.Addr().(*net.TCPAddr); !ok || !bound.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%s led to %s, which is not a loopback address", address, listener.Addr()), listener.Close())
	}
	return listener, nil
}
