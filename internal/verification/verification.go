// SPDX-License-Identifier: Apache-2.0

// Package verification is what the manager and the receiver agree on: how the keys that notifications are verified with are handed
// from the one to the other, in a Secret with one data entry for each product environment, and which of an entry's keys count
// for which endpoint. The manager decides with it which keys an entry has; the receiver, which of them it verifies with.
//
// It is pure: it neither reads nor writes the Secret, and the time is an argument.
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

// SecretName is the name of the Secret. It is fixed, so that a Role can name it: RBAC selects neither by label nor by prefix.
const SecretName = "cloudinary-receiver-verification-keys" //nolint:gosec // a name

// PathKeySecretName is the name of the Secret with the key that unguessable addresses of endpoints are computed with, in the same namespace.
// The manager makes it and never changes it, and the receiver does not read it: who deletes it moves every such endpoint to another address.
const PathKeySecretName = "cloudinary-receiver-path-key" //nolint:gosec // a name

// Environment identifies a product environment.
type Environment struct {
	APIBase   string `json:"apiBase"`
	CloudName string `json:"cloudName"`
}

// Key is a secret that Cloudinary may sign an environment's notifications with. Printing or logging it shows the id alone;
// encoding it as JSON shows everything.
type Key struct {
	// ID is the API key, which is no secret.
	ID string `json:"id"`
	// Secret is the API key's secret.
	Secret string `json:"secret"`
	// NotAfter is when the key stops to count. It is set once the key is in no Secret any more; nil: it counts.
	NotAfter *time.Time `json:"notAfter,omitempty"`

	// Unchecked says that nobody has had Cloudinary confirm the key: it stands in a Secret as signing.<API_KEY>, or beside an OAuth token. Such
	// a key speaks for nobody but the Secret's own endpoints. The name in JSON is from when there were signing keys alone.
	Unchecked bool `json:"signing,omitempty"`
	// Sources are the Secrets that have the key, or had it lately if it has an end, as namespace/name, sorted. For whom the key counts
	// is told by them.
	Sources []string `json:"sources,omitempty"`
}

// Counts reports whether notifications may be verified with the key.
func (k Key) Counts(now time.Time) bool { return k.NotAfter == nil || now.Before(*k.NotAfter) }

// String tells the id alone.
func (k Key) String() string { return "key " + k.ID }

// Format shows what String shows, whatever the verb: %d or %x would otherwise print the secret.
func (k Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalLog shows logr what String shows.
func (k Key) MarshalLog() any { return k.String() }

// Keys is the entry of a product environment.
type Keys struct {
	Environment
	// Keys of all endpoints. None counts for all of them: see Pool.
	Keys []Key `json:"keys"`
}

// EntryName is the name of an environment's entry in the Secret's data. It is always the same for one environment, and a valid name
// whatever the environment is called.
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

// Encode is the entry as it stands in the Secret. Equal keys are equal bytes.
func (k Keys) Encode() ([]byte, error) {
	raw, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("encode verification keys: %w", err)
	}
	return raw, nil
}

// Decode reads an entry. What a later version adds is left out. The errors hold nothing of the entry.
func Decode(raw []byte) (Keys, error) {
	var k Keys
	if err := json.Unmarshal(raw, &k); err != nil {
		return Keys{}, errors.New("it is not the JSON that the manager writes") // the cause may quote it
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

// DecodeSecret reads all entries. One that cannot be read, or stands under another environment's name, is an error that names it,
// and keeps none of the others from being read.
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
