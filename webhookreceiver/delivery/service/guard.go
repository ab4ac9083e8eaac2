// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// refusedError means that an address is none that notifications are sent to.
type refusedError struct{ address netip.Addr }

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s is refused: targets must not have loopback, link-local, multicast or metadata addresses", e.address)
}

// guard looks at each address that is about to be dialed, so that nothing that names an address gets around it.
func guard(allowLoopback bool) func(ctx context.Context, network, address string, c syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		if !allowed(to.Addr(), allowLoopback) {
			return &refusedError{address: to.Addr().WithZone("")}
		}
		return nil
	}
}

// allowed says whether notifications are sent to an address.
func allowed(a netip.Addr, loopback bool) bool {
	a = embedded(a.WithZone("").Unmap())
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), isMetadata(a):
		return false
	case a.IsLoopback():
		return loopback
	case a.Is4():
		b := a.As4()
		return b[0] != 0 && b != [4]byte{255, 255, 255, 255} // this network, and all of it
	default:
		return true
	}
}

// embedded is the IPv4 address that a NAT64 translates an address to, or the address.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	if [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b} {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// isMetadata knows the one metadata service whose address is not link-local, but among those that clusters do not use.
func isMetadata(a netip.Addr) bool {
	return a.Is6() && a.As16() == [16]byte{0: 0xfd, 1: 0x00, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54}
}
