// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// SigningKeyPrefix begins the keys of a Secret's data with further secrets that Cloudinary may sign
// notifications with. The API key of the secret follows: signing.<API_KEY>.
const SigningKeyPrefix = "signing."

// SigningKey is an API key with its secret that may sign notifications. The operator makes no call
// with it. Printing or logging it shows only the API key.
type SigningKey struct {
	APIKey string
	Secret string
}

// String shows the API key, never the secret.
func (k SigningKey) String() string { return "signing key " + k.APIKey }

// Format shows what String shows, for every verb.
func (k SigningKey) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalText writes what String shows; there is deliberately no way back.
func (k SigningKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// ParseSigningKeys reads the further signing keys of a Secret's data, in the order of their API
// keys. It removes the text that people copy along, as ParseSecret does. Every error is a
// *SecretError with the whole name as key, which is no secret.
func ParseSigningKeys(data map[string][]byte) ([]SigningKey, error) {
	var keys []SigningKey
	var wrong []*SecretError
	for name, raw := range data {
		apiKey, ok := strings.CutPrefix(name, SigningKeyPrefix)
		if !ok {
			continue
		}
		key := SigningKey{APIKey: apiKey, Secret: pasted(raw, name, KeyAPISecret, KeyEnvAPISecret)}
		if problem := key.check(); problem != "" {
			wrong = append(wrong, &SecretError{name, problem})
			continue
		}
		keys = append(keys, key)
	}
	if len(wrong) > 0 { // always the same one
		return nil, slices.MinFunc(wrong, func(a, b *SecretError) int { return cmp.Compare(a.Key, b.Key) })
	}
	slices.SortFunc(keys, func(a, b SigningKey) int { return cmp.Compare(a.APIKey, b.APIKey) })
	return keys, nil
}

// check continues the sentence "signing.<API_KEY> …" where the key is wrong.
func (k SigningKey) check() string {
	switch {
	case k.APIKey == "":
		return "names no API key: it must read signing.<API_KEY>, with the secret of that API key as its value"
	case len(k.APIKey) > maxKeyBytes:
		return "names an API key that " + tooLong(maxKeyBytes)
	case isPlaceholder(k.APIKey):
		return "is a placeholder from the documentation: put a real API key behind " + SigningKeyPrefix
	case k.Secret == "":
		return "is empty: set it to the secret of that API key, or remove it"
	case isPlaceholder(k.Secret):
		return "is a placeholder from the documentation: put the real secret there"
	}
	if problem := leftover(k.Secret); problem != "" {
		return problem
	}
	return checkAPISecret(k.Secret)
}
