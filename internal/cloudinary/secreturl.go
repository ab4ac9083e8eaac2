// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const urlForm = "cloudinary://API_KEY:API_SECRET@CLOUD_NAME" //nolint:gosec // placeholders

const (
	problemNotURL = "is not a Cloudinary URL: it must read " + urlForm +
		", with percent-encoding for anything in key and secret but letters and digits"
	problemPlaceholder = "still holds a placeholder in angle brackets: put the real value there"
	problemLineBreak   = "holds a line break or control character: it must be one line"
)

// parseCloudinaryURL reads cloudinary://KEY:SECRET@CLOUD[?upload_prefix=…&oauth_token=…], as
// Cloudinary's SDKs do: a path (once the name of a private distribution) and unknown parameters are
// ignored. What is absent stays empty.
func parseCloudinaryURL(raw []byte) (Credentials, error) {
	text, problem := cleanURL(raw)
	if problem != "" {
		return Credentials{}, &SecretError{KeyCloudinaryURL, problem}
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "cloudinary" || parsed.Opaque != "" || parsed.Host == "" ||
		strings.Contains(text, "#") || strings.Contains(parsed.Path, "@") {
		// The cause would quote it
		return Credentials{}, &SecretError{KeyCloudinaryURL, problemNotURL}
	}
	query, err := url.ParseQuery(parsed.RawQuery)
	if err != nil {
		return Credentials{}, &SecretError{KeyCloudinaryURL, "has parameters that cannot be read: percent-encode their values"}
	}
	secret, _ := parsed.User.Password()
	given := map[string][]string{
		KeyCloudName:    {parsed.Host},
		KeyAPIKey:       {parsed.User.Username()},
		KeyAPISecret:    {secret},
		KeyOAuthToken:   query[KeyOAuthToken],
		KeyUploadPrefix: query[KeyUploadPrefix],
	}
	var found Credentials
	for _, field := range fields(&found) {
		if problem := field.setOne(given[field.key]); problem != "" {
			return Credentials{}, &SecretError{KeyCloudinaryURL, problem}
		}
	}
	return found, nil
}

// setOne stores a single value, if there is one, and otherwise returns the problem.
func (f field) setOne(values []string) (problem string) {
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return ""
	case len(values) > 1:
		return "names " + f.key + " more than once"
	}
	problem = f.set(values[0])
	switch {
	case problem == "":
		return ""
	case !utf8.ValidString(values[0]):
		return "has a wrong " + f.key + ": a % in it begins an escape that was not meant perhaps; in a URL, % must be written %25"
	default:
		return "has a wrong " + f.key + ": it " + problem
	}
}

// cleanURL removes the text that people copy along.
func cleanURL(raw []byte) (text, problem string) {
	text = pasted(raw, KeyCloudinaryURL)
	switch {
	case text == "":
		return "", "is empty: set it to " + urlForm
	case len(text) > maxURLBytes:
		return "", tooLong(maxURLBytes)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "", problemLineBreak
	case strings.ContainsAny(text, "<>"):
		return "", problemPlaceholder
	}
	return text, leftover(text)
}

var (
	hostPattern = regexp.MustCompile(`^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$`)
	pathPattern = regexp.MustCompile(`^(?:/[A-Za-z0-9._~-]+)*$`)
)

// normalizePrefix returns the form of an upload prefix in which equal API bases are equal strings,
// or the problem.
func normalizePrefix(prefix string) (base, problem string) {
	parsed, err := url.Parse(prefix)
	switch {
	case len(prefix) > maxBaseBytes:
		return "", tooLong(maxBaseBytes)
	case err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "":
		return "", "is not an address such as https://api-eu.cloudinary.com"
	case parsed.User != nil:
		return "", "holds a user name or password: there must be none"
	case parsed.ForceQuery || strings.ContainsAny(prefix, "?#"):
		return "", "holds a query or fragment: there must be none"
	}
	host, ok := normalizeHost(parsed)
	if !ok {
		return "", "has a host name or port that cannot be one"
	}
	below := strings.TrimRight(strings.TrimSuffix(strings.TrimRight(parsed.EscapedPath(), "/"), "/v1_1"), "/")
	if !pathPattern.MatchString(below) || below != "" && path.Clean(below) != below {
		return "", "has a path with empty or dotted segments or unusual characters"
	}
	return parsed.Scheme + "://" + host + below, ""
}

// normalizeHost is host and port in lower case, without the default port of the scheme.
func normalizeHost(address *url.URL) (host string, ok bool) {
	host = strings.TrimSuffix(strings.ToLower(address.Hostname()), ".")
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		if err != nil || ip.Zone() != "" {
			return "", false
		}
		host = "[" + ip.String() + "]"
	} else if !hostPattern.MatchString(host) {
		return "", false
	}
	if address.Port() == "" {
		return host, true
	}
	port, err := strconv.ParseUint(address.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", false
	}
	if address.Scheme == "https" && port == 443 || address.Scheme == "http" && port == 80 {
		return host, true
	}
	return host + ":" + strconv.FormatUint(port, 10), true
}
