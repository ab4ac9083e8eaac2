// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAllowed(t *testing.T) {
	cases := map[string]struct {
		address  string
		want     bool
		loopback bool
	}{
		"a Pod's":                        {"10.244.0.7", true, false},
		"a Service's":                    {"10.96.0.10", true, false},
		"a unique local one":             {"fd00:10:96::a", true, false},
		"a Pod's in what was reserved":   {"240.0.0.7", true, false},
		"loopback":                       {"127.0.0.1", false, false},
		"loopback for development":       {"127.0.0.1", true, true},
		"loopback in IPv6":               {"::1", false, false},
		"loopback mapped":                {"::ffff:127.0.0.1", false, false},
		"link-local: metadata of clouds": {"169.254.169.254", false, true},
		"link-local mapped":              {"::ffff:169.254.169.254", false, true},
		"link-local through NAT64":       {"64:ff9b::a9fe:a9fe", false, true},
		"a Pod's through NAT64":          {"64:ff9b::0af4:0007", true, false},
		"link-local in IPv6":             {"fe80::1", false, true},
		"link-local in IPv6 with a zone": {"fe80::1%eth0", false, true},
		"metadata in IPv6":               {"fd00:ec2::254", false, true},
		"none":                           {"0.0.0.0", false, true},
		"none in IPv6":                   {"::", false, true},
		"this network":                   {"0.1.2.3", false, true},
		"multicast":                      {"224.0.0.1", false, true},
		"multicast in IPv6":              {"ff02::1", false, true},
		"broadcast":                      {"255.255.255.255", false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := allowed(netip.MustParseAddr(c.address), c.loopback); got != c.want {
				t.Errorf("allowed(%s) is %v, want %v", c.address, got, c.want)
			}
			host := netip.AddrPortFrom(netip.MustParseAddr(c.address), 80).String()
			err := guard(c.loopback)(t.Context(), "tcp", host, nil)
			if refused := (*refusedError)(nil); errors.As(err, &refused) == c.want {
				t.Errorf("dialing %s: %v", host, err)
			}
		})
	}
	if err := guard(true)(t.Context(), "tcp", "localhost:80", nil); err == nil {
		t.Error("a name was dialed")
	}
}
