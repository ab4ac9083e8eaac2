// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha1" //nolint:gosec // Cloudinary's default
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAge is how old a notification may be. Cloudinary's SDKs say two hours, and the receiver has checked that on arrival. But what
	// it delivers late, because this program was down, has the signature of that day: so this is as long as spec.receiver.retry.maxAge can
	// be. Without a receiver before it, two hours are right. What is done twice has to do no harm in any case.
	maxAge = 30 * 24 * time.Hour
	// maxFuture is by how much clocks differ.
	maxFuture = 5 * time.Minute
)

// verifier proves that a notification is Cloudinary's.
type verifier struct {
	secret  []byte   // the API secret; none: that of CLOUDINARY_URL does not count
	folder  string   // with the files of the mounted Secret; empty: it is not mounted
	apiKeys []string // the only API keys that count, by their ids; none: all that are known
	maxAge  time.Duration
}

// counts says whether notifications may be signed with an API key. One that signs what browsers ask for, such as uploads, must not: a
// notification can be made of that.
func (v *verifier) counts(apiKey string) bool {
	return len(v.apiKeys) == 0 || slices.Contains(v.apiKeys, apiKey)
}

var (
	errTimestamp = errors.New("X-Cld-Timestamp is not a time in seconds")
	errSignature = errors.New("no secret that is known here has signed it")
	errTooOld    = errors.New("the notification is too old, or from the future")
)

// verify says how old a genuine notification is. It looks at the bytes that were received. Decoding the JSON and encoding it again would give other ones, and another signature.
func (v *verifier) verify(header http.Header, body []byte, now time.Time) (age time.Duration, _ error) {
	// The signature is over body, timestamp and secret with nothing between them. Ten digits, no more and no fewer, keep somebody from
	// moving a digit from the body to the timestamp or back.
	timestamp := header.Get("X-Cld-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || len(timestamp) != 10 || seconds < 1e9 {
		return 0, errTimestamp
	}
	if !v.matches(header.Get("X-Cld-Signature"), body, timestamp) {
		return 0, errSignature
	}
	if age = now.Sub(time.Unix(seconds, 0)); age > v.maxAge || age < -maxFuture {
		return 0, errTooOld
	}
	return age, nil
}

func (v *verifier) matches(signature string, body []byte, timestamp string) bool {
	return slices.ContainsFunc(append([][]byte{v.secret}, v.mounted()...), func(secret []byte) bool {
		return matches(signature, body, timestamp, secret)
	})
}

// mounted are the secrets that the Secret has now: that of CLOUDINARY_URL, and each signing.<API_KEY>. What was signed before a rotation
// arrives after it, and the other way round, so that one secret is not enough. The files are read anew each time, since they change
// while this program runs.
func (v *verifier) mounted() [][]byte {
	if v.folder == "" {
		return nil
	}
	entries, err := os.ReadDir(v.folder)
	if err != nil {
		return nil // as if it were not mounted; what is signed with another secret is then to be tried again
	}
	var secrets [][]byte
	for _, entry := range entries {
		own := entry.Name() == "CLOUDINARY_URL"
		apiKey, further := strings.CutPrefix(entry.Name(), "signing.")
		if !own && !further {
			continue
		}
		content, err := os.ReadFile(filepath.Join(v.folder, entry.Name()))
		if err != nil {
			continue
		}
		text := strings.TrimSpace(string(content))
		if own {
			apiKey, text = userOf(text)
		}
		if text != "" && v.counts(apiKey) { // with an empty secret, anybody could sign
			secrets = append(secrets, []byte(text))
		}
	}
	return secrets
}

func userOf(cloudinaryURL string) (apiKey, secret string) {
	u, err := url.Parse(cloudinaryURL)
	if err != nil || u.User == nil {
		return "", ""
	}
	secret, _ = u.User.Password()
	return u.User.Username(), secret
}

func matches(signature string, body []byte, timestamp string, secret []byte) bool {
	if len(secret) == 0 {
		return false
	}
	signed := make([]byte, 0, len(body)+len(timestamp)+len(secret))
	signed = append(append(append(signed, body...), timestamp...), secret...)
	var want string
	switch len(signature) {
	case 2 * sha1.Size:
		sum := sha1.Sum(signed) //nolint:gosec // as above
		want = hex.EncodeToString(sum[:])
	case 2 * sha256.Size: // a setting of the account
		sum := sha256.Sum256(signed)
		want = hex.EncodeToString(sum[:])
	default:
		return false
	}
	// Takes the same time wherever the difference is: == would tell a forger how many digits are right.
	return subtle.ConstantTimeCompare([]byte(signature), []byte(want)) == 1
}
