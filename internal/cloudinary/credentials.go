// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// DefaultAPIBase is the Admin API of a Secret without upload_prefix.
const DefaultAPIBase = "https://api.cloudinary.com"

// Credentials give access to one product environment. Printing, logging or marshaling them shows
// only the environment. They are comparable.
//
// Fmt prints an unexported member of a struct without its methods. So a printable type hides its
// credentials in a function, as Client does.
type Credentials struct {
	// scheme, host and perhaps a path, normalized, no trailing slash; empty: DefaultAPIBase
	APIBase    string
	CloudName  string
	APIKey     string // with APISecret, or empty where OAuthToken is set
	APISecret  string
	OAuthToken string // sent instead of key and secret where both are set, as Cloudinary's SDKs do
}

// Environment identifies a product environment. It is equal exactly for credentials of the same
// one.
type Environment struct {
	APIBase   string
	CloudName string
}

// String is the environment as a person would write it, e.g. https://api.cloudinary.com/my-cloud.
func (e Environment) String() string { return e.APIBase + "/" + e.CloudName }

// Environment is the product environment that the credentials are for.
func (c Credentials) Environment() Environment {
	return Environment{APIBase: cmp.Or(c.APIBase, DefaultAPIBase), CloudName: c.CloudName}
}

// Insecure reports whether calls with these credentials would travel unencrypted. The caller
// decides whether that is allowed.
func (c Credentials) Insecure() bool {
	return !strings.HasPrefix(c.Environment().APIBase, "https://")
}

// CallsWithKey reports whether calls use key and secret. Only then does an answer confirm them: key
// and secret beside an OAuth token may be made up.
func (c Credentials) CallsWithKey() bool { return c.APISecret != "" && c.OAuthToken == "" }

// String shows the environment, never a key or secret.
func (c Credentials) String() string { return "credentials for " + c.Environment().String() }

// GoString shows what String shows.
func (c Credentials) GoString() string { return c.String() }

// Format shows what String shows, for every verb: %d or %x would otherwise print the fields.
func (c Credentials) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, c.String()) }

// LogValue shows log/slog the environment, never a key or secret.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalLog shows logr the environment, never a key or secret.
func (c Credentials) MarshalLog() any { return c.String() }

// MarshalText writes what String shows; there is deliberately no way back.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalJSON writes what String shows; there is deliberately no way back.
func (c Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Fingerprinter tells credentials apart without keeping them. Its fingerprints mean nothing to
// another Fingerprinter or process, so that a leaked one does not help to guess a secret. They must
// not be stored.
type Fingerprinter struct {
	key []byte
}

// NewFingerprinter returns a Fingerprinter with a random key of its own.
func NewFingerprinter() *Fingerprinter {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // documented never to fail
	return &Fingerprinter{key: key}
}

// Fingerprint is 64 lower-case hex digits, equal only for equal credentials, all five fields
// counted.
func (f *Fingerprinter) Fingerprint(c Credentials) string {
	mac := hmac.New(sha256.New, f.key)
	for _, field := range []string{c.Environment().APIBase, c.CloudName, c.APIKey, c.APISecret, c.OAuthToken} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		_, _ = mac.Write(length[:])
		_, _ = io.WriteString(mac, field)
	}
	return hex.EncodeToString(mac.Sum(nil))
}
