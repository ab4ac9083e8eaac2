// SPDX-License-Identifier: Apache-2.0

package service

import "net/netip"

// carried are the IPv4 addresses that an IPv6 address has in it, in each form in which something on the way may send to the IPv4
// address instead: a NAT64, a tunnel, or the kernel itself. Where a form leaves open which bytes they are, all that could be are there.
func carried(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	in := func(network string) bool { return netip.MustParsePrefix(network).Contains(a) }
	switch {
	case in("::/96"), // IPv4-compatible, as it was
		in("::ffff:0:0:0/96"), // IPv4-translated, RFC 2765
		in("64:ff9b::/96"):    // NAT64, RFC 6052
		return []netip.Addr{v4(b, 12, 13, 14, 15)}
	case in("64:ff9b:1::/48"): // NAT64 of a network's own, RFC 8215
		return carriedLocally(b)
	case in("2002::/16"): // 6to4, RFC 3056
		return []netip.Addr{v4(b, 2, 3, 4, 5)}
	case in("2001::/32"): // Teredo, RFC 4380: the server, and the client with its bits turned round
		return []netip.Addr{v4(b, 4, 5, 6, 7), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214: under any prefix
		return []netip.Addr{v4(b, 12, 13, 14, 15)}
	default:
		return nil
	}
}

// carriedLocally reads an address of a NAT64 whose prefix is a network's own, and may be 48, 56, 64 or 96 bits long (RFC 6052 says
// where the address is then, always around the ninth byte). Where a shorter prefix reads nothing but zeros, or only the end of what a
// longer one reads, there is an address in 0.0.0.0/8, which says no more than that the prefix is longer.
func carriedLocally(b [16]byte) []netip.Addr {
	longest := v4(b, 12, 13, 14, 15)
	found := []netip.Addr{}
	for _, a := range []netip.Addr{v4(b, 6, 7, 9, 10), v4(b, 7, 9, 10, 11), v4(b, 9, 10, 11, 12), longest} {
		if a.As4()[0] != 0 {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return []netip.Addr{longest}
	}
	return found
}

func v4(b [16]byte, at0, at1, at2, at3 int) netip.Addr {
	return netip.AddrFrom4([4]byte{b[at0], b[at1], b[at2], b[at3]})
}
