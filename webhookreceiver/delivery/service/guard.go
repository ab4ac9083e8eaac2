// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// Addresses say which addresses notifications are sent to. The zero value refuses what is no Pod's or Service's in any cluster.
type Addresses struct {
	// AllowLoopback has targets on this machine allowed, for development.
	AllowLoopback bool
	// Deny are refused as well, as ParseDeny returns them.
	Deny []netip.Prefix
}

// ParseDeny reads networks in CIDR notation, separated by commas.
func ParseDeny(text string) ([]netip.Prefix, error) {
	var found []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		network, err := parseNetwork(part)
		if err != nil {
			return nil, err
		}
		found = append(found, network)
	}
	return found, nil
}

// mappedBits is the length of the prefix that stands before an IPv4 address in IPv6 form.
const mappedBits = 96

func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		if a, notNetwork := netip.ParseAddr(text); notNetwork == nil && a.Zone() == "" {
			return netip.Prefix{}, fmt.Errorf("%q is an address: write %s", text, netip.PrefixFrom(a, a.BitLen()))
		}
		return netip.Prefix{}, fmt.Errorf("%q is no network such as 10.0.0.0/8 or fd00::/8", text)
	}
	if masked := network.Masked(); masked != network {
		return netip.Prefix{}, fmt.Errorf("%q is no network, since it has bits set beyond its length: write %s", text, masked)
	}
	if a := network.Addr(); a.Is4In6() && network.Bits() >= mappedBits {
		return netip.PrefixFrom(a.Unmap(), network.Bits()-mappedBits), nil
	}
	return network, nil
}

// refusedError means that an address is none that notifications are sent to. Which one that is stays out of its text: whoever may
// name a Service learns nothing of the network by it.
type refusedError struct{}

func (refusedError) Error() string { return "the target's address is refused: " + addressesRefused }

const addressesRefused = "it must not be loopback, link-local, multicast, of a metadata service, or in --deny-target-cidrs"

// judge decides on addresses.
type judge struct {
	loopback bool
	denied   []netip.Prefix // by the flag
	never    []netip.Prefix
}

func (a Addresses) judge() *judge {
	return &judge{loopback: a.AllowLoopback, denied: a.Deny, never: never()}
}

// never are the networks that no target is in. Clusters have Pods in nearly every other one, also in 100.64.0.0/10, in what is reserved
// (192.0.0.0/24, 240.0.0.0/4), and in all of fd00::/8. So the metadata services among those are refused one by one.
func never() []netip.Prefix {
	texts := []string{
		"0.0.0.0/8",          // this network
		"169.254.0.0/16",     // link-local: metadata of most clouds, DNS of nodes
		"224.0.0.0/4",        // multicast
		"255.255.255.255/32", // broadcast
		"100.100.100.200/32", // Alibaba Cloud's metadata
		"168.63.129.16/32",   // Azure's WireServer
		"192.0.0.192/32",     // Oracle Cloud's metadata, as it was

		"::/128",                 // unspecified
		"fe80::/10",              // link-local
		"fec0::/10",              // site-local, given up in 2004
		"ff00::/8",               // multicast
		"fd00:42::42/128",        // Scaleway's metadata
		"fd00:100::100:200/128",  // Alibaba Cloud's metadata
		"fd00:a9fe:a9fe::1/128",  // Akamai's (Linode's) metadata
		"fd00:c1::a9fe:a9fe/128", // Oracle Cloud's metadata
		"fd00:ec2::/32",          // AWS's own: metadata, credentials of Pods, DNS, time
		"fd20:ce::254/128",       // Google Cloud's metadata
	}
	networks := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		networks[i] = netip.MustParsePrefix(text)
	}
	return networks
}

// guard looks at each address that is about to be dialed, so that nothing that names an address gets around it.
func (j *judge) guard(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	if !j.allows(to.Addr()) {
		return refusedError{}
	}
	return nil
}

// allows reports whether notifications are sent to an address. One that carries IPv4 addresses, to which somebody on the way may
// translate it, is judged by these as well.
func (j *judge) allows(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if !a.IsValid() || contains(j.denied, a) {
		return false
	}
	if a.IsLoopback() {
		return j.loopback
	}
	return !contains(j.never, a) && !slices.ContainsFunc(carried(a), func(v4 netip.Addr) bool { return !j.allows(v4) })
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}
