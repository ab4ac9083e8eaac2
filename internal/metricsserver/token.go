// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Audience is one that tokens may be made for instead of the API server's own: such a token reads metrics, and is of no use to whoever
// steals it from here.
const Audience = "cloudinary-operator-metrics"

const (
	// maxTokenBytes is several times a service account's token, and leaves room in a header.
	maxTokenBytes = 6 << 10
	// clockLeeway is how far a token may be past its time by this clock, which need not be the API server's.
	clockLeeway = time.Minute
)

// claims are what is read of a token. Nobody has vouched for it.
type claims struct {
	Audience audiences `json:"aud"`
	Expires  *float64  `json:"exp"`
}

// audiences is a list, or one of them alone.
type audiences []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audiences) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a)) //nolint:wrapcheck // nobody is shown it
}

// read reports false for what cannot be a token in force: of a service account, or of an OpenID provider. The API server need not be asked
// about that.
func read(token string, now time.Time) (claims, bool) {
	parts := strings.Split(token, ".")
	if len(token) > maxTokenBytes || len(parts) != 3 || parts[2] == "" {
		return claims{}, false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var c claims
	if !decode(parts[0], &header) || !decode(parts[1], &c) || header.Algorithm == "" || strings.EqualFold(header.Algorithm, "none") {
		return claims{}, false
	}
	if _, err := base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return claims{}, false
	}
	expired := c.Expires != nil && float64(now.Add(-clockLeeway).Unix()) > *c.Expires
	return c, !expired
}

func decode(part string, into any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, into) == nil
}

// reviewedFor are the audiences that the API server is asked about; none: its own.
func (c claims) reviewedFor() []string {
	if slices.Contains(c.Audience, Audience) {
		return []string{Audience}
	}
	return nil
}
