// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// APIBases are the Admin APIs that may be called: always Cloudinary's own, and those that were
// added. The zero value has none added.
type APIBases struct {
	added []apiBase
}

// apiBase is one address that was added, or several by a pattern.
type apiBase struct {
	scheme string
	// In lower case; an address of IPv6 in brackets. Without its first label, where that is any
	host  string
	port  string // empty: the scheme's
	below string // a path that each base begins with; empty: any
	// anyLabel has one label before host, and anyHost is every host at every port, also by http.
	anyLabel, anyHost bool
}

// AnyAPIBase allows every host, as ParseAPIBases does with "*".
func AnyAPIBase() APIBases { return APIBases{added: []apiBase{{anyHost: true}}} }

// OneAPIBase allows one base besides Cloudinary's own, which a person has chosen. So its answers
// are shown.
func OneAPIBase(base string) APIBases {
	b, err := parseAPIBase(base)
	if err != nil {
		return APIBases{}
	}
	return APIBases{added: []apiBase{b}}
}

// ParseAPIBases parses addresses, separated by commas: hosts such as api.example.com or
// 10.0.0.7:8443, optionally with http:// before and a path after them; *.example.com for each host
// with one label before that; and * for all.
func ParseAPIBases(text string) (APIBases, error) {
	var bases APIBases
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		b, err := parseAPIBase(part)
		if err != nil {
			return APIBases{}, err
		}
		bases.added = append(bases.added, b)
	}
	return bases, nil
}

// NormalizeAPIBase brings an address, such as https://api-eu.cloudinary.com, to the form that
// Credentials.APIBase has.
func NormalizeAPIBase(address string) (string, error) {
	base, problem := normalizePrefix(address)
	if problem != "" {
		return "", errors.New(problem)
	}
	return base, nil
}

var numericPattern = regexp.MustCompile(`^[0-9]+$`)

func parseAPIBase(text string) (apiBase, error) {
	if text == "*" {
		return apiBase{anyHost: true}, nil
	}
	scheme, rest, given := strings.Cut(text, "://")
	if !given {
		scheme, rest = "https", text // http has to be asked for
	}
	host, anyLabel := strings.CutPrefix(rest, "*.")
	base, problem := normalizePrefix(scheme + "://" + host)
	if problem != "" {
		return apiBase{}, fmt.Errorf("%q %s; it must be a host such as api.example.com, perhaps with a port, http:// before and a path after it, or *.example.com, or *", text, problem)
	}
	parsed, err := url.Parse(base)
	if err != nil {
		return apiBase{}, fmt.Errorf("%q is no address", text)
	}
	b := apiBase{scheme: parsed.Scheme, host: bareHost(parsed), port: parsed.Port(), below: parsed.EscapedPath(), anyLabel: anyLabel}
	labels := strings.Split(b.host, ".")
	if anyLabel && (strings.HasPrefix(b.host, "[") || numericPattern.MatchString(labels[len(labels)-1])) {
		return apiBase{}, fmt.Errorf("%q is a pattern of an IP address: write the whole address", text)
	}
	return b, nil
}

func bareHost(u *url.URL) string {
	if strings.Contains(u.Hostname(), ":") {
		return "[" + u.Hostname() + "]"
	}
	return u.Hostname()
}

// Allows reports whether a base may be called: one of Credentials.
func (a APIBases) Allows(base string) bool {
	return IsCloudinarys(base) || slices.ContainsFunc(a.added, func(b apiBase) bool { return b.matches(base) })
}

// Trusts reports whether people may see the message of an answer from a base: the base is
// Cloudinary's, or was added by its own name. A pattern may let in anybody's server.
func (a APIBases) Trusts(base string) bool {
	return IsCloudinarys(base) || slices.ContainsFunc(a.added, func(b apiBase) bool { return !b.anyHost && !b.anyLabel && b.matches(base) })
}

// cloudinarysHost matches the Admin APIs of Cloudinary's regions. Other hosts below cloudinary.com
// serve the content of customers.
var cloudinarysHost = regexp.MustCompile(`^api(?:-[a-z0-9]+)*\.cloudinary\.com$`)

// IsCloudinarys reports whether a base is one of Cloudinary's own Admin APIs.
func IsCloudinarys(base string) bool {
	parsed, err := url.Parse(base)
	return err == nil && parsed.Port() == "" && cloudinarysHost.MatchString(parsed.Host)
}

func (b apiBase) matches(base string) bool {
	if b.anyHost {
		return true
	}
	parsed, err := url.Parse(base)
	if err != nil {
		return false
	}
	host := bareHost(parsed)
	if b.anyLabel {
		_, host, _ = strings.Cut(host, ".")
	}
	path := parsed.EscapedPath()
	return b.scheme == parsed.Scheme && host == b.host && b.port == parsed.Port() &&
		(b.below == "" || path == b.below || strings.HasPrefix(path, b.below+"/"))
}

// APIHost is the host of the credentials' Admin API, with its port if that is unusual.
func (c Credentials) APIHost() string {
	_, host, _ := strings.Cut(c.Environment().APIBase, "://")
	host, _, _ = strings.Cut(host, "/")
	return host
}

// APIBaseToAllow is an entry for ParseAPIBases that allows the credentials' Admin API.
func (c Credentials) APIBaseToAllow() string {
	return strings.TrimPrefix(c.Environment().APIBase, "https://")
}
