// SPDX-License-Identifier: Apache-2.0

// Package verification is the agreement between the manager and the receiver on verification keys.
// The manager writes them into a Secret with one data entry for each product environment. The
// package decides which keys an entry has, and which of them count for which endpoint.
//
// It is pure: it neither reads nor writes the Secret, and times are arguments.
package verification

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// SecretName is the name of the Secret. It is fixed, so that a Role can name it: RBAC selects
// neither by label nor by prefix.
const SecretName = "cloudinary-receiver-verification-keys" //nolint:gosec // a name

// PathKeySecretName is the name of the Secret, in the same namespace, with the key for unguessable
// addresses. The manager creates it and never changes it, and the receiver does not read it. Its
// deletion moves every such endpoint to another address.
const PathKeySecretName = "cloudinary-receiver-path-key" //nolint:gosec // a name

// Environment identifies a product environment.
type Environment struct {
	APIBase   string `json:"apiBase"`
	CloudName string `json:"cloudName"`
}

// Key is a secret that Cloudinary may sign an environment's notifications with. Printing or logging
// it shows only the id. Its JSON shows everything.
type Key struct {
	// ID is the API key, which is no secret.
	ID string `json:"id"`
	// Secret is the API key's secret.
	Secret string `json:"secret"`
	// NotAfter is when the key stops to count. It is set once no Secret has the key any more. Nil:
	// it counts.
	NotAfter *time.Time `json:"notAfter,omitempty"`

	// Unchecked means that Cloudinary has not confirmed the key: it is in a Secret as
	// signing.<API_KEY>, or beside an OAuth token. Such a key counts only for endpoints of that
	// Secret. Its JSON name dates from a time with signing keys only.
	Unchecked bool `json:"signing,omitempty"`
	// Sources are the Secrets that have the key, or had it lately if it has an end, as
	// namespace/name, sorted. They decide for whom the key counts.
	Sources []string `json:"sources,omitempty"`
}

// Counts reports whether notifications may be verified with the key.
func (k Key) Counts(now time.Time) bool { return k.NotAfter == nil || now.Before(*k.NotAfter) }

// String tells the id alone.
func (k Key) String() string { return "key " + k.ID }

// Format shows what String shows, for every verb: %d or %x would otherwise print the secret.
func (k Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalLog shows logr what String shows.
func (k Key) MarshalLog() any { return k.String() }

// Keys is the entry of a product environment.
type Keys struct {
	Environment
	// Keys are those of all endpoints. No key counts for all of them: see Pool.
	Keys []Key `json:"keys"`
}

// EntryName is the name of an environment's entry in the Secret's data. It is always the same for
// one environment, and always valid.
func EntryName(e Environment) string {
	h := sha256.New()
	for _, part := range []string{e.APIBase, e.CloudName} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		_, _ = h.Write(length[:])
		_, _ = io.WriteString(h, part)
	}
	const digits = 40
	return "environment-" + hex.EncodeToString(h.Sum(nil))[:digits]
}

// Encode is the entry's text in the Secret. Equal keys are equal bytes.
func (k Keys) Encode() ([]byte, error) {
	raw, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("encode verification keys: %w", err)
	}
	return raw, nil
}

// Decode reads an entry. It ignores additions of later versions. The errors repeat nothing of the
// entry.
func Decode(raw []byte) (Keys, error) {
	var k Keys
	if err := json.Unmarshal(raw, &k); err != nil {
		// The cause may quote it
		return Keys{}, errors.New("it is not the JSON that the manager writes")
	}
	if k.APIBase == "" || k.CloudName == "" {
		return Keys{}, errors.New("it does not say which product environment it is for")
	}
	for _, key := range k.Keys {
		if key.ID == "" || key.Secret == "" {
			return Keys{}, errors.New("it has a key without id or secret")
		}
	}
	return k, nil
}

// DecodeSecret reads all entries. An unreadable entry, or one under the name of another
// environment, is an error that names it. The other entries are read all the same.
func DecodeSecret(data map[string][]byte) (map[Environment]Keys, []error) {
	all := map[Environment]Keys{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(data)) {
		k, err := Decode(data[name])
		if err == nil && EntryName(k.Environment) != name {
			err = errors.New("it stands under another product environment's name")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("entry %s: %w", name, err))
			continue
		}
		all[k.Environment] = k
	}
	return all, errs
}
