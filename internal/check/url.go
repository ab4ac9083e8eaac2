// SPDX-License-Identifier: Apache-2.0

package check

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

const (
	maxURLBytes  = 2048 // of a notification URL
	maxHostBytes = 253  // of a host name
	maxQuoted    = 64   // of what a message repeats of the user's input
)

// URL checks a notification URL, or the base of one, in a field. A finding repeats no more of the
// URL than the host name, because the rest may be a token.
func URL(field, raw string) []Finding {
	u, err := parseURL(raw)
	if err != nil {
		return []Finding{{Severity: Refusal, Reason: v1alpha1.ReasonInvalidURL, Field: field, Why: err.Error()}}
	}
	var notes []Finding
	if u.Scheme == "http" {
		notes = append(notes, Finding{
			Field: field, Why: "notifications travel unencrypted over http, and anyone who reads them on the way learns any token in the URL", Advice: "use https if you can",
		})
	}
	if what := unreachable(u.Hostname()); what != "" {
		notes = append(notes, Finding{Field: field, Why: "the host is " + what + ". Cloudinary calls from the internet and cannot reach it, so notifications are lost", Advice: wayOut(field)})
	}
	return notes
}

// wayOut is the advice for an address that Cloudinary cannot reach.
func wayOut(field string) string {
	if field == FieldURL {
		return "use a public address or, for a Service of the cluster, the bundled receiver: spec.receiver with deliverTo instead of spec.url"
	}
	return "use the receiver's address on the internet"
}

// Notifiable returns why Cloudinary cannot notify a URL. Nil: it can.
func Notifiable(raw string) error {
	_, err := parseURL(raw)
	return err
}

func parseURL(raw string) (*url.URL, error) {
	if len(raw) > maxURLBytes {
		return nil, fmt.Errorf("has %d bytes, but the maximum is %d", len(raw), maxURLBytes)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil, errors.New("contains a space or a control character; percent-encode it (a space is %20)")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's own error repeats the URL.
		return nil, errors.New("is not a URL; look for a % that starts no escape, a port that is not a number, or a character that a host name cannot have")
	}
	if err := checkURLParts(u, strings.Contains(raw, "#")); err != nil {
		return nil, err
	}
	return u, checkHost(u, raw)
}

func checkURLParts(u *url.URL, fragment bool) error {
	port := u.Port()
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with https:// or http://")
	case u.Hostname() == "":
		return errors.New("has no host name")
	case u.User != nil:
		return errors.New("must not carry credentials (user:password@); put a token into the path or the query if the receiver needs one")
	case fragment:
		return errors.New("must not have a fragment (#...): it never reaches a server")
	case port != "" && (portErr != nil || number == 0):
		return errors.New("has a port that is not between 1 and 65535")
	default:
		return nil
	}
}

// RFC 1123 allows these host names. Some resolvers accept the underscore too.
var hostPattern = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$`)

// checkHost refuses a host that no server can have.
func checkHost(u *url.URL, raw string) error {
	host := u.Hostname()
	_, authority, _ := strings.Cut(raw, "//")
	authority, _, _ = strings.Cut(authority, "/")
	authority, _, _ = strings.Cut(authority, "?")
	switch {
	case strings.HasPrefix(authority, "["):
		return checkAddress(host)
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return international(host)
	case strings.Contains(authority, "%"):
		return errors.New("has a percent-encoded character in its host name; write the name as it is in DNS")
	case !hostPattern.MatchString(host) || len(strings.TrimSuffix(host, ".")) > maxHostBytes:
		return fmt.Errorf("has the host name %q, which no server can have: a host name has letters, digits and hyphens, in parts of 1 to 63 characters with dots between them; "+
			"look for a placeholder that was not replaced", excerpt.Shorten(host, maxQuoted))
	case endsInNumber(host):
		return checkAddress(host)
	default:
		return nil
	}
}

// international refuses a host name with letters that are not ASCII, in any spelling, and names its
// spelling in DNS.
func international(host string) error {
	name := "for example xn--mnchen-3ya.example"
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		name = excerpt.Shorten(ascii, maxQuoted)
	}
	return fmt.Errorf("has an international host name; write it in punycode: %s", name)
}

// endsInNumber reports whether a host's last part is a number, so that it can only be an IPv4
// address: no top-level domain is a number.
func endsInNumber(host string) bool {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	_, err := strconv.ParseUint(parts[len(parts)-1], 0, 64)
	return err == nil
}

func checkAddress(host string) error {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		return fmt.Errorf("has the host %q, which is neither a host name nor an IP address; an IPv4 address has four numbers, an IPv6 address is in brackets", excerpt.Shorten(host, maxQuoted))
	}
	if ip = ip.Unmap(); ip.IsUnspecified() || ip.IsMulticast() || reserved().Contains(ip) {
		return fmt.Errorf("has the IP address %s, which no server can have; use the server's address on the internet", ip)
	}
	return nil
}

// reserved are addresses without an owner, the limited broadcast among them (RFC 1112, RFC 919).
func reserved() netip.Prefix { return netip.MustParsePrefix("240.0.0.0/4") }

// unreachable says why Cloudinary cannot reach a host, as far as its name or address tells. Empty:
// it can. It is no reason to refuse: a test may use such a host with a simulated Cloudinary.
func unreachable(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		return privateAddress(ip.Unmap())
	}
	return privateName(host)
}

// shared are address ranges that the internet does not route, besides those that netip knows:
// carriers' (RFC 6598), and those for documentation (RFC 5737, RFC 3849).
func shared() map[netip.Prefix]string {
	const documentation = "an address for documentation"
	return map[netip.Prefix]string{
		netip.MustParsePrefix("100.64.0.0/10"):   "a private address",
		netip.MustParsePrefix("192.0.2.0/24"):    documentation,
		netip.MustParsePrefix("198.51.100.0/24"): documentation,
		netip.MustParsePrefix("203.0.113.0/24"):  documentation,
		netip.MustParsePrefix("2001:db8::/32"):   documentation,
	}
}

func privateAddress(ip netip.Addr) string {
	switch {
	case ip.IsLoopback():
		return loopback
	case ip.IsPrivate(), ip.IsLinkLocalUnicast():
		return "a private address"
	}
	for prefix, what := range shared() {
		if prefix.Contains(ip) {
			return what
		}
	}
	return ""
}

// loopback describes addresses of the caller itself.
const loopback = "the caller's own machine (loopback)"

// privateNames are the top-level domains that are not on the internet: RFC 6761, 6762 (also its
// appendix G), 7686, 8375, and ICANN's decision on .internal.
func privateNames() []string {
	return []string{"corp", "home", "home.arpa", "internal", "intranet", "invalid", "lan", "local", "localdomain", "onion", "private", "test"}
}

func privateName(host string) string {
	within := func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	switch {
	case within("localhost"), host == "localhost.localdomain":
		return loopback
	case within("svc"), within("cluster.local"):
		return "a name that only the cluster knows"
	case !strings.Contains(host, "."):
		return "a name without a domain, which only a private network knows"
	case slices.ContainsFunc(privateNames(), within):
		return "a name that only a private network knows"
	default:
		return ""
	}
}
