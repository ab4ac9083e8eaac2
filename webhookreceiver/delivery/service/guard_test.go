// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddressesThatAreDialed(t *testing.T) {
	cases := map[string]struct {
		address  string
		want     bool
		loopback bool
	}{
		"a Pod's":                                {"10.244.0.7", true, false},
		"a Service's":                            {"10.96.0.10", true, false},
		"a unique local one":                     {"fd00:10:96::a", true, false},
		"a public one in IPv6":                   {"2001:db8::7", true, false},
		"a Pod's in what was reserved":           {"240.0.0.7", true, false},
		"a Pod's among carriers' addresses":      {"100.100.100.201", true, false},
		"a Pod's among protocols' addresses":     {"192.0.0.191", true, false},
		"a Pod's beside Azure's WireServer":      {"168.63.129.17", true, false},
		"a Pod's beside Google Cloud's metadata": {"fd20:ce::253", true, false},
		"a Pod's beside Scaleway's metadata":     {"fd00:42::43", true, false},
		"loopback":                               {"127.0.0.1", false, false},
		"loopback's last":                        {"127.255.255.254", false, false},
		"loopback for development":               {"127.0.0.1", true, true},
		"loopback in IPv6":                       {"::1", false, false},
		"loopback mapped":                        {"::ffff:127.0.0.1", false, false},
		"loopback through NAT64":                 {"64:ff9b::127.0.0.1", false, false},
		"loopback in 6to4":                       {"2002:7f00:1::", false, false},
		"none":                                   {"0.0.0.0", false, true},
		"none in IPv6":                           {"::", false, true},
		"this network":                           {"0.1.2.3", false, true},
		"link-local in IPv6":                     {"fe80::1", false, true},
		"link-local in IPv6 with a zone":         {"fe80::1%eth0", false, true},
		"metadata with a zone":                   {"fd20:ce::254%eth0", false, true},
		"site-local in IPv6":                     {"fec0::1", false, true},
		"multicast":                              {"224.0.0.1", false, true},
		"multicast's last":                       {"239.255.255.255", false, true},
		"multicast in IPv6":                      {"ff02::1", false, true},
		"broadcast":                              {"255.255.255.255", false, true},
		"broadcast through NAT64":                {"64:ff9b::255.255.255.255", false, true},

		"metadata of most clouds":           {"169.254.169.254", false, true},
		"credentials of AWS's tasks":        {"169.254.170.2", false, true},
		"Azure's WireServer":                {"168.63.129.16", false, true},
		"Azure's WireServer mapped":         {"::ffff:168.63.129.16", false, true},
		"Alibaba Cloud's metadata":          {"100.100.100.200", false, true},
		"Alibaba Cloud's metadata in IPv6":  {"fd00:100::100:200", false, true},
		"Oracle Cloud's former metadata":    {"192.0.0.192", false, true},
		"Oracle Cloud's metadata in IPv6":   {"fd00:c1::a9fe:a9fe", false, true},
		"Google Cloud's metadata in IPv6":   {"fd20:ce::254", false, true},
		"Scaleway's metadata in IPv6":       {"fd00:42::42", false, true},
		"Akamai's metadata in IPv6":         {"fd00:a9fe:a9fe::1", false, true},
		"AWS's metadata in IPv6":            {"fd00:ec2::254", false, true},
		"credentials of Pods on AWS":        {"fd00:ec2::23", false, true},
		"OpenStack's metadata in IPv6":      {"fe80::a9fe:a9fe", false, true},
		"metadata mapped":                   {"::ffff:169.254.169.254", false, true},
		"metadata in the compatible form":   {"::169.254.169.254", false, true},
		"metadata in the translated form":   {"::ffff:0:169.254.169.254", false, true},
		"metadata through NAT64":            {"64:ff9b::a9fe:a9fe", false, true},
		"WireServer through NAT64":          {"64:ff9b::168.63.129.16", false, true},
		"Alibaba's metadata through NAT64":  {"64:ff9b::100.100.100.200", false, true},
		"a Pod's through NAT64":             {"64:ff9b::0af4:0007", true, false},
		"metadata through one's own NAT64":  {"64:ff9b:1::a9fe:a9fe", false, true},
		"with a prefix of 96 bits":          {"64:ff9b:1:fffe::169.254.169.254", false, true},
		"with a prefix of 48 bits":          {"64:ff9b:1:a9fe:a9:fe00::", false, true},
		"with a prefix of 56 bits":          {"64:ff9b:1:1a9:fe:a9fe::", false, true},
		"with a prefix of 64 bits":          {"64:ff9b:1:1:a9:fea9:fe00:0", false, true},
		"nothing through one's own NAT64":   {"64:ff9b:1::", false, true},
		"a Pod's through one's own NAT64":   {"64:ff9b:1::10.244.0.7", true, false},
		"a Pod's, 96 bits":                  {"64:ff9b:1:fffe::10.244.0.7", true, false},
		"a Pod's, 48 bits":                  {"64:ff9b:1:af4:0:700::", true, false},
		"metadata in 6to4":                  {"2002:a9fe:a9fe::1", false, true},
		"WireServer in 6to4":                {"2002:a83f:8110::", false, true},
		"a public one in 6to4":              {"2002:c633:6407::1", true, false},
		"Teredo by way of metadata":         {"2001:0:a9fe:a9fe::1", false, true},
		"Teredo to metadata":                {"2001:0:c633:6407:0:0:5601:5601", false, true},
		"Teredo between public ones":        {"2001:0:c633:6407:8000:63bf:3fff:fdd2", true, false},
		"metadata in ISATAP":                {"2001:db8::5efe:169.254.169.254", false, true},
		"metadata in ISATAP, unique":        {"fd00::200:5efe:169.254.169.254", false, true},
		"a Pod's that looks nearly like it": {"fd00::1:5efe:169.254.169.254", true, false},
		"what only looks like metadata":     {"fd00:10:244::a9fe:a9fe", true, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			j := Addresses{AllowLoopback: c.loopback}.judge()
			if got := j.allows(netip.MustParseAddr(c.address)); got != c.want {
				t.Errorf("allows(%s) is %v, want %v", c.address, got, c.want)
			}
			host := netip.AddrPortFrom(netip.MustParseAddr(c.address), 80).String()
			err := j.guard(t.Context(), "tcp", host, nil)
			if refused := (refusedError{}); errors.As(err, &refused) == c.want || (err != nil && strings.Contains(err.Error(), c.address)) {
				t.Errorf("dialing %s: %v", host, err)
			}
		})
	}
	if err := (Addresses{AllowLoopback: true}).judge().guard(t.Context(), "tcp", "localhost:80", nil); err == nil {
		t.Error("a name was dialed")
	}
}

func TestNetworksThatAnAdministratorDenies(t *testing.T) {
	for name, c := range map[string]struct {
		networks, address string
		want              bool
	}{
		"in one":                        {"10.0.0.0/8", "10.1.2.3", false},
		"in none":                       {"10.0.0.0/8,192.168.0.0/16", "172.16.0.1", true},
		"in the second":                 {" 10.0.0.0/8 , 192.168.0.0/16 ,", "192.168.3.4", false},
		"mapped, in one":                {"10.0.0.0/8", "::ffff:10.1.2.3", false},
		"in one that is mapped":         {"::ffff:10.0.0.0/104", "10.1.2.3", false},
		"through NAT64":                 {"10.0.0.0/8", "64:ff9b::10.1.2.3", false},
		"the network of NAT64 itself":   {"64:ff9b::/96", "64:ff9b::8.8.8.8", false},
		"with a zone":                   {"fd00::/8", "fd00::1%eth0", false},
		"loopback, also if it is asked": {"127.0.0.0/8", "127.0.0.1", false},
		"what is refused anyway":        {"10.0.0.0/8", "169.254.169.254", false},
		"all of IPv4, seen from IPv6":   {"0.0.0.0/0", "fd00::1", true},
	} {
		t.Run(name, func(t *testing.T) {
			deny, err := ParseDeny(c.networks)
			if err != nil {
				t.Fatal(err)
			}
			j := Addresses{AllowLoopback: true, Deny: deny}.judge()
			if got := j.allows(netip.MustParseAddr(c.address)); got != c.want {
				t.Errorf("allows(%s) with %s is %v, want %v", c.address, c.networks, got, c.want)
			}
		})
	}
}

func TestNetworksThatAreNoneAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1":            `"10.0.0.1" is an address: write 10.0.0.1/32`,
		"fd00::1":             `"fd00::1" is an address: write fd00::1/128`,
		"10.0.0.1/8":          `"10.0.0.1/8" is no network, since it has bits set beyond its length: write 10.0.0.0/8`,
		"10.0.0.0/8,internal": `"internal" is no network such as 10.0.0.0/8 or fd00::/8`,
		"10.0.0.0/33":         `"10.0.0.0/33" is no network such as 10.0.0.0/8 or fd00::/8`,
		"fe80::1%eth0":        `"fe80::1%eth0" is no network such as 10.0.0.0/8 or fd00::/8`,
		"10.0.0.0/8;fd00::/8": `"10.0.0.0/8;fd00::/8" is no network such as 10.0.0.0/8 or fd00::/8`,
		"10.0.0.0-10.0.0.255": `"10.0.0.0-10.0.0.255" is no network such as 10.0.0.0/8 or fd00::/8`,
	} {
		if _, err := ParseDeny(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	got, err := ParseDeny("")
	if diff := cmp.Diff(0, len(got)); err != nil || diff != "" {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

// An address that was let through by one form must not be refused by what it was made of, and the other way round.
func FuzzAddressesInOtherForms(f *testing.F) {
	for _, a := range []uint32{0xa9fea9fe, 0x0af40007, 0x7f000001, 0, 0xffffffff, 0x64646464, 0xa83f8110} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, n uint32) {
		b := [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		plain := netip.AddrFrom4(b)
		j := Addresses{}.judge()
		for name, other := range map[string]netip.Addr{
			"mapped":     netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}),
			"translated": netip.AddrFrom16([16]byte{8: 0xff, 9: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}),
			"NAT64":      netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}),
			"own NAT64":  netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b, 5: 1, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}),
			"6to4":       netip.AddrFrom16([16]byte{0: 0x20, 1: 0x02, 2: b[0], 3: b[1], 4: b[2], 5: b[3]}),
			"ISATAP":     netip.AddrFrom16([16]byte{0: 0xfd, 10: 0x5e, 11: 0xfe, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}),
		} {
			if got, want := j.allows(other), j.allows(plain); got != want {
				t.Errorf("%s is allowed: %v; as %s, %s: %v", plain, want, name, other, got)
			}
		}
	})
}
