// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"net/url"
	"strings"
)

// CanonicalURL returns the form in which equal URLs have equal text: scheme and host in lower case,
// no default port, at least a slash as path, percent-encodings in upper case (RFC 3986, 6.2.2 and
// 6.2.3). It returns a text that is not a URL unchanged.
func CanonicalURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return raw
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = canonicalHost(u)
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawPath = upperEscapes(u.EscapedPath())
	u.RawQuery = upperEscapes(u.RawQuery)
	return u.String()
}

func canonicalHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return host
	}
	if port == "" || (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}

func upperEscapes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToUpper(b[i+1:i+3]))
		}
	}
	return string(b)
}

// errNotJSON is returned for a text that is not exactly one JSON value.
var errNotJSON = errors.New("not exactly one JSON value")

// CanonicalJSON returns the form in which equal JSON values have equal text: compact, members
// sorted, numbers in their shortest form. Nothing, null, "" and {} give "", which means "not set".
// A string with a JSON object in it gives that object, because Cloudinary accepts templates in both
// forms.
func CanonicalJSON(raw []byte) (string, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return "", nil
	}
	value, err := decode(raw)
	if err != nil {
		return "", err
	}
	if s, ok := value.(string); ok && strings.HasPrefix(strings.TrimSpace(s), "{") {
		if inner, err := decode([]byte(s)); err == nil {
			value = inner
		}
	}
	if isUnset(value) {
		return "", nil
	}
	return encode(canonicalNumbers(value))
}

func isUnset(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return value, nil
}

// encode writes compact JSON with sorted members, and does not escape <, > and &.
func encode(value any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", fmt.Errorf("encode JSON: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func canonicalNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k, member := range v {
			v[k] = canonicalNumbers(member)
		}
	case []any:
		for i, member := range v {
			v[i] = canonicalNumbers(member)
		}
	case json.Number:
		return canonicalNumber(v)
	}
	return value
}

const (
	// maxExactInteger bounds the numbers that are written as integers. Larger ones get an exponent,
	// so that 1e999999999 does not become a gigabyte of zeros.
	maxExactInteger = 1e21
	// maxExactDigits bounds the texts with exact arithmetic: a fraction of a million digits would
	// take minutes.
	maxExactDigits = 64
)

func canonicalNumber(n json.Number) json.Number {
	f, err := n.Float64()
	if err != nil {
		return n
	}
	// -0 and tiny numbers too: as a fraction, those could have a million digits
	if f == 0 {
		return "0"
	}
	if math.Abs(f) < maxExactInteger && len(n) <= maxExactDigits {
		if r, ok := new(big.Rat).SetString(n.String()); ok && r.IsInt() {
			return json.Number(r.Num().String())
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return n
	}
	return json.Number(text)
}

// equalFilters compares two filters as JSONLogic does: {"var": "x"} and {"var": ["x"]} are the same
// rule.
func equalFilters(a, b string) bool {
	return a == b || withArrayOperands(a) == withArrayOperands(b)
}

func withArrayOperands(filter string) string {
	value, err := decode([]byte(filter))
	if err != nil {
		return filter
	}
	text, err := encode(wrapOperands(value))
	if err != nil {
		return filter
	}
	return text
}

func wrapOperands(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for operator, operands := range v {
			operands = wrapOperands(operands)
			if _, isArray := operands.([]any); !isArray && len(v) == 1 {
				operands = []any{operands}
			}
			v[operator] = operands
		}
	case []any:
		for i := range v {
			v[i] = wrapOperands(v[i])
		}
	}
	return value
}

// hashOf returns a short hash of texts. The lengths are part of it, so that texts do not run into
// each other. 16 bytes are enough: the hash is compared with the few hashes of one trigger, and an
// attacker gains nothing from forging one.
func hashOf(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// SentHash is the hash of what a write sends.
func SentHash(rawURL string, s Settings) string {
	return hashOf("1", CanonicalURL(rawURL), fmt.Sprint(s.Additive), s.Filter, s.PayloadTemplate, s.AuthScheme)
}
